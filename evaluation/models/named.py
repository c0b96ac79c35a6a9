"""Networks that timm and torchvision know by name, for state dicts that come without a config.

The only file that imports timm; torchvision's models are imported here alone.
"""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from evaluation.data.source import Sample
from evaluation.errors import EvaluationError, nearest
from evaluation.models.architecture import is_head
from evaluation.models.binding import bind
from evaluation.models.head import Head
from evaluation.models.model import Entry

Library = Literal["timm", "torchvision"]
PREFIXES: dict[str, Library] = {"timm:": "timm", "torchvision:": "torchvision"}


class Named:
    """A picture classifier known by name; see `Model` for what it offers.

    With a classifier it is measured whole: its logits are the features, class by class in the order of the task's.
    Bare, it ends before its last linear layer, and every task brings a head.
    """

    weights_file = "model.safetensors"

    def __init__(
        self,
        library: Library,
        architecture: str,
        module: nn.Module,
        transform: Any,
        bare: bool,
        device: torch.device,
    ) -> None:
        self.library = library
        self.name = f"{library}:{architecture}"
        self.device = device
        self.headless = bare
        self._architecture = architecture
        self._transform = transform
        self._last = _last_linear(self.name, module)
        self._width = _linear(module, self._last).in_features
        if bare:
            _replace(module, self._last, nn.Identity())
        self.module = module
        self._own = frozenset(module.state_dict())

    @property
    def width(self) -> int:
        """D: the classes of a whole network, else what its last layer takes."""
        return self._width if self.headless else _linear(self.module, self._last).out_features

    @property
    def preprocessing(self) -> str:
        """The library's own evaluation transform, with the versions of what does it."""
        from PIL import __version__ as pillow
        from torchvision import __version__ as torchvision

        return f"{self.library} {' '.join(repr(self._transform).split())} pillow {pillow} torchvision {torchvision}"

    def bind(self, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
        """Make the network's tensors views of `buffer`; see `Model.bind`. The last layer gets the checkpoint's number
        of classes; a bare network leaves out the classifier that a checkpoint has."""
        shapes = {name: shape for name, shape, _ in entries}
        if self.headless:
            entries = [entry for entry in entries if not self.idle(entry[0])]
        elif len(shape := shapes.get(f"{self._last}.weight", ())) == 2:
            kept = _linear(self.module, self._last)
            if shape[0] != kept.out_features:
                fresh = nn.Linear(shape[1], shape[0], bias=kept.bias is not None, device=self.device)
                _replace(self.module, self._last, fresh.requires_grad_(False))
        bind(self.name, self.module, entries, buffer, others)

    def idle(self, name: str) -> bool:
        """Nothing but a classifier that no forward pass of a bare network reads."""
        return self.headless and is_head(name) and name not in self._own

    def files(self) -> dict[str, bytes]:
        """model.json: library and architecture."""
        facts = {"library": self.library, "architecture": self._architecture}
        return {"model.json": (json.dumps(facts, indent=2) + "\n").encode()}

    def preprocess(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """Pictures to inputs (n, 3, H, W) float32. Raises: EvaluationError for a text."""
        ready = []
        for each in samples:
            if not isinstance(each, Image):
                raise EvaluationError(f"Model '{self.name}' sees pictures; the task holds texts.")
            ready.append(self._transform(each).numpy())
        return np.stack(ready).astype(np.float32, copy=False)

    def head(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        """Its own logits, as they are. Raises: EvaluationError for a bare network, or another number of classes."""
        if self.headless:
            raise EvaluationError(
                f"Model '{self.name}' is used without a classifier.",
                "Give the task a head: a file with weight (C, D), or a checkpoint with a classifier.",
            )
        if self.width != len(classes):
            raise EvaluationError(
                f"Model '{self.name}' tells {self.width} classes apart, the task has {len(classes)}.",
                "Choose a task with the model's classes, or give it a head file.",
            )
        return Head(torch.eye(self.width, device=self.device))

    def features(self, inputs: Tensor) -> Tensor:
        """Its own logits, or what a bare network ends with, (n, D)."""
        features: Tensor = self.module(inputs)
        return features

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C) float32."""
        return head(self.features(inputs))


def named_model(model: str, device: torch.device, bare: bool) -> Named:
    """Build "timm:NAME" or "torchvision:NAME"; bare: without its last linear layer.

    Raises: EvaluationError for an unknown name, or when timm is not installed.
    """
    prefix = next(each for each in PREFIXES if model.startswith(each))
    library, architecture = PREFIXES[prefix], model.removeprefix(prefix)
    with _quiet(), torch.random.fork_rng([device] if device.type == "cuda" else []), torch.device(device):
        torch.manual_seed(0)
        module, transform = (_timm if library == "timm" else _torchvision)(architecture)
    return Named(library, architecture, module.eval().requires_grad_(False), transform, bare, device)


def _timm(architecture: str) -> tuple[nn.Module, Any]:
    try:
        import timm
        from timm import data as prepared
    except ImportError:
        raise EvaluationError(
            f"Model 'timm:{architecture}' needs the package timm.", "Run: pip install timm."
        ) from None
    known = timm.list_models()
    if architecture.partition(".")[0] not in known:
        raise EvaluationError(f"timm has no model '{architecture}'.", nearest(architecture, known))
    module = timm.create_model(architecture, pretrained=False)
    kept: Any = prepared
    return module, kept.create_transform(**kept.resolve_model_data_config(module), is_training=False)


def _torchvision(architecture: str) -> tuple[nn.Module, Any]:
    from torchvision import models

    known = models.list_models(module=models)
    if architecture not in known:
        raise EvaluationError(f"torchvision has no model '{architecture}'.", nearest(architecture, known))
    module = models.get_model(architecture, weights=None)
    # What the published weights were measured with; nothing is fetched.
    return module, models.get_model_weights(architecture).DEFAULT.transforms()


def _last_linear(name: str, module: nn.Module) -> str:
    """The name of the classifier: the last linear layer under one of the names that libraries give it."""
    found = [str(each) for each, one in module.named_modules() if isinstance(one, nn.Linear) and is_head(each)]
    if not found:
        raise EvaluationError(f"Model '{name}' has no linear classifier at its end.", "Choose a picture classifier.")
    return found[-1]


def _linear(module: nn.Module, name: str) -> nn.Linear:
    one = module.get_submodule(name)
    if not isinstance(one, nn.Linear):
        raise TypeError(f"{name} is no linear layer")
    return one


def _replace(module: nn.Module, name: str, by: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(module.get_submodule(owner), last, by)


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings about how random weights are drawn: nobody sees those weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
