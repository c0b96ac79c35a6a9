"""Which library a model belongs to, and where its description is."""

import re
from pathlib import Path

import torch

from evaluation.hub import fetch
from evaluation.models.model import Model
from evaluation.models.named import PREFIXES, named_model
from evaluation.models.open_clip import open_clip_model
from evaluation.models.transformers import transformers_model

HUB_ID = r"(hf-hub:)?[A-Za-z0-9][\w.-]*/[\w-][\w.-]*(?<!\.json)"


def open_model(
    model: str | Path,
    tokenizer: Path | None,
    device: torch.device,
    bare: bool = False,
) -> Model:
    """The network called `model`, with random weights until `bind`.

    model: an open_clip architecture ("ViT-B-32"), an open_clip config (.json), a folder with
    open_clip_config.json, a Hugging Face folder (config.json), "timm:NAME" or "torchvision:NAME" (a picture
    classifier), or a hub id ("owner/name", whose configs are fetched; nothing else is ever downloaded). tokenizer: a
    BPE file (open_clip) or folder (Hugging Face) instead of the model's own. bare: leave out a classifier that the
    network has, because every task brings a head of its own.
    Raises: EvaluationError when the model or the tokenizer is not there.
    """
    if isinstance(model, str) and model.startswith(tuple(PREFIXES)):
        return named_model(model, device, bare)
    path = _fetched(str(model)) if _is_hub_id(model) else Path(model)
    if (path / "config.json").is_file() and not (path / "open_clip_config.json").is_file():
        return transformers_model(path, tokenizer, device, bare)
    return open_clip_model(path if path.is_dir() else model, tokenizer, device)


def _is_hub_id(model: str | Path) -> bool:
    return isinstance(model, str) and re.fullmatch(HUB_ID, model) is not None and not Path(model).exists()


def _fetched(name: str) -> Path:
    """A folder with the configs and tokenizer files of a hub repository, never its weights."""
    return fetch(name.removeprefix("hf-hub:"), "model", ["*.json", "*.txt", "*.model"])
