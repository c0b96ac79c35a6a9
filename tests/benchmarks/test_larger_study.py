"""The larger study, small: its models are trained and its methods measured by the code that a GPU runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.larger import training
from benchmarks.larger.pictures import SIDE, draw, keep, unpack
from benchmarks.larger_study import main
from benchmarks.learning_methods import SCALES
from benchmarks.learning_order import volume
from demo.drawing.material import Material


@pytest.fixture(scope="module")
def materials() -> list[Material]:
    return draw(("scans", "surfaces", "faults"), seed=3, train=48, held=40)


def test_pictures_come_back_as_they_were_kept(materials: list[Material], tmp_path: Path) -> None:
    keep(materials, tmp_path / "pictures.npz")
    for kept, drawn in zip(unpack(tmp_path / "pictures.npz"), materials, strict=True):
        assert kept.subject == drawn.subject and kept.train.labels.tolist() == drawn.train.labels.tolist()
        assert kept.held.pixels.shape == (40, SIDE, SIDE, 3)
        difference = kept.held.pixels.astype(float) - drawn.held.pixels
        assert np.abs(difference).mean() < 12.0  # JPEG
        assert not {each.tobytes() for each in drawn.train.pixels} & {each.tobytes() for each in drawn.held.pixels}


def test_a_vague_label_names_two_neighbours(materials: list[Material]) -> None:
    vague, true = training.wanted(materials, vague=True), training.wanted(materials, vague=False)
    assert torch.equal(true, torch.eye(10 + 12 + 7))
    assert vague[2].nonzero().flatten().tolist() == [2, 3] and float(vague[2, 3]) == 0.5
    assert vague[-1].nonzero().flatten().tolist() == [28]  # the last of an odd number stands alone
    heads = training.rows(materials, 64, 0)
    assert torch.allclose(heads @ heads.T, training.SCALE**2 * torch.eye(len(heads)), atol=1e-2)


def words(materials: list[Material], folder: Path) -> list[str]:
    """What both runs ask for: a tiny study of one seed, of pictures that are kept first."""
    keep(materials, folder / "pictures.npz")
    places = ["--pictures", str(folder / "pictures.npz"), "--out", str(folder / "out.json")]
    return ["--size", "tiny", *places, "--seeds", "1"]


def test_every_step_is_written_and_a_run_goes_on_where_it_stopped(materials: list[Material], tmp_path: Path) -> None:
    methods = ("task_arithmetic", "iso_c", "lot", "featcal+tsv_m", "concrete")
    asked = [*words(materials, tmp_path), "--folder", str(tmp_path / "models")]
    assert main([*asked, "--only", "task_arithmetic,iso_c,lot"]) == 0
    made = [tmp_path / "models" / name for name in ("surfaces.safetensors", "tasks/surfaces/sheet.png")]
    times = [each.stat().st_mtime_ns for each in made]
    assert main([*asked, "--only", ",".join(methods)]) == 0
    assert [each.stat().st_mtime_ns for each in made] == times, "it was made again"
    found = json.loads((tmp_path / "out.json").read_text())
    assert [row["method"] for row in found["rows"]] == list(methods) and not found["failures"]
    lines, few = found["references"]["1"], training.SIZES["tiny"].samples["test"]
    assert set(lines) == {"base", "experts", "ensemble", "joint, equal"} and len(lines["base"]) == 3
    assert all(value * few == round(value * few) for value in lines["experts"])
    for row in found["rows"]:
        assert row["hypervolume"] == pytest.approx(volume([one["test"] for one in row["points"]], row["experts"]))
    assert found["rows"][-1]["curve"][0][0] == 0
    assert 0.0 < found["training"]["surfaces"]["moved"] < 1.0
    again = found["training"] | {"surfaces": found["training"]["surfaces"] | {"seconds": 1e9}}
    rows = {row["method"]: row for row in found["rows"]}
    without = [row for row in found["rows"] if row["method"] != "iso_c"]
    (tmp_path / "out.json").write_text(json.dumps(found | {"training": again, "rows": without}))
    assert main([*asked, "--only", "iso_c"]) == 0, "the same models, trained in another time"
    assert len(list((tmp_path / "models").glob("merge-*.pt"))) == len(SCALES)
    assert json.loads((tmp_path / "out.json").read_text())["rows"][-1]["points"] == rows["iso_c"]["points"]
    assert set(found["later"]) == {row["commit"] for row in found["rows"]}
    (tmp_path / "out.json").write_text(json.dumps(found | {"training": found["training"] | {"parameters": 1}}))
    with pytest.raises(SystemExit, match="other models"):
        main(asked)
    keep(materials[:2], tmp_path / "pictures.npz")
    with pytest.raises(SystemExit, match="other tasks"):
        main(asked)


def test_a_spent_budget_keeps_what_there_is(materials: list[Material], tmp_path: Path) -> None:
    assert main([*words(materials, tmp_path), "--only", "task_arithmetic", "--budget-seconds", "0"]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["rows"] == [] and set(found["references"]) == {"1"} and "base" in found["training"]
