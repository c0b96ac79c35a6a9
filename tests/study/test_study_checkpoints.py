"""Experts that cannot be merged: the one clear line, exit code 2, and nothing measured."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from study.folder.study_file import dump
from study.study import open_study
from tests.conftest import run_command

Change = Callable[[dict[str, torch.Tensor]], None]


def _drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["visual.proj"]


def _reshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["visual.proj"] = tensors["visual.proj"][:, :64].contiguous()


def _poison(tensors: dict[str, torch.Tensor]) -> None:
    tensors["visual.proj"][3, 5] = float("nan")


def _add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["classifier.weight"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (_drop, ["digits", "visual.proj"]),
        (_reshape, ["digits", "visual.proj", "(128, 64)", "(128, 128)"]),
        (_poison, ["digits", "visual.proj", "NaN"]),
        (_add, ["digits", "classifier.weight"]),
    ],
)
def test_an_expert_that_does_not_fit_is_named(fresh_demo: Path, change: Change, parts: list[str]) -> None:
    path = fresh_demo / "models" / "digits.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    _refused(fresh_demo, parts)


class Bomb:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('the pickle ran')",)


def test_a_pickle_with_code_never_runs(fresh_demo: Path) -> None:
    (fresh_demo / "models" / "digits.pt").write_bytes(pickle.dumps(Bomb()))
    _swap(fresh_demo, "models/digits.pt")
    _refused(fresh_demo, ["digits.pt", "safetensors"], never="the pickle ran")


def test_a_torch_file_with_code_never_runs(fresh_demo: Path) -> None:
    torch.save({"visual.proj": Bomb()}, fresh_demo / "models" / "digits.pt")
    _swap(fresh_demo, "models/digits.pt")
    _refused(fresh_demo, ["digits.pt"], never="the pickle ran")


def test_a_missing_file_is_named(fresh_demo: Path) -> None:
    (fresh_demo / "models" / "digits.safetensors").unlink()
    _refused(fresh_demo, ["digits.safetensors"])


def test_a_truncated_file_is_named(fresh_demo: Path) -> None:
    path = fresh_demo / "models" / "digits.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    _refused(fresh_demo, ["digits.safetensors"])


def test_a_safe_torch_file_is_as_good_as_safetensors(fresh_demo: Path) -> None:
    torch.save(load_file(fresh_demo / "models" / "digits.safetensors"), fresh_demo / "models" / "digits.pt")
    _swap(fresh_demo, "models/digits.pt")
    done = run_command("run", str(fresh_demo), "--trials", "2", "--device", "cpu")
    assert done.returncode == 0, done.stderr


def test_weights_that_changed_under_a_study_are_refused(demo_copy: Path) -> None:
    path = demo_copy / "models" / "digits.safetensors"
    tensors = load_file(path)
    tensors["visual.proj"][0, 0] += 1
    save_file(tensors, path)
    done = run_command("run", str(demo_copy), "--trials", "13", "--device", "cpu")
    assert done.returncode == 2
    assert "'digits'" in done.stderr and "new study" in done.stderr
    assert len(open_study(demo_copy).done()) == 12


def _swap(folder: Path, weights: str) -> None:
    study = open_study(folder)
    changed = tuple(
        one.model_copy(update={"weights": weights}) if one.name == "digits" else one for one in study.experts
    )
    (folder / "study.yaml").write_text(dump(study.settings.model_copy(update={"experts": changed})))


def _refused(folder: Path, parts: list[str], never: str = "\0") -> None:
    done = run_command("run", str(folder), "--trials", "2", "--device", "cpu")
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr and never not in done.stderr
    for part in parts:
        assert part in lines[-1]
    assert open_study(folder).done() == []
