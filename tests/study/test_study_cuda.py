"""A study on a CUDA device: the numbers of the CPU, the same bytes again, several workers, full memory, an export."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.evaluate import evaluate
from study.measuring.measure import Measurer
from study.measuring.outputs import load_outputs
from study.run import run
from study.running.places import Place
from study.settings import MethodChoice
from study.study import Study, open_study
from tests.conftest import as_json
from tests.study.test_study_resume import content, small_demo

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
TRIALS = 6
MOVED = 0.03  # share of the largest logit that half precision may move one


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = small_demo(tmp_path_factory.mktemp("cuda") / "study")
    assert run(study, trials=TRIALS, device="cuda").measured == TRIALS
    return study


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    return float(np.abs(found - wanted).max()) <= MOVED * float(np.abs(wanted).max())


def test_trials_agree_with_the_cpu(measured: Study) -> None:
    with Measurer(measured, "cpu") as here:
        for trial in measured.done():
            wanted = here.measure(measured.method(), trial.coefficients)
            for task, outputs in load_outputs(measured, trial.id).items():
                assert close(outputs, wanted.outputs[task]), (trial.id, task)
                gap = abs(trial.metrics[task].value - wanted.measured[task].value)
                assert gap <= 2 / len(outputs), (trial.id, task)


def test_the_same_study_gives_the_same_bytes_whoever_works(measured: Study, tmp_path: Path) -> None:
    two = small_demo(tmp_path / "study")
    run(two, trials=TRIALS, place=Place(device="cuda:0,cuda:0"))
    assert content(measured) == content(two)
    for trial in measured.done():
        for task, outputs in load_outputs(measured, trial.id).items():
            assert np.array_equal(outputs, load_outputs(two, trial.id)[task])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ties", {}),
        ("tsv_m", {}),
        ("regmean", {}),
        ("fisher", {}),
        ("adamerging", {"steps": 3, "look": 1}),
        ("featcal", {}),
    ],
)
def test_methods_prepared_there_measure_as_those_prepared_here(
    name: str, settings: dict[str, float], tmp_path: Path
) -> None:
    choice = MethodChoice(name=name, settings=settings)
    found = {}
    for device in ("cuda", "cpu"):
        study = small_demo(tmp_path / device)
        with Measurer(study, device) as measurer:
            point = dict.fromkeys([each.name for each in study.experts], measurer.default(choice))
            found[device] = measurer.measure(choice, point).outputs
    for task, outputs in found["cpu"].items():
        assert close(found["cuda"][task], outputs), task


def test_full_memory_halves_the_batch(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    total = torch.cuda.get_device_properties(0).total_memory
    with Measurer(study, "cuda") as measurer:
        task = next(iter(measurer.tasks.values()))
        samples = task.split("validation")
        whole, wanted = evaluate(measurer.model, task, "validation", measurer.device)
        torch.cuda.empty_cache()
        taken = torch.cuda.memory_reserved()
        try:
            torch.cuda.set_per_process_memory_fraction((taken + 2 * samples.inputs.nbytes) / total)
            less, outputs = evaluate(measurer.model, task, "validation", measurer.device, 8192)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    assert less.batch_size < min(8192, len(samples)) <= whole.batch_size * 2
    assert close(outputs, wanted)


def test_an_export_is_measured_and_verified_there(measured: Study, tmp_path: Path) -> None:
    folder, out = str(measured.folder), str(tmp_path / "out")
    best = max(measured.done(), key=lambda trial: sum(one.value for one in trial.metrics.values()))
    at = ",".join(f"{name}={value!r}" for name, value in best.coefficients.items())
    as_json("export", folder, "--at", at, "--out", out, "--device", "cuda")
    report = as_json("verify", out, "--device", "cuda")
    assert report["identical"] is True, report


def test_a_compiled_model_agrees(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    text = (study.folder / "study.yaml").read_text()
    (study.folder / "study.yaml").write_text(text + "compile: true\n")
    point = {each.name: 0.3 for each in study.experts}
    with Measurer(open_study(study.folder), "cuda") as fast, Measurer(study, "cuda") as plain:
        found, wanted = fast.measure(study.method(), point), plain.measure(study.method(), point)
    for task, outputs in wanted.outputs.items():
        assert close(found.outputs[task], outputs), task


def test_half_precision_is_chosen_once_and_kept(measured: Study) -> None:
    kept = (measured.folder / "samples" / "precision.json").read_text()
    with Measurer(measured, "cuda"):
        pass
    assert (measured.folder / "samples" / "precision.json").read_text() == kept
    assert torch.cuda.get_device_name() in kept
