"""open_clip models: a merged image encoder in front of frozen text heads. Only this file imports it."""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from evaluation.data.source import Sample
from evaluation.errors import EvaluationError, nearest
from evaluation.models import lean
from evaluation.models.architecture import PICTURE_SIDE
from evaluation.models.binding import bind
from evaluation.models.head import Head, prompted
from evaluation.models.model import Entry

PROMPTS = 256
CONFIG = "open_clip_config.json"
# Said by open_clip whenever a network is built without weights, which is what we always want.
_EXPECTED = ("No pretrained weights loaded", "Local config loaded, but no CLIP", "Multiple checkpoints found")


class OpenClip:
    """An open_clip network; see `Model` for what it offers."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        tokenizer: Any,
        device: torch.device,
        config: Mapping[str, Any],
    ) -> None:
        transform = lean.open_clip().transform

        self.name = name
        self._config = dict(config)
        self.module = module.eval().requires_grad_(False)
        # open_clip is untyped: what its networks offer is known to us only.
        network: Any = module
        self._network = network
        self._visual = network.visual
        self.device = device
        self._tokenizer = tokenizer
        self._settings: dict[str, Any] = dict(self._visual.preprocess_cfg)
        self._transform = transform.image_transform_v2(transform.PreprocessCfg(**self._settings), is_train=False)

    @property
    def width(self) -> int:
        """D, the length of an image feature."""
        return int(self._visual.output_dim)

    @property
    def preprocessing(self) -> str:
        """Size, resampling and normalisation, with the versions of the libraries that do them."""
        from PIL import __version__ as pillow
        from torchvision import __version__ as torchvision

        settings = json.dumps(self._settings, sort_keys=True)
        return f"open_clip {settings} pillow {pillow} torchvision {torchvision}"

    def bind(self, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
        """Make the network's tensors views of `buffer`; see `Model.bind`."""
        bind(self.name, self.module, entries, buffer, others)

    headless = False
    library = "open_clip"
    weights_file = "open_clip_model.safetensors"

    def idle(self, name: str) -> bool:
        """Everything outside the image tower; see `Model.idle`."""
        return not name.startswith(PICTURE_SIDE)

    def files(self) -> dict[str, bytes]:
        """open_clip_config.json: with it `open_clip.create_model_from_pretrained("local-dir:…")` opens the folder."""
        facts = {"model_cfg": self._config, "preprocess_cfg": self._settings}
        return {CONFIG: (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode()}

    def preprocess(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """Pictures to inputs (n, 3, H, W) float32. Raises: EvaluationError for a text."""
        if not all(isinstance(each, Image) for each in samples):
            raise EvaluationError(f"Model '{self.name}' sees pictures; the task holds texts.")
        return np.stack([self._transform(each).numpy() for each in samples]).astype(np.float32, copy=False)

    def head(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        """From the prompts' text features; see `prompted`."""
        prompts = [template.replace("{}", name) for name in classes for template in templates]
        # Not inference mode: methods that need gradients use the head too.
        with torch.no_grad():
            tokens = self._tokenizer(prompts)
            features = torch.cat(
                [
                    self._network.encode_text(part.to(self.device), normalize=True).float()
                    for part in tokens.split(PROMPTS)
                ]
            )
            bias = getattr(self._network, "logit_bias", None)
            return prompted(features, len(classes), self._network.logit_scale, bias)

    def features(self, inputs: Tensor) -> Tensor:
        """Normalised image features (n, D)."""
        features: Tensor = self._network.encode_image(inputs, normalize=True)
        return features

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C): normalised image features times the head."""
        return head(self.features(inputs))


def open_clip_model(model: str | Path, tokenizer: Path | None, device: torch.device) -> OpenClip:
    """Build an open_clip network by name, config file or folder; see `open_model`."""
    with _quiet():
        open_clip = lean.open_clip()
        name = _identifier(model, open_clip.list_models())
        with _as_known(name) as known:
            config = open_clip.get_model_config(known) or {}
            lean.complete(config)
            try:
                module = _build(known, device)
            except (RuntimeError, TypeError, ValueError, KeyError, ImportError) as error:
                raise EvaluationError(f"Model '{model}' cannot be built: {error}.") from None
            words = _tokenizer(model, known, tokenizer)
    size, rows = getattr(words, "vocab_size", None), getattr(module, "vocab_size", None)
    if isinstance(size, int) and isinstance(rows, int) and size > rows:
        raise EvaluationError(
            f"The tokenizer of model '{model}' has {size} tokens, its text tower knows {rows}.",
            "Give the tokenizer (BPE file) that belongs to the model.",
        )
    return OpenClip(str(model), module, words, device, config)


def _identifier(model: str | Path, names: Sequence[str]) -> str | Path:
    """The architecture's name, or the path of a config that was found to be one."""
    path = Path(model)
    if str(model) in names:
        return str(model)
    config = path / CONFIG if path.is_dir() else path
    if not config.is_file():
        if path.suffix == ".json" or path.is_dir():
            raise EvaluationError(f"Model config '{config}' is not there.")
        raise EvaluationError(f"Unknown model '{model}'.", nearest(str(model), names))
    return config


@contextmanager
def _as_known(name: str | Path) -> Iterator[str]:
    """What open_clip calls the model. A config file is shown to it as a folder of its own: registering it
    would let two configs of one name, or one named as a built-in, stand in for each other."""
    if isinstance(name, str):
        yield name
        return
    try:
        given = json.loads(name.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"Model config '{name}' cannot be read: {error}.") from None
    facts = given if isinstance(given, dict) and "model_cfg" in given else {"model_cfg": given}
    config = facts["model_cfg"] if isinstance(facts["model_cfg"], dict) else {}
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
    if missing:
        raise EvaluationError(
            f"Model config '{name}' lacks {', '.join(missing)}.", "Give a config in open_clip's format."
        )
    if name.name == "open_clip_config.json" and given is facts:
        # The tokenizer may lie beside it.
        yield f"local-dir:{name.parent.resolve()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, CONFIG).write_text(json.dumps(facts), encoding="utf-8")
        yield f"local-dir:{folder}"


def _build(known: str, device: torch.device) -> nn.Module:
    devices = [device] if device.type == "cuda" else []
    # Random weights until `bind`: drawn from a seed of their own, and nobody else's generator moves.
    with torch.random.fork_rng(devices), torch.device(device):
        torch.manual_seed(0)
        module: nn.Module = lean.open_clip().create_model(
            known, precision="fp32", device=device, load_weights=False, pretrained_text=False
        )
    return module


def _tokenizer(model: str | Path, known: str, path: Path | None) -> Any:
    if path is None:
        try:
            return lean.open_clip().get_tokenizer(known)
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise EvaluationError(
                f"The tokenizer of model '{model}' cannot be had: {reason}",
                "It is fetched from the hub once, and needs the package transformers; or give a BPE file (tokenizer).",
            ) from None
    try:
        return lean.open_clip().get_tokenizer(known, bpe_path=str(path.resolve(strict=True)))
    except (OSError, EOFError, UnicodeDecodeError, TypeError) as error:
        raise EvaluationError(
            f"Tokenizer '{path}' of model '{model}' cannot be read: {error}.",
            "Give a gzipped BPE file in CLIP's format.",
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip without its expected warnings: others pass, and the root logger is left as it was."""
    root = logging.getLogger()
    handlers = list(root.handlers)

    def unexpected(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_EXPECTED)

    root.addFilter(unexpected)
    try:
        with warnings.catch_warnings():
            # Its tokenizer leaves the BPE file for the garbage collector to close.
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        root.removeFilter(unexpected)
        # logging.warning() installs a handler where there is none.
        for added in [each for each in root.handlers if each not in handlers]:
            root.removeHandler(added)
