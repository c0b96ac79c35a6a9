"""Networks by name (timm, torchvision), and open_clip's SigLIP and ConvNeXt, at random weights."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from evaluation.errors import EvaluationError
from evaluation.models import lean
from evaluation.models.head import read_head
from evaluation.models.opening import open_model

CPU = torch.device("cpu")
TEXTS = {"context_length": 24, "vocab_size": 514, "width": 16, "heads": 2, "layers": 1}
# What makes ViT-B-16-SigLIP and convnext_base what they are, at timm's smallest networks.
KINDS = {
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": {**TEXTS, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
    },
    "convnext": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "test_convnext",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": TEXTS,
    },
}
NAMES = ["torchvision:shufflenet_v2_x0_5", "torchvision:mobilenet_v3_small", "timm:test_vit", "timm:test_convnext"]


@pytest.mark.parametrize("kind", KINDS)
def test_open_clip_gives_the_networks_own_logits(kind, tmp_path, bpe, layout):
    (tmp_path / f"{kind}.json").write_text(json.dumps(KINDS[kind]), encoding="utf-8")
    model = open_model(tmp_path / f"{kind}.json", bpe, CPU)
    entries, buffer, others = layout(model)
    buffer.add_(0.02 * torch.randn(len(buffer), generator=torch.Generator().manual_seed(0)))
    model.bind(entries, buffer, others)
    side = KINDS[kind]["vision_cfg"]["image_size"]
    inputs = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    words = lean.open_clip().get_tokenizer("ViT-B-32", bpe_path=str(bpe), context_length=24)(["a cat.", "a dog."])
    network = model.module
    with torch.inference_mode():
        found = model.forward(inputs, model.head(("cat", "dog"), ("a {}.",)))
        pictures, texts = network.encode_image(inputs, normalize=True), network.encode_text(words, normalize=True)
        expected = network.logit_scale.exp() * pictures @ texts.T
        if kind == "siglip":
            expected = expected + network.logit_bias
            assert float(network.logit_bias) == pytest.approx(-10, abs=0.1)
    assert found == pytest.approx(expected, abs=1e-4)
    text_side = [name for name, _, _ in entries if model.idle(name)]
    assert "logit_scale" in text_side and not any(name.startswith("visual.") for name in text_side)


@pytest.mark.parametrize("name", NAMES)
def test_a_named_network_is_measured_whole_with_the_checkpoints_classes(name, layout):
    model = open_model(name, None, CPU)
    entries, buffer, others = _with_classes(model, layout, 3)
    model.bind(entries, buffer, others)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8))
    inputs = torch.from_numpy(model.preprocess([picture]))
    with torch.inference_mode():
        logits = model.forward(inputs, model.head(("a", "b", "c"), ()))
        assert logits.shape == (1, 3) and torch.equal(logits, model.module(inputs))
    with pytest.raises(EvaluationError, match="tells 3 classes apart, the task has 2"):
        model.head(("a", "b"), ())
    with pytest.raises(EvaluationError, match="sees pictures; the task holds texts"):
        model.preprocess(["text"])


def _with_classes(model, layout, classes):
    """The network's own numbers, with a last layer for this many classes; and as one state dict."""
    entries, buffer, others = layout(model)
    *_, last = [key for key, one in model.module.named_modules() if isinstance(one, nn.Linear)]
    parts, found, offset = [], [], 0
    for key, shape, start in entries:
        part = buffer[start : start + torch.Size(shape).numel()]
        if key.rpartition(".")[0] == last:
            shape = (classes, *shape[1:])
            part = part[: torch.Size(shape).numel()]
        found.append((key, shape, offset))
        parts.append(part)
        offset += len(part)
    return found, torch.cat(parts), others


@pytest.mark.parametrize("name", NAMES)
def test_a_bare_named_network_with_an_experts_head_is_the_expert(name, tmp_path, layout):
    whole, bare = open_model(name, None, CPU), open_model(name, None, CPU, bare=True)
    assert bare.headless and not whole.headless
    entries, buffer, others = _with_classes(whole, layout, 4)
    buffer.add_(0.02 * torch.randn(len(buffer), generator=torch.Generator().manual_seed(0)))
    whole.bind(entries, buffer, others)
    save_file({key: one.contiguous() for key, one in whole.module.state_dict().items()}, tmp_path / "e.safetensors")
    bare.bind(entries, buffer, others)
    head = read_head(tmp_path / "e.safetensors", CPU)
    inputs = torch.from_numpy(bare.preprocess([Image.new("RGB", (80, 80), (200, 30, 60))]))
    with torch.inference_mode():
        assert bare.forward(inputs, head) == pytest.approx(whole.module(inputs), abs=1e-4)
    assert head.width == bare.width
    dead = [key for key, _, _ in entries if bare.idle(key)]
    assert dead and all("class" in key or key.startswith(("fc", "head")) for key in dead)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(EvaluationError, match="torchvision has no model 'resnet81'. Nearest: 'resnet"):
        open_model("torchvision:resnet81", None, CPU)
    with pytest.raises(EvaluationError, match="timm has no model 'vit_small_patch16_225'. Nearest: 'vit_"):
        open_model("timm:vit_small_patch16_225", None, CPU)
