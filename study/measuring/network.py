"""The network of a study: a library's, or what a Python file builds that a person has named on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from evaluation.models.code import CodeModel, code_model
from evaluation.models.model import Model
from evaluation.models.opening import open_model
from study.errors import StudyError
from study.server import refuse_hub
from study.settings import CODE
from study.study import Study


def open_network(study: Study, device: torch.device, bare: bool) -> Model | CodeModel:
    """The study's network with weights that mean nothing yet; bare: without a classifier that it may have.

    Raises:
        EvaluationError: it cannot be built. StudyError: it is Python code, and no file was named.
    """
    base = study.settings.base
    if base.model == CODE:
        if study.code is None:
            raise StudyError(
                "This study's model is Python code, which is run only when it is named on the command line.",
                "Add --code FILE.py to the command.",
            )
        return code_model(study.code, device)
    if study.code is not None:
        raise StudyError(
            f"--code names '{study.code}', but the model of this study is '{base.model}'.",
            f"Leave --code out, or write {{model: {CODE}}} into the study's base.",
        )
    tokenizer = study.path(base.tokenizer) if base.tokenizer else None
    return open_model(_name(study), tokenizer, device, bare=bare)


def _name(study: Study) -> str | Path:
    """The architecture: a file or folder of the study if there is one of that name, else a library's or a hub's."""
    name = study.settings.base.model
    path = study.path(name)
    if not path.exists() and ("/" in name or ":" in name) and not name.startswith(("timm:", "torchvision:")):
        refuse_hub()
    return path if path.exists() else name


def refuse_unread_heads(study: Study, own: Mapping[str, Sequence[str]], headless: bool) -> None:
    """A classifier of an expert's own is read only by a bare encoder; any other model would leave it out in silence."""
    if own and not headless and not all(task.head for task in study.settings.tasks):
        expert, tensors = next(iter(own.items()))
        raise StudyError(
            f"Expert '{expert}' has tensors that the base lacks: {', '.join(tensors[:3])}. The model has its heads.",
            "Remove them from the file, or choose experts fine-tuned from the same base.",
        )
