"""State dicts of timm and torchvision with a named architecture: measured with each expert's own classes, exported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from evaluation.models.head import read_head
from study.export import Order, export
from study.exporting.loading import loading
from study.measuring.measure import Measurer
from study.measuring.outputs import load_outputs
from study.preflight.doctor import doctor
from study.run import run
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
from study.study import Study, create

CLASSES = {"pets": ("cat", "cow", "dog"), "signs": ("go", "stop")}


def _network(name: str, classes: int) -> nn.Module:
    library, _, architecture = name.partition(":")
    if library == "timm":
        import timm

        made: nn.Module = timm.create_model(architecture, num_classes=classes)
        return made.eval()
    from torchvision.models import get_model

    made = get_model(architecture, num_classes=classes)
    return made.eval()


def _state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone().contiguous() for name, one in network.state_dict().items()}


def _write(folder: Path, name: str) -> Study:
    """A base with 1000 classes, two experts that moved from it with heads of their own, and pictures."""
    torch.manual_seed(0)
    folder.mkdir()
    base = _state(_network(name, 1000))
    save_file(base, folder / "base.safetensors")
    dice = np.random.default_rng(0)
    for task, classes in CLASSES.items():
        own = _state(_network(name, len(classes)))
        for key, tensor in own.items():
            if tensor.shape == base[key].shape:
                moved = base[key] + 0.02 * torch.randn_like(tensor) if tensor.is_floating_point() else base[key]
                own[key] = moved.abs() if key.endswith("running_var") else moved
        save_file(own, folder / f"{task}.safetensors")
        for word in classes:
            (folder / task / word).mkdir(parents=True)
            for number in range(16):
                pixels = dice.integers(0, 255, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / task / word / f"{number}.png")
    counts = Samples(calibration=0, validation=12, test=12)
    settings = Settings(
        name="named",
        base=BaseChoice(model=name, weights="base.safetensors"),
        experts=tuple(ExpertChoice(name=task, weights=f"{task}.safetensors") for task in CLASSES),
        tasks=tuple(TaskChoice(name=task, data=task, samples=counts) for task in CLASSES),
        methods=(MethodChoice(name="task_arithmetic"),),
    )
    return create(folder, settings)


@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:shufflenet_v2_x0_5"])
def test_experts_with_heads_of_their_own(tmp_path: Path, name: str) -> None:
    study = _write(tmp_path / "s", name)
    with Measurer(study, "cpu") as measurer:
        for task, classes in CLASSES.items():
            outputs = measurer.measure(study.method(), {one: float(one == task) for one in CLASSES}).outputs[task]
            expert = _network(name, len(classes))
            expert.load_state_dict(load_file(study.folder / f"{task}.safetensors"))
            inputs = torch.from_numpy(np.array(measurer.tasks[task].split("validation").inputs))
            with torch.inference_mode():
                assert outputs == pytest.approx(expert(inputs).numpy(), abs=2e-3)
    if name.startswith("timm"):
        _run_and_export(study, tmp_path / "out", name)


def _run_and_export(study: Study, out: Path, name: str) -> None:
    assert doctor(study, "cpu").level != "stop"
    assert run(study, 3, device="cpu").measured >= 3
    trial = study.done()[-1]
    value: dict[str, Any] = export(study, Order(study.method(), trial.coefficients), out, "cpu")
    assert {"model.safetensors", "heads/pets.safetensors", "heads/signs.safetensors"} <= set(value["sha256"])
    assert json.loads((out / "model.json").read_text(encoding="utf-8")) == {
        "library": "timm",
        "architecture": "test_vit",
    }
    network = _network(name, 1000)
    network.load_state_dict(load_file(out / "model.safetensors"))
    network.head = nn.Identity()
    head = read_head(out / "heads" / "pets.safetensors", torch.device("cpu"))
    with Measurer(study, "cpu") as measurer:
        inputs = torch.from_numpy(np.array(measurer.tasks["pets"].split("validation").inputs))
    with torch.inference_mode():
        found = head(network(inputs)).numpy()
    assert load_outputs(study, trial.id)["pets"] == pytest.approx(found, abs=1e-4)
    told: dict[str, Any] = {}
    exec(loading(out, str(out)), told)
    assert torch.equal(told["network"].state_dict()["norm.weight"], network.norm.weight)
    assert 'create_model(named["architecture"])' in (out / "README.md").read_text(encoding="utf-8")
