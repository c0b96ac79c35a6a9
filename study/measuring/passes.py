"""How a study's forward passes are made: in float32, in bfloat16 where a GPU is faster in it, compiled on request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from evaluation.compiling import compiled
from evaluation.device import first_batch_size
from evaluation.evaluate import resident_inputs
from evaluation.models.head import Head
from evaluation.models.model import Model
from evaluation.precision import Halved, faster_in_half
from evaluation.task import Task
from study.folder.writing import replace_text
from study.measuring.samples import FOLDER
from study.study import Study

FILE = "precision.json"


def measuring(study: Study, model: Model, tasks: Mapping[str, Task]) -> Model:
    """The model as a trial uses it. What learns from samples looks inside the network, and keeps the plain one.

    ``precision`` in study.yaml decides; without it a CUDA device is tried once per study, on the first task's samples,
    and what was found is kept beside the samples: the same study gives the same bits again.
    """
    task = next(iter(tasks.values()), None)
    wanted = study.settings.precision or ("float32" if model.device.type != "cuda" else None)
    if task is None or (wanted == "float32" and not study.settings.compile):
        return model
    inputs = resident_inputs(next(iter(task.splits.values())), model.device)
    batch = inputs[: first_batch_size(model.device)].to(model.device)
    if (wanted or _found(study, model, batch, task.head)) == "bfloat16":
        model = cast(Model, Halved(model))
    return compiled(model, batch, task.head) if study.settings.compile else model


def _found(study: Study, model: Model, batch: Tensor, head: Head) -> str:
    """The precision that suits this device, by a trial of both when nothing is known of it."""
    path = study.folder / FOLDER / FILE
    known = _known(path)
    name = torch.cuda.get_device_name(model.device)
    if name not in known:
        known[name] = "bfloat16" if faster_in_half(model, batch, head) else "float32"
        replace_text(path, json.dumps(known, indent=1, sort_keys=True))
    return known[name]


def _known(path: Path) -> dict[str, str]:
    """What was found before; a file that is not whole counts as none, and is made again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
