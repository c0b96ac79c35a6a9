"""The page of the methods that learn is what was measured, and its numbers are those of the points."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learned_cost import OUT as COST
from benchmarks.learned_cost import costs
from benchmarks.learning_methods import GROUPS, TASKS
from benchmarks.learning_more import loaded
from benchmarks.learning_order import OUT, volume
from benchmarks.learning_page import page
from benchmarks.learning_table import means
from merging import methods
from tests.conftest import ROOT


def test_the_page_is_made_from_the_measurements() -> None:
    result = json.loads((ROOT / OUT).read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "learning.md").read_text(encoding="utf-8") == page(result, loaded((ROOT / OUT).parent))
    names = {name for many in GROUPS.values() for name in many}
    for row in result["rows"]:
        assert row["method"] in names
        first = next(point for point in row["points"] if point["at"] == [row["default"]] * len(TASKS))
        assert row["published"] == pytest.approx(float(np.mean(first["test"])))
        assert row["hypervolume"] == pytest.approx(volume([one["test"] for one in row["points"]], row["experts"]))


def test_docstrings_state_the_time_and_memory_that_were_measured() -> None:
    found = costs(json.loads((ROOT / COST).read_text(encoding="utf-8")))
    assert {one.name for one in found} <= set(methods())
    for one in found:
        said = " ".join((methods()[one.name].__doc__ or "").split())
        assert one.sentence in said, f"the docstring of {one.name} should say: {one.sentence}"


def test_the_volume_of_the_experts_is_one() -> None:
    assert volume([[0.9, 0.8, 0.7]], [0.9, 0.8, 0.7]) == pytest.approx(1.0)
    assert volume([[0.45, 0.8, 0.7]], [0.9, 0.8, 0.7]) == 0.0


def test_means_are_over_seeds() -> None:
    rows = [{"method": "lot", "published": value} for value in (0.5, 0.7)]
    assert means(rows, "published")["lot"] == pytest.approx((0.6, 0.1 * 2**0.5))
    assert Path(OUT).suffix == ".json"
