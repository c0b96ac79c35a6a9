"""The lines that load an export: run as they stand, for each kind of folder that transformers opens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from study.exporting.loading import loading

transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SIGHT = {"image_size": 32, "patch_size": 8}
PICTURE = Image.fromarray(np.zeros((40, 40, 3), dtype=np.uint8))


def _pair() -> tuple[Any, int]:
    words = {**TOWER, "vocab_size": 200, "max_position_embeddings": 24, "eos_token_id": 2, "bos_token_id": 1}
    config = transformers.CLIPConfig(text_config=words, vision_config={**TOWER, **SIGHT}, projection_dim=12)
    return transformers.CLIPModel(config), 12


def _classifier() -> tuple[Any, int]:
    return transformers.ViTForImageClassification(transformers.ViTConfig(**TOWER, **SIGHT, num_labels=3)), 16


def _encoder() -> tuple[Any, int]:
    return transformers.ViTModel(transformers.ViTConfig(**TOWER, **SIGHT)), 16


@pytest.mark.parametrize("make", [_pair, _classifier, _encoder])
def test_pictures_through_transformers(tmp_path: Path, make: Any) -> None:
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    network, width = make()
    network.eval().save_pretrained(tmp_path)
    if make is _pair:
        size = {"height": 32, "width": 32}
        transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(tmp_path)
    else:
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    (tmp_path / "heads").mkdir()
    save_file({"weight": torch.randn(3, width)}, tmp_path / "heads" / "colours.safetensors")
    told: dict[str, Any] = {"picture": PICTURE}
    with torch.no_grad():
        exec(loading(tmp_path, str(tmp_path), "colours"), told)
        assert told["logits"].shape == (1, 3) and torch.isfinite(told["logits"]).all()
        if make is _classifier:
            assert told["answer"] == network.config.id2label[int(told["logits"].argmax())]
