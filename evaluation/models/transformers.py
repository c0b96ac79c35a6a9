"""Hugging Face transformers: CLIP, image and text networks. The only file importing transformers."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from evaluation.data.source import Sample
from evaluation.errors import EvaluationError
from evaluation.models.architecture import FIRST_TOKEN, TEXT_SIDE, is_head
from evaluation.models.binding import bind
from evaluation.models.head import Head, prompted
from evaluation.models.model import Entry

PROMPTS = 256
TOKENS = 128
CARRIED = frozenset({".json", ".txt", ".model", ".jinja"})

# pair: a picture and a text tower that share a space; image, text: one encoder, with or without a classifier.
Kind = Literal["pair", "image", "text"]


class Transformers:
    """A transformers network; see `Model` for what it offers.

    A network with a classifier of its own is measured whole: its logits are the features, and its head puts
    them in the order of the task's classes. A bare encoder needs a head file per task.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        kind: Kind,
        picture: Any,
        words: Any,
        device: torch.device,
    ) -> None:
        self.name = name
        self.module = module
        self.device = device
        network: Any = module
        self._network = network
        self._kind = kind
        self._whole = "Classification" in type(module).__name__
        self._picture = picture
        self._words = words

    @property
    def width(self) -> int:
        """D: the shared space of a pair, the labels of a classifier, else the encoder's hidden size."""
        config = self._network.config
        if self._kind == "pair":
            return int(config.projection_dim)
        return int(config.num_labels if self._whole else config.hidden_size)

    @property
    def preprocessing(self) -> str:
        """The picture processor's settings, or the tokenizer's contents, with the library's version."""
        from transformers import __version__ as version

        if self._kind == "text":
            backend = getattr(self._words, "backend_tokenizer", None)
            content = backend.to_str() if backend is not None else json.dumps(self._words.get_vocab())
            return f"transformers {version} {hashlib.sha256(content.encode()).hexdigest()} {self._length}"
        return f"transformers {version} {json.dumps(self._picture.to_dict(), sort_keys=True, default=str)}"

    def bind(self, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
        """Make the network's tensors views of `buffer`; see `Model.bind`. Names of older releases are known."""
        own = set(self.module.state_dict())
        if self.headless:
            entries = [entry for entry in entries if entry[0] in own or not is_head(entry[0])]
            others = {name: one for name, one in others.items() if name in own or not is_head(name)}
        if not {name for name, _, _ in entries} <= own:
            now = self._renamed({name: shape for name, shape, _ in entries})
            entries = [(now.get(name, name), shape, offset) for name, shape, offset in entries]
        bind(self.name, self.module, entries, buffer, others)

    @property
    def headless(self) -> bool:
        """Whether it has neither a classifier nor a text tower to make one."""
        return self._kind != "pair" and not self._whole

    library = "transformers"
    weights_file = "model.safetensors"

    def idle(self, name: str) -> bool:
        """A pair's text tower, text projection and scale, under names of any release; see `Model.idle`."""
        if self._kind != "pair":
            return False
        return bool(TEXT_SIDE.match(name))

    def files(self) -> dict[str, bytes]:
        """The folder's configs and tokenizer files: with them `from_pretrained` opens the weights."""
        return {
            path.name: path.read_bytes()
            for path in sorted(Path(self.name).iterdir())
            if path.suffix in CARRIED and not path.name.endswith(".index.json")
        }

    def preprocess(self, samples: Sequence[Sample]) -> NDArray[Any]:
        """Pictures to (n, 3, H, W) float32; texts to (n, 2, L) int64, token numbers and attention mask.

        Raises: EvaluationError for samples of the other kind.
        """
        wanted = str if self._kind == "text" else Image
        if not all(isinstance(each, wanted) for each in samples):
            sees, holds = ("texts", "pictures") if self._kind == "text" else ("pictures", "texts")
            raise EvaluationError(f"Model '{self.name}' sees {sees}; the task holds {holds}.")
        if self._kind != "text":
            ready = self._picture(images=list(samples), return_tensors="pt")["pixel_values"]
            return np.asarray(ready.numpy(), dtype=np.float32)
        ready = self._words(
            list(samples), padding="max_length", truncation=True, max_length=self._length, return_tensors="np"
        )
        return np.stack([ready["input_ids"], ready["attention_mask"]], axis=1).astype(np.int64)

    def head(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        """Pair: from the prompts' text features; see `prompted`.
        Classifier: its own labels in the order of `classes`. Raises: EvaluationError for a bare encoder."""
        if self._kind == "pair":
            return self._prompted(classes, templates)
        if not self._whole:
            raise EvaluationError(
                f"Model '{self.name}' has no classifier.",
                "Give the task a head: a file with weight (C, D), or a checkpoint with a classifier.",
            )
        labels = [str(each) for _, each in sorted(self._network.config.id2label.items())]
        if len(labels) != len(classes):
            raise EvaluationError(
                f"Model '{self.name}' tells {len(labels)} classes apart, the task has {len(classes)}.",
                "Choose a task with the model's classes, or give it a head file.",
            )
        same = set(labels) == set(classes)
        order = [labels.index(name) for name in classes] if same else list(range(len(classes)))
        return Head(torch.eye(len(labels), device=self.device)[order])

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C) float32."""
        return head(self.features(inputs))

    @property
    def _length(self) -> int:
        positions = getattr(self._network.config, "max_position_embeddings", TOKENS)
        # Some count positions from the padding token's number on (RoBERTa).
        return int(min(TOKENS, self._words.model_max_length, positions - 2))

    def features(self, inputs: Tensor) -> Tensor:
        """A pair's normalised picture features, a classifier's logits, else the encoder's summary, (n, D)."""
        if self._kind == "pair":
            return nn.functional.normalize(_tensor(self._network.get_image_features(pixel_values=inputs)), dim=-1)
        if self._kind == "image":
            answer = self._network(pixel_values=inputs)
        else:
            answer = self._network(input_ids=inputs[:, 0], attention_mask=inputs[:, 1])
        if self._whole:
            logits: Tensor = answer.logits
            return logits
        first = self._network.config.model_type in FIRST_TOKEN
        features: Tensor = answer.last_hidden_state[:, 0] if first else _tensor(answer)
        return features

    def _prompted(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        prompts = [template.replace("{}", name) for name in classes for template in templates]
        parts = []
        longest = min(self._words.model_max_length, self._network.config.text_config.max_position_embeddings)
        with torch.no_grad():
            for start in range(0, len(prompts), PROMPTS):
                some = prompts[start : start + PROMPTS]
                words = self._words(some, padding=True, truncation=True, max_length=longest, return_tensors="pt")
                tokens, mask = words["input_ids"].to(self.device), words["attention_mask"].to(self.device)
                part = _tensor(self._network.get_text_features(input_ids=tokens, attention_mask=mask))
                parts.append(nn.functional.normalize(part.float(), dim=-1))
            bias = getattr(self._network, "logit_bias", None)
            return prompted(torch.cat(parts), len(classes), self._network.logit_scale, bias)

    def _renamed(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
        """Checkpoint name -> name in the network, for every tensor that the library only renames on loading.

        Found by loading a checkpoint of numbered tensors with the library's own reader: a tensor that arrives
        with all its numbers in place was renamed; one that was cut, joined or turned cannot be a view.
        """
        numbered, first = {}, {}
        for place, (name, shape) in enumerate(shapes.items()):
            size = torch.Size(shape).numel()
            numbered[name] = ((torch.arange(size) + 7 * place) % 2**24).float().view(shape)
            first[float(7 * place)] = name
        with _quiet():
            network: Any = type(self.module)
            loaded = network.from_pretrained(None, config=self._network.config, state_dict=dict(numbered))
        now = {}
        for name, tensor in loaded.state_dict().items():
            origin = first.get(float(tensor.flatten()[0])) if tensor.is_floating_point() and tensor.numel() else None
            if origin is not None and torch.equal(tensor.float(), numbered[origin]):
                now[origin] = name
        return now


def transformers_model(folder: Path, tokenizer: Path | None, device: torch.device, bare: bool = False) -> Transformers:
    """Build the network of a Hugging Face folder (config.json, and its processor or tokenizer files); `bare`: without
    the classifier that it may have, for tasks with heads of their own.

    Raises: EvaluationError when transformers is not installed, or the folder is not one it understands.
    """
    try:
        import transformers

        library: Any = transformers
    except ImportError:
        raise EvaluationError(
            f"Model '{folder}' is a Hugging Face folder; the package transformers is not installed.",
            "Run: pip install transformers.",
        ) from None
    try:
        with _quiet():
            config = library.AutoConfig.from_pretrained(folder, local_files_only=True)
            module = _build(config, device, bare)
            kind = _kind(module)
            picture = words = None
            if kind != "text":
                picture = library.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            if kind != "image":
                words = _words(library, tokenizer or folder)
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise EvaluationError(
            f"Hugging Face folder '{folder}' cannot be opened: {error}.",
            "It needs config.json, and preprocessor_config.json for pictures or tokenizer files for texts.",
        ) from None
    return Transformers(str(folder), module, kind, picture, words, device)


def _words(library: Any, folder: Path) -> Any:
    """The tokenizer of a folder. Raises: OSError where its files are absent: transformers would make an empty one, to
    which every word is unknown."""
    words = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    names = set(words.vocab_files_names.values())
    if names and folder.is_dir() and not any((folder / name).is_file() for name in names):
        raise OSError(f"there is no tokenizer in '{folder}' (looked for {', '.join(sorted(names))})")
    return words


def _build(config: Any, device: torch.device, bare: bool) -> nn.Module:
    import transformers

    architecture = "" if bare else (config.architectures or [""])[0]
    builder: Any = transformers.AutoModel
    if architecture.endswith("ForImageClassification"):
        builder = transformers.AutoModelForImageClassification
    elif architecture.endswith("ForSequenceClassification"):
        builder = transformers.AutoModelForSequenceClassification
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        module: nn.Module = builder.from_config(config)
    return module.float().to(device).eval().requires_grad_(False)


def _kind(module: nn.Module) -> Kind:
    if hasattr(module, "get_image_features") and hasattr(module, "get_text_features"):
        return "pair"
    return "image" if getattr(module, "main_input_name", "") == "pixel_values" else "text"


def _tensor(answer: Any) -> Tensor:
    """The feature vectors (n, D) in what a network answers, which differs between releases."""
    if isinstance(answer, Tensor):
        return answer
    pooled = getattr(answer, "pooler_output", None)
    features: Tensor = answer.last_hidden_state[:, 0] if pooled is None else pooled
    return features


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers without its progress bars and loading reports; both are switched back afterwards."""
    from transformers.utils import logging

    chatter: Any = logging
    level, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (ResourceWarning))
            yield
    finally:
        chatter.set_verbosity(level)
        if bars:
            chatter.enable_progress_bar()
