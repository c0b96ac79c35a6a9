"""A trial merges what its forward passes read, and measures what a whole merge would."""

from pathlib import Path

import numpy as np
import torch

import merging
from evaluation.evaluate import evaluate
from study.measuring.measure import Measurer
from study.study import Study, open_study

POINT = {"digits": 0.3, "signs": 0.7, "flags": 0.2}


def test_tensors_that_no_forward_pass_reads_are_not_merged(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    with Measurer(study, "cpu") as measurer:
        before = measurer.buffer.clone()
        fast = measurer.measure(study.method(), POINT).outputs
        idle = [entry for entry in measurer.vectors.layout.entries if measurer.model.idle(entry.name)]
        assert {"logit_scale", "ln_final.bias"} <= {entry.name for entry in idle}
        for entry in idle:
            assert torch.equal(*(measurer.vectors.layout.view(flat, entry) for flat in (before, measurer.buffer)))
        merging.combine_into(measurer.buffer, measurer.directions(study.method()), POINT)
        for dtype in {measurer.vectors.dtype(entry.name) for entry in measurer.vectors.layout.entries}:
            measurer.buffer.copy_(measurer.buffer.to(dtype))
        for name, task in measurer.tasks.items():
            whole = evaluate(measurer.model, task, "validation", torch.device("cpu"))[1]
            assert (fast[name] == whole).all()


def test_the_study_says_how_passes_compute(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    half = Study(study.folder, study.settings.model_copy(update={"precision": "bfloat16"}))
    found = []
    for one in (study, half):
        with Measurer(one, "cpu") as measurer:
            found.append(measurer.measure(one.method(), POINT).outputs)
    for task, exact in found[0].items():
        moved = np.abs(found[1][task] - exact).max()
        assert 0 < moved < 0.05 * np.ptp(exact)
    assert not (study.folder / "samples" / "precision.json").exists()


def test_another_split_of_the_same_merge_takes_no_merge(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    with Measurer(study, "cpu", splits=("validation", "test")) as measurer:
        choice = study.method()
        alone = measurer.measure(choice, POINT, "test").outputs
        measurer.measure(choice, dict.fromkeys(POINT, 0.0))
        measurer.measure(choice, POINT)
        written = measurer.buffer._version
        found = measurer.measure(choice, POINT, "test", again=True).outputs
        assert measurer.buffer._version == written
        assert all(np.array_equal(found[task], outputs) for task, outputs in alone.items())
