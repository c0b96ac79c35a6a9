"""A study of open_clip ViT-B-32 models with random weights, and how long a trial of it takes."""

import gc
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "ViT-B-32"
CLASSES = 10
PICTURE = 256


def make_study(folder: Path, experts: int, tasks: int, samples: int, seed: int = 0) -> Path:
    """Write base, experts (image tower moved by noise of 2 % of each tensor's spread), JPEG folders, study.yaml."""
    from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
    from study.study import create

    if (folder / "study.yaml").exists():
        return folder
    names = [f"task{number}" for number in range(max(experts, tasks))]
    _checkpoints(folder, names[:experts], seed)
    for number, name in enumerate(names[:tasks]):
        _pictures(folder / "data" / name, samples + 20, seed + number)
    counts = Samples(calibration=0, validation=samples, test=10)
    create(
        folder,
        Settings(
            name=f"{experts} experts of {MODEL}",
            base=BaseChoice(model=MODEL, weights="base.safetensors"),
            experts=tuple(ExpertChoice(name=name, weights=f"{name}.safetensors") for name in names[:experts]),
            tasks=tuple(TaskChoice(name=name, data=f"data/{name}", samples=counts) for name in names[:tasks]),
            methods=(MethodChoice(name="task_arithmetic"),),
        ),
    )
    return folder


def _checkpoints(folder: Path, names: list[str], seed: int) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    base = {key: one.clone() for key, one in open_clip.create_model(MODEL, pretrained=None).state_dict().items()}
    save_file(base, folder / "base.safetensors")
    for number, name in enumerate(names):
        generator = torch.Generator().manual_seed(seed + 1 + number)
        moved = {}
        for key, one in base.items():
            moved[key] = one
            if key.startswith("visual.") and one.is_floating_point() and one.numel() > 1:
                moved[key] = one + 0.02 * one.std() * torch.randn(one.shape, generator=generator)
        save_file(moved, folder / f"{name}.safetensors")


def _pictures(folder: Path, count: int, seed: int) -> None:
    """JPEG files of 256 x 256: smooth colours under noise, so that they compress like photographs."""
    from PIL import Image

    generator = np.random.default_rng(seed)
    for number in range(count):
        small = Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((PICTURE, PICTURE), Image.Resampling.BICUBIC), dtype=np.float32)
        noisy = np.clip(pixels + generator.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
        file = folder / f"class{number % CLASSES}" / f"{number:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(file, quality=90)


def points(names: list[str], count: int) -> list[dict[str, float]]:
    """Coefficients that differ from trial to trial."""
    return [{name: (i * (k + 1) * 0.37) % 1.0 for k, name in enumerate(names)} for i in range(count)]


def measure(folder: Path, trials: int, device: str = "cpu") -> dict[str, Any]:
    """Medians and raw seconds of trials, and of the bare forward passes of the same model on the same batches, in
    turns; the first of each warms the caches and does not count."""
    import torch

    from evaluation.device import first_batch_size
    from study.measuring.measure import Measurer
    from study.measuring.outputs import save_outputs
    from study.study import open_study

    study = open_study(folder)
    choice = study.method()
    rows: list[dict[str, float]] = []
    with Measurer(study, device) as measurer:
        for number, point in enumerate(points([one.name for one in study.experts], trials + 1)):
            begun = time.perf_counter()
            result = measurer.measure(choice, point)
            save_outputs(study, f"trial{number}", "validation", result.outputs)
            total = time.perf_counter() - begun
            begun = time.perf_counter()
            with torch.inference_mode():
                for task in measurer.tasks.values():
                    split = task.split("validation")
                    inputs = split.resident[str(measurer.device)]
                    size = min(len(split), first_batch_size(measurer.device))
                    for start in range(0, len(split), size):
                        measurer.measuring.forward(inputs[start : start + size], task.head)
                if measurer.device.type == "cuda":
                    torch.cuda.synchronize()
            bare = time.perf_counter() - begun
            rows.append({**result.seconds, "trial": total, "bare": bare})
            gc.collect()
        parameters = measurer.vectors.layout.parameters
    rows = rows[1:]
    return {
        "model": MODEL,
        "experts": len(study.experts),
        "samples": sum(task.samples.validation for task in study.tasks),
        "parameters": parameters,
        "medians": {key: statistics.median(row[key] for row in rows) for key in rows[0]},
        "trial_over_bare": statistics.median(row["trial"] / row["bare"] for row in rows),
        "raw": rows,
    }
