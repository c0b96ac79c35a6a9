"""open_clip networks as views of one buffer, their heads and inputs, and what is refused."""

import gzip
import json
import logging

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from evaluation.errors import EvaluationError
from evaluation.models.binding import bind
from evaluation.models.head import read_head
from evaluation.models.opening import open_model

CPU = torch.device("cpu")


def _outputs(model, pictures=4):
    inputs = torch.linspace(-1, 1, pictures * 3 * 32 * 32).view(pictures, 3, 32, 32)
    with torch.inference_mode():
        return model.forward(inputs, model.head(("cat", "dog"), ("a {}.",)))


def test_every_tensor_is_a_view_of_the_buffer(model, layout):
    entries, buffer, others = layout(model)
    before = _outputs(model)
    model.bind(entries, buffer, others)
    state = model.module.state_dict(keep_vars=True)
    assert len(entries) + len(others) == len(state)
    for name, shape, offset in entries:
        assert state[name].data_ptr() == buffer.data_ptr() + 4 * offset
        assert state[name].shape == shape and not state[name].requires_grad
    assert torch.equal(_outputs(model), before)
    assert not model.module.training


def test_writing_the_buffer_changes_the_network_at_once(model, layout):
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    before = _outputs(model)
    buffer.add_(0.01 * torch.randn(len(buffer), generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(_outputs(model), before)
    again, fresh, others = layout(model)
    assert torch.equal(fresh, buffer)
    buffer.zero_()
    assert all((each == 0).all() for each in model.module.state_dict().values())


def test_rebinding_moves_to_the_new_buffer(model, layout):
    entries, first, others = layout(model)
    model.bind(entries, first, others)
    before = _outputs(model)
    second = first.clone()
    model.bind(entries, second, others)
    first.zero_()
    assert torch.equal(_outputs(model), before)


def test_padding_between_tensors_is_allowed(model, layout):
    entries, buffer, others = layout(model)
    before = _outputs(model)
    spaced, offset = [], 3
    wide = torch.full((len(buffer) + 20 * len(entries),), float("nan"))
    for name, shape, start in entries:
        size = torch.Size(shape).numel()
        wide[offset : offset + size] = buffer[start : start + size]
        spaced.append((name, shape, offset))
        offset += size + 16
    model.bind(spaced, wide, others)
    # Other alignments may choose other kernels: equal up to rounding.
    assert torch.allclose(_outputs(model), before, atol=1e-5)


def test_random_weights_are_seeded_and_move_no_generator(config, bpe, layout):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = layout(open_model(config, bpe, CPU))[1]
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(layout(open_model(config, bpe, CPU))[1], one)


def _refusal(model, entries, buffer, others):
    with pytest.raises(EvaluationError) as caught:
        model.bind(entries, buffer, others)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_tensors_are_named(model, layout):
    entries, buffer, others = layout(model)
    before = _outputs(model)
    name, shape, offset = entries[-1]
    assert f"The weights lack '{name}' of model" in _refusal(model, entries[:-1], buffer, others)
    text = _refusal(model, entries[5:], buffer, others)
    assert "and 2 more" in text and entries[0][0] in text
    renamed = [*entries[:-1], (name + "s", shape, offset)]
    assert f"has no tensor '{name}s'" in (text := _refusal(model, renamed, buffer, others))
    assert f"Nearest: '{name}'" in text
    turned = [*entries[:-1], (name, (*shape, 1), offset)]
    assert f"Tensor '{name}' has shape {(*shape, 1)}" in _refusal(model, turned, buffer, others)
    assert "in a buffer of 10 numbers" in _refusal(model, entries, buffer[:10], others)
    assert "torch.float16" in _refusal(model, entries, buffer.half(), others)
    assert "flat, contiguous float32" in _refusal(model, entries, buffer.repeat(2)[::2], others)
    assert "on 'meta'" in _refusal(model, entries, buffer.to("meta"), others)
    # A refusal leaves the network as it was.
    assert torch.equal(_outputs(model), before)


class Net(nn.Module):
    """Tied, integer and non-persistent tensors, as real networks have."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4, bias=False)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.inner.weight
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("mask", torch.ones(2), persistent=False)


def test_tied_integer_and_temporary_tensors():
    net, buffer = Net(), torch.arange(32.0)
    entries = [("inner.weight", (4, 4), 0)]
    entries += [
        (f"norm.{name}", (4,), 16 + 4 * place)
        for place, name in enumerate(("weight", "bias", "running_mean", "running_var"))
    ]
    bind("net", net, entries, buffer, {"norm.num_batches_tracked": torch.tensor(7), "mask": torch.zeros(2)})
    assert net.tied.weight.data_ptr() == net.inner.weight.data_ptr() == buffer.data_ptr()
    assert net.norm.running_var.data_ptr() == buffer.data_ptr() + 4 * 28
    assert net.norm.num_batches_tracked == 7 and net.mask.sum() == 2
    with pytest.raises(EvaluationError, match="lack 'norm.num_batches_tracked'"):
        bind("net", Net(), entries, buffer, {})


def test_other_floating_tensors_are_copied_as_float32():
    net, buffer = Net(), torch.arange(16.0)
    others = {"norm.num_batches_tracked": torch.tensor(7)}
    for place, name in enumerate(("weight", "bias", "running_mean", "running_var")):
        others[f"norm.{name}"] = torch.full((4,), 0.1 + place, dtype=torch.float16)
    bind("net", net, [("inner.weight", (4, 4), 0)], buffer, others)
    assert net.norm.weight.dtype == torch.float32
    assert torch.equal(net.norm.weight, others["norm.weight"].float())


def test_head_is_the_normalised_mean_of_prompts_times_the_scale(model):
    classes, templates = ("red cat", "dog"), ("a {}.", "the {} of {}.")
    head = model.head(classes, templates)
    assert head.weight.shape == (2, model.width) and head.weight.dtype == torch.float32
    scale = model.module.logit_scale.exp()
    assert torch.allclose(head.weight.norm(dim=1), scale.expand(2))
    one = model.head(("red cat",), ("the {} of {}.",)).weight[0] / scale
    two = model.head(("red cat",), ("a {}.",)).weight[0] / scale
    mean = nn.functional.normalize(one + two, dim=0) * scale
    assert torch.allclose(head.weight[0], mean, atol=1e-5)
    assert not head.weight.is_inference()


def test_head_follows_what_is_bound(model, layout):
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    before = model.head(("cat", "dog"), ("a {}.",)).weight
    buffer.mul_(1.1)
    assert not torch.allclose(model.head(("cat", "dog"), ("a {}.",)).weight, before)


def test_logits_equal_open_clips_own(model):
    inputs = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    with torch.inference_mode():
        text = model._tokenizer(["a cat.", "a dog."])
        expected, _ = model.module.get_logits(inputs, text)
        logits = model.forward(inputs, model.head(("cat", "dog"), ("a {}.",)))
    assert torch.allclose(logits, expected, atol=1e-5) and logits.dtype == torch.float32


def test_preprocess_is_open_clips_transform_and_deterministic(model):
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    pictures = [Image.fromarray(noise), Image.fromarray(noise[:32, :32]).convert("L")]
    inputs = model.preprocess(pictures)
    assert inputs.shape == (2, 3, 32, 32) and inputs.dtype == np.float32
    assert (inputs == model.preprocess(pictures)).all()
    mean, std = np.array(open_clip.OPENAI_DATASET_MEAN), np.array(open_clip.OPENAI_DATASET_STD)
    grey = np.asarray(pictures[1], dtype=np.float64)[None] / 255
    assert inputs[1] == pytest.approx((grey - mean[:, None, None]) / std[:, None, None], abs=1e-5)
    with pytest.raises(EvaluationError, match="sees pictures"):
        model.preprocess(["a text"])


def test_gradients_can_be_had(model, layout):
    """Methods that need gradients take them through the bound network."""
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    head = model.head(("cat", "dog"), ("a {}.",))
    model.module.requires_grad_(True)
    model.forward(torch.ones(1, 3, 32, 32), head).sum().backward()
    assert model.module.visual.proj.grad.abs().sum() > 0


def test_open_by_folder_with_its_own_preprocessing(tmp_path, config, bpe):
    facts = {
        "model_cfg": json.loads(config.read_text(encoding="utf-8")),
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(facts), encoding="utf-8")
    by_folder = open_model(tmp_path, bpe, CPU)
    by_file = open_model(config, bpe, CPU)
    white = [Image.new("RGB", (32, 32), "white")]
    assert by_folder.preprocess(white) == pytest.approx(1.0)
    assert by_folder.preprocessing != by_file.preprocessing
    assert by_file.preprocessing == open_model(config, bpe, CPU).preprocessing


def test_config_named_as_a_builtin_replaces_nothing(tmp_path, config, bpe):
    """Registered by its file name, it would stand in for the built-in ever after."""
    path = tmp_path / "ViT-B-32.json"
    path.write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
    assert open_model(path, bpe, CPU).width == 16
    assert open_clip.get_model_config("ViT-B-32")["embed_dim"] == 512


def test_expected_warnings_are_silent_and_others_are_not(config, bpe, caplog):
    root = logging.getLogger()
    handlers, filters = list(root.handlers), list(root.filters)
    with caplog.at_level(logging.WARNING):
        open_model(config, bpe, CPU)
        assert caplog.messages == []
        logging.warning("No pretrained weights loaded, says somebody else.")
    assert len(caplog.messages) == 1
    assert root.handlers == handlers and root.filters == filters


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ViT-B-23", "Unknown model 'ViT-B-23'. Nearest: 'ViT-B-"),
        ("nowhere/model.json", "Model config 'nowhere/model.json' is not there."),
    ],
)
def test_unknown_model_is_named(name, text, bpe):
    with pytest.raises(EvaluationError) as caught:
        open_model(name, bpe, CPU)
    assert text in str(caught.value)


def test_wrong_config_is_named(tmp_path, bpe, config):
    for written, text in (
        ("{", "cannot be read"),
        ("[1]", "lacks embed_dim, vision_cfg, text_cfg"),
        ('{"model_cfg": 3}', "lacks embed_dim"),
        (json.dumps({**json.loads(config.read_text()), "vision_cfg": {"wide": 3}}), "cannot be built"),
    ):
        path = tmp_path / "m.json"
        path.write_text(written, encoding="utf-8")
        with pytest.raises(EvaluationError, match=text):
            open_model(path, bpe, CPU)
    with pytest.raises(EvaluationError, match="open_clip_config.json' is not there"):
        open_model(tmp_path, bpe, CPU)


def test_wrong_tokenizer_is_named(tmp_path, config):
    with pytest.raises(EvaluationError, match="absent.gz' of model .* cannot be read"):
        open_model(config, tmp_path / "absent.gz", CPU)
    (tmp_path / "plain.gz").write_text("#version", encoding="utf-8")
    with pytest.raises(EvaluationError, match="plain.gz' of model .* cannot be read.*gzipped BPE"):
        open_model(config, tmp_path / "plain.gz", CPU)
    with gzip.open(tmp_path / "large.gz", "wt", encoding="utf-8") as file:
        file.write("#version\na b\nc d")
    with pytest.raises(EvaluationError, match="has 516 tokens, its text tower knows 514"):
        open_model(config, tmp_path / "large.gz", CPU)
    with pytest.raises(EvaluationError, match="has 49408 tokens"):
        open_model(config, None, CPU)


def test_head_file(tmp_path):
    path = tmp_path / "head.safetensors"
    save_file({"weight": torch.ones(3, 4).half(), "bias": torch.arange(3.0)}, path)
    head = read_head(path, CPU)
    assert head.weight.dtype == torch.float32
    assert head(torch.ones(1, 4)).tolist() == [[4.0, 5.0, 6.0]]
    save_file({"weight": torch.ones(3, 4), "bias": torch.arange(4.0)}, path)
    with pytest.raises(EvaluationError, match=r"holds .*'bias': \(4,\).*weight \(C, D\)"):
        read_head(path, CPU)
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_head(tmp_path / "absent.safetensors", CPU)
