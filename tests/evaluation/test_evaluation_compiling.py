"""A forward pass that this machine cannot compile is one line, before anything is measured."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.compiling import compiled
from evaluation.errors import EvaluationError
from evaluation.models.model import Entry, Model


def test_no_compiler_is_one_line(
    model: Model,
    layout: Callable[[Model], tuple[list[Entry], torch.Tensor, dict[str, torch.Tensor]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(config.cpp, "cxx", (None, "/nowhere/g++"))
    monkeypatch.setattr(config, "fx_graph_cache", False)
    monkeypatch.setattr(config, "compile_threads", 1)
    model.bind(*layout(model))
    inputs = torch.from_numpy(model.preprocess([Image.fromarray(np.zeros((32, 32, 3), np.uint8))] * 4))
    with pytest.raises(EvaluationError, match=r"cannot be compiled on 'cpu': .*Install a C\+\+ compiler .*study\.yaml"):
        compiled(model, inputs, model.head(["a", "b"], ["{}"]))
