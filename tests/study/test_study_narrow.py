"""Directions in half precision: half the memory, the base exact, trials of their own, exports from the full ones."""

from pathlib import Path

import pytest
import torch

from merging import MergingError, combine_into
from merging.combining.narrow import narrowed
from study.export import Order, export
from study.measuring.asked import measure_now
from study.measuring.measure import Measurer
from study.study import Study, open_study
from study.verify import verify


def _narrow(study: Study, kind: str) -> Study:
    return Study(study.folder, study.settings.model_copy(update={"directions": kind}))


@pytest.mark.parametrize(("kind", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)])
def test_a_merge_is_of_rounded_directions_in_float32(fresh_demo: Path, kind: str, dtype: torch.dtype) -> None:
    study = open_study(fresh_demo)
    at = {"digits": 0.4, "signs": 0.3, "flags": 0.2}
    with Measurer(study, "cpu") as measurer:
        full = measurer.directions(study.method())
        narrow = narrowed(full, kind)
        assert narrow.matrix.dtype == dtype and narrow.matrix.nbytes * 2 == full.matrix.nbytes
        assert torch.equal(narrow.matrix, full.matrix.to(dtype)) and torch.equal(narrow.base, full.base)
        merged = torch.empty_like(full.base)
        combine_into(merged, narrow, dict.fromkeys(at, 0.0))
        assert torch.equal(merged, full.base)
        combine_into(merged, narrow, at)
        expected = full.base.double() + torch.tensor(list(at.values())).double() @ full.matrix.to(dtype).double()
        assert torch.allclose(merged.double(), expected, rtol=0, atol=1e-6)
        assert torch.equal(narrowed(full, kind).matrix, narrow.matrix)  # the second time from its file
        assert narrow.exactness.endswith(f"Directions are kept in {kind}.")
        (narrow.path.parent / f"{narrow.path.stem}.{kind}").unlink()  # type: ignore[union-attr]
        full.matrix[0, 0] = 1e9
        if kind == "float16":
            with pytest.raises(MergingError, match="too large for float16. Choose bfloat16"):
                narrowed(full, kind)


def test_its_trials_are_its_own_and_its_export_is_of_the_full_ones(fresh_demo: Path, tmp_path: Path) -> None:
    full = open_study(fresh_demo)
    study = _narrow(full, "bfloat16")
    study.save()
    at = {"digits": 0.4, "signs": 0.3, "flags": 0.2}
    (one,) = measure_now(full, [(full.method(), at)], ("validation", "test"), "cpu")
    (two,) = measure_now(study, [(study.method(), at)], ("validation",), "cpu")
    assert one.id != two.id and full.context != study.context
    for task in at:
        assert two.metrics[task].value == pytest.approx(one.metrics[task].value, abs=0.02)
    value = export(study, Order(study.method(), at), tmp_path / "out", "cpu")
    assert {name: cell["value"] for name, cell in value["metrics"].items()} == {
        name: cell.value for name, cell in one.test.items()
    }
    said = verify(tmp_path / "out", device="cpu")
    assert said["identical"] and said["metrics_equal"]
