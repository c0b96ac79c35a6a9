"""The page of the methods that learn is what was measured, and its numbers are those of the points."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learned_cost import OUT as COST
from benchmarks.learned_cost import costs
from benchmarks.learning_methods import GROUPS, TASKS
from benchmarks.learning_order import OUT, volume
from benchmarks.learning_page import SETS, page
from benchmarks.learning_table import beside, means, order, paired
from merging import methods
from tests.conftest import ROOT


def test_the_page_is_made_from_the_measurements() -> None:
    result = json.loads((ROOT / OUT).read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "learning.md").read_text(encoding="utf-8") == page((ROOT / OUT).parent)
    names = {name for many in GROUPS.values() for name in many}
    for row in result["rows"]:
        assert row["method"] in names
        first = next(point for point in row["points"] if point["at"] == [row["default"]] * len(TASKS))
        assert row["published"] == pytest.approx(float(np.mean(first["test"])))
        assert row["hypervolume"] == pytest.approx(volume([one["test"] for one in row["points"]], row["experts"]))


def test_what_the_page_says_in_short_is_so() -> None:
    for name in SETS.values():
        rows = json.loads((ROOT / OUT).with_name(f"{name}.json").read_text(encoding="utf-8"))["rows"]
        assert all(max(paired(rows, "tsv_m", "scaled")[other]) < 0 for other in ("task_arithmetic", "ties")), name
        if name in ("learning_order", "learning_six"):
            assert max(means(rows, "scaled").items(), key=lambda one: one[1][0])[0] == "featcal+tsv_m", name


def test_docstrings_state_the_time_and_memory_that_were_measured() -> None:
    found = costs(json.loads((ROOT / COST).read_text(encoding="utf-8")))
    assert {one.name for one in found} <= set(methods())
    for one in found:
        said = " ".join((methods()[one.name].__doc__ or "").split())
        assert one.sentence in said, f"the docstring of {one.name} should say: {one.sentence}"


def a_row(seed: int, method: str, scaled: float, validation: float) -> dict[str, object]:
    point = {"at": [0.3, 0.3], "validation": [validation, validation], "test": [scaled, scaled]}
    return {
        "seed": seed,
        "method": method,
        "scaled": scaled,
        "published": scaled,
        "hypervolume": scaled,
        "points": [point],
    }


def test_what_a_person_would_choose_is_chosen_on_validation_samples() -> None:
    rows = [a_row(seed, "ties", 0.7, 0.7) for seed in (0, 1)]
    rows += [a_row(seed, "tsv_m", 0.8, 0.6) for seed in (0, 1)] + [a_row(seed, "iso_c", 0.6, 0.9) for seed in (0, 1)]
    said = order(rows)
    assert "TIES < data-free: in 2 of 2 seeds, +10.0 points on average (hypervolume in 2, +0.100)" in said
    assert "chosen in 0, -10.0." in said


def test_methods_are_compared_seed_by_seed() -> None:
    rows = [a_row(seed, "tsv_m", level, level) for seed, level in enumerate((0.5, 0.7, 0.9))]
    rows += [a_row(seed, "lot", level, level) for seed, level in enumerate((0.6, 0.8, 0.9))]
    assert "| `lot` | +6.7 ± 3.3 | 2 of 3 | +6.7 ± 3.3 | 2 of 3 | +0.067 ± 0.033 | 2 of 3 |" in beside(rows, "tsv_m")


def test_the_volume_of_the_experts_is_one() -> None:
    assert volume([[0.9, 0.8, 0.7]], [0.9, 0.8, 0.7]) == pytest.approx(1.0)
    assert volume([[0.45, 0.8, 0.7]], [0.9, 0.8, 0.7]) == 0.0


def test_means_are_over_seeds() -> None:
    rows = [{"method": "lot", "published": value} for value in (0.5, 0.7)]
    assert means(rows, "published")["lot"] == pytest.approx((0.6, 0.1 * 2**0.5))
    assert Path(OUT).suffix == ".json"
