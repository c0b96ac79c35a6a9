"""Frozen heads: a task's own classifier over shared features, from a file of its own or out of an expert."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from evaluation.errors import EvaluationError
from evaluation.models.architecture import DEEP, FLAT, GELU, NUMBERED

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": nn.functional.gelu}
WEIGHT_FILES = ("model.safetensors", "open_clip_model.safetensors")


@dataclass(frozen=True, eq=False)
class Head:
    """logits = features @ weight.T + bias, where an inner layer, if any, changes the features first.

    weight (C, D) and bias (C,), inner_weight (D, D') and inner_bias (D,), all float32 on the model's device;
    `activation` is one of ACTIVATIONS. `labels` names the rows where they were named in the file.
    """

    weight: Tensor
    bias: Tensor | None = None
    inner_weight: Tensor | None = None
    inner_bias: Tensor | None = None
    activation: str = ""
    labels: tuple[str, ...] = ()

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (n, C) float32 from features (n, D') of any float dtype."""
        features = features.float()
        if self.inner_weight is not None:
            inner = nn.functional.linear(features, self.inner_weight, self.inner_bias)
            features = ACTIVATIONS[self.activation](inner)
        return nn.functional.linear(features, self.weight, self.bias)

    @property
    def width(self) -> int:
        """Length of the feature vectors that it takes."""
        return int((self.weight if self.inner_weight is None else self.inner_weight).shape[1])

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name, as a head file holds them; the activation goes into the file's metadata."""
        named = {
            "weight": self.weight,
            "bias": self.bias,
            "inner_weight": self.inner_weight,
            "inner_bias": self.inner_bias,
        }
        return {name: one for name, one in named.items() if one is not None}

    def in_order(self, classes: tuple[str, ...]) -> "Head":
        """With its rows in the order of `classes`, where its labels are these classes; else as it is."""
        if not self.labels or set(self.labels) != set(classes):
            return self
        rows = [self.labels.index(name) for name in classes]
        return replace(
            self, weight=self.weight[rows], bias=None if self.bias is None else self.bias[rows], labels=classes
        )


def read_head(path: Path, device: torch.device) -> Head:
    """A head as float32: from a file with `weight` (C, D) and maybe `bias` (C,), or out of an expert's checkpoint.

    The checkpoint (a .safetensors file, or a folder with one) may hold a classifier under any of the names that
    transformers, timm and torchvision use. A config.json beside it names the rows.
    Raises: EvaluationError naming the file when it holds no head.
    """
    file = _file(path)
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
            names = list(opened.keys())
            own = set(names) <= {"weight", "bias", "inner_weight", "inner_bias"}
            parts = {"weight": "weight", "bias": "bias", "inner_weight": "inner_weight", "inner_bias": "inner_bias"}
            activation = metadata.get("activation", "")
            if not own:
                parts, activation = _parts(path, names, _model_type(file))
            found = {part: opened.get_tensor(name) for part, name in parts.items() if name in names}
            shapes = {} if not own else {name: tuple(opened.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise EvaluationError(f"Head '{path}' cannot be read: {error}.") from None
    weight, bias = found.get("weight"), found.get("bias")
    fits = weight is not None and weight.ndim == 2 and (bias is None or bias.shape == weight.shape[:1])
    if not fits or ("inner_weight" in found and activation not in ACTIVATIONS):
        raise EvaluationError(f"Head '{path}' holds {shapes}.", "It needs weight (C, D), and may have bias (C,).")
    moved = {name: one.to(device, torch.float32) for name, one in found.items()}
    labels = tuple(json.loads(metadata["classes"])) if own and "classes" in metadata else _labels(file)
    return Head(**moved, activation=activation, labels=labels)


def prompted(features: Tensor, classes: int, scale: Tensor, bias: Tensor | None) -> Head:
    """A head from the normalised text features (classes · templates, D): their mean per class, normalised, times
    exp(scale), as CLIP's (arXiv 2103.00020, section 3.1.4); SigLIP adds a number to every logit (arXiv 2303.15343)."""
    mean = features.view(classes, -1, features.shape[-1]).mean(dim=1)
    weight = (nn.functional.normalize(mean, dim=-1) * scale.float().exp()).contiguous()
    return Head(weight, None if bias is None else bias.detach().float().reshape(1).expand(classes).contiguous())


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in WEIGHT_FILES if (path / name).is_file()] or sorted(path.glob("*.safetensors"))
    if len(found) != 1:
        raise EvaluationError(
            f"Folder '{path}' has {len(found)} weight files to take a head from.", "Name the file that holds the head."
        )
    return found[0]


def _parts(path: Path, names: list[str], kind: str) -> tuple[dict[str, str], str]:
    """Part of a head -> tensor name, and the activation."""
    for inner, outer, activation in DEEP:
        if f"{inner}.weight" in names and f"{outer}.weight" in names:
            named = {"inner_weight": f"{inner}.weight", "inner_bias": f"{inner}.bias"}
            outside = {"weight": f"{outer}.weight", "bias": f"{outer}.bias"}
            return {**outside, **named}, "gelu" if kind in GELU else activation
    numbers = [int(found[1]) for found in map(NUMBERED.fullmatch, names) if found]
    last = [f"classifier.{max(numbers)}"] if numbers else []
    for outer in (*FLAT, *last):
        if f"{outer}.weight" in names:
            return {"weight": f"{outer}.weight", "bias": f"{outer}.bias"}, ""
    raise EvaluationError(
        f"'{path}' holds no classifier.",
        f"Give the task a head: a safetensors file with weight (C, D), or a checkpoint with {', '.join(FLAT[:4])}.",
    )


def _config(file: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads((file.parent / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a checkpoint need not have one: its rows then keep their order
    return facts if isinstance(facts, dict) else {}


def _model_type(file: Path) -> str:
    return str(_config(file).get("model_type", ""))


def _labels(file: Path) -> tuple[str, ...]:
    named = _config(file).get("id2label")
    if not isinstance(named, dict) or not all(str(key).isdecimal() for key in named):
        return ()
    return tuple(str(named[key]) for key in sorted(named, key=int))
