"""The demo's CLIP: its configuration, its byte-level tokenizer, its heads and its files."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor

from demo.drawing.material import Subject

MODELS = Path(__file__).resolve().parent / "models"
NAME = "mergescape-demo"
CONFIG = MODELS / f"{NAME}.json"
BYTES = MODELS / "bytes.txt.gz"


def write_tokenizer(path: Path = BYTES) -> None:
    """A vocabulary without merges: one header line, so every byte is a token (514 with the marks)."""
    path.write_bytes(gzip.compress(b"#version: bytes only", mtime=0))
    path.chmod(0o644)


def create(weights: Path | None = None) -> open_clip.CLIP:
    """The model in float32: fresh from torch's generator, or with the weights of a file."""
    open_clip.add_model_config(CONFIG)
    root = logging.getLogger()

    def unexpected(record: logging.LogRecord) -> bool:
        return "No pretrained weights" not in record.getMessage()

    root.addFilter(unexpected)
    try:
        return open_clip.create_model(NAME, pretrained=None if weights is None else str(weights))
    finally:
        root.removeFilter(unexpected)


def tokenizer() -> SimpleTokenizer:
    """The byte-level tokenizer of the model."""
    open_clip.add_model_config(CONFIG)
    return open_clip.get_tokenizer(NAME, bpe_path=str(BYTES))


def prompts(subject: Subject) -> list[list[str]]:
    """Per class, every template filled with the class."""
    return [[template.format(name) for template in subject.templates] for name in subject.classes]


def head(model: open_clip.CLIP, subject: Subject) -> Tensor:
    """Class directions (C, 128) of length 1: the mean of the normalised features of a class's prompts."""
    encode = tokenizer()
    with torch.inference_mode():
        rows = [model.encode_text(encode(lines), normalize=True).mean(0) for lines in prompts(subject)]
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1).clone()


def save(model: open_clip.CLIP, path: Path) -> None:
    """Write every tensor of the model in float16."""
    tensors = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)
