"""Hugging Face folders made here with random weights: names old and new, heads, inputs, texts."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from evaluation.evaluate import evaluate, load_task
from evaluation.models.opening import open_model
from evaluation.task import TaskSpec

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
from safetensors.torch import load_file, save_file  # noqa: E402

CPU = torch.device("cpu")
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 24,
}
SIGHT = {"image_size": 32, "patch_size": 8}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "red", "green", "blue", "of"]
TEXTS = [("good film", "yes"), ("bad film", "no"), ("a good", "yes"), ("a bad", "no")]


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _tokenizer(folder):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)


def _save(folder, network):
    torch.manual_seed(0)
    network.eval().save_pretrained(folder)
    return network


@pytest.fixture
def pictures(tmp_path):
    """A whole picture classifier."""
    labels = dict(enumerate(("blue", "green", "red")))
    config = transformers.ViTConfig(
        **{k: v for k, v in TOWER.items() if k[:3] != "max"}, **SIGHT, id2label=labels, num_labels=3
    )
    folder = tmp_path / "vit"
    network = _save(folder, transformers.ViTForImageClassification(config))
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder, network


@pytest.fixture
def words(tmp_path):
    """A whole text classifier."""
    folder = tmp_path / "bert"
    config = transformers.BertConfig(**TOWER, vocab_size=len(WORDS), num_labels=2)
    network = _save(folder, transformers.BertForSequenceClassification(config))
    _tokenizer(folder)
    return folder, network


def _bind(model, folder):
    """Bind the folder's own weights, as a study does."""
    tensors = load_file(folder / "model.safetensors")
    entries, parts, offset = [], [], 0
    for name, tensor in sorted(tensors.items()):
        entries.append((name, tuple(tensor.shape), offset))
        parts.append(tensor.reshape(-1))
        offset += tensor.numel()
    buffer = torch.cat(parts)
    model.bind(entries, buffer, {})
    return buffer


def test_picture_classifier_end_to_end(pictures, sheet, tmp_path):
    folder, network = pictures
    model = open_model(folder, None, CPU)
    buffer = _bind(model, folder)
    for tensor in model.module.state_dict(keep_vars=True).values():
        assert 0 <= tensor.data_ptr() - buffer.data_ptr() < 4 * len(buffer)
    task = load_task(TaskSpec("c", "C", sheet, samples={"validation": 30}), model, 0, tmp_path / "cache")
    measurement, outputs = evaluate(model, task, "validation", CPU)
    inputs = torch.from_numpy(task.split("validation").inputs)
    with torch.inference_mode():
        expected = network(pixel_values=inputs).logits.numpy()
    # The network's labels are blue, green, red; the task's classes red, green, blue.
    assert outputs == pytest.approx(expected[:, ::-1], abs=1e-5)
    assert measurement.n == 30
    buffer.mul_(1.1)
    assert (evaluate(model, task, "validation", CPU)[1] != outputs).any()


def test_files_open_the_weights_again(pictures, tmp_path):
    folder, network = pictures
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, content in open_model(folder, None, CPU).files().items():
        (copy / name).write_bytes(content)
    save_file(load_file(folder / "model.safetensors"), copy / "model.safetensors", metadata={"format": "pt"})
    again = transformers.AutoModelForImageClassification.from_pretrained(copy)
    assert torch.equal(again.classifier.weight, network.classifier.weight)


def test_wrong_weights_are_named(pictures):
    folder, _ = pictures
    model = open_model(folder, None, CPU)
    with pytest.raises(EvaluationError, match="has no tensor 'strange.weight'"):
        model.bind([("strange.weight", (2,), 0)], torch.zeros(2), {})


def test_classes_that_do_not_fit(pictures):
    model = open_model(pictures[0], None, CPU)
    with pytest.raises(EvaluationError, match="tells 3 classes apart, the task has 2"):
        model.head(("a", "b"), ("{}",))
    assert torch.equal(model.head(("x", "y", "z"), ("{}",)).weight, torch.eye(3))
    with pytest.raises(EvaluationError, match="sees pictures; the task holds texts"):
        model.preprocess(["text"])


def test_bare_encoder_needs_a_head_file(tmp_path, sheet):
    folder = tmp_path / "encoder"
    config = transformers.ViTConfig(**{k: v for k, v in TOWER.items() if k[:3] != "max"}, **SIGHT)
    _save(folder, transformers.ViTModel(config))
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    model = open_model(folder, None, CPU)
    _bind(model, folder)
    spec = TaskSpec("c", "C", sheet, samples={"validation": 30})
    with pytest.raises(EvaluationError, match="has no classifier. Give the task a head"):
        load_task(spec, model, 0, tmp_path / "cache")
    path = tmp_path / "head.safetensors"
    save_file({"weight": torch.randn(3, 16, generator=torch.Generator().manual_seed(0))}, path)
    task = load_task(TaskSpec("c", "C", sheet, samples={"validation": 30}, head=path), model, 0, tmp_path / "cache")
    assert evaluate(model, task, "validation", CPU)[1].shape == (30, 3)


def test_pair_has_open_clips_kind_of_head(tmp_path):
    folder = tmp_path / "clip"
    sight = {**TOWER, **SIGHT}
    sight.pop("max_position_embeddings")
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    config = transformers.CLIPConfig(
        text_config={**TOWER, "vocab_size": len(WORDS), **ends}, vision_config=sight, projection_dim=8
    )
    network = _save(folder, transformers.CLIPModel(config))
    _tokenizer(folder)
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    model = open_model(folder, None, CPU)
    _bind(model, folder)
    inputs = torch.from_numpy(model.preprocess([Image.new("RGB", (40, 32), "red"), Image.new("L", (32, 32))]))
    head = model.head(("red", "blue"), ("a {}",))
    assert head.weight.shape == (2, 8) == (2, model.width)
    tokens = model._words(["a red", "a blue"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model.forward(inputs, head)
        expected = network(pixel_values=inputs, **tokens).logits_per_image
    assert torch.allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_text_classifier_end_to_end(words, tmp_path, suffix):
    folder, network = words
    rows = [(f"{text} {'of ' * place}".strip(), label) for place in range(5) for text, label in TEXTS]
    path = tmp_path / f"reviews.{suffix}"
    if suffix == "jsonl":
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    else:
        mark = "\t" if suffix == "tsv" else ","
        lines = [f"text{mark}label", *(f'"{text}"{mark}{label}' for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = open_model(folder, None, CPU)
    _bind(model, folder)
    task = load_task(TaskSpec("r", "R", path, samples={"validation": 20}), model, 0, tmp_path / "cache")
    assert task.classes == ("no", "yes")
    split = task.split("validation")
    assert split.inputs.shape == (20, 2, 22) and split.inputs.dtype == np.int64
    outputs = evaluate(model, task, "validation", CPU, batch_size=7)[1]
    texts = [task.source.read(each) for each in split.ids]
    tokens = model._words(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = network(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits
    assert outputs == pytest.approx(expected.numpy(), abs=1e-5)
    with pytest.raises(EvaluationError, match="sees texts; the task holds pictures"):
        model.preprocess([Image.new("RGB", (2, 2))])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("text,label\nhello,\n", "has no label in row 1"),
        ("body,label\nhello,a\n", "has no text in row 1. Columns looked at: text, sentence, content"),
        ("text,label\nhello,a\n", "has 1 classes"),
        ("text,label,split\nhello,a,exam\n", "unknown split 'exam' in row 1"),
        ("text,label,split\nhello,a,val\nbye,b,test\n", None),
    ],
)
def test_tables_of_texts(tmp_path, written, text):
    path = tmp_path / "t.csv"
    path.write_text(written, encoding="utf-8")
    if text is None:
        assert [item.pool for item in open_source(path).items] == ["val", "test"]
        return
    with pytest.raises(EvaluationError) as caught:
        open_source(path)
    assert text in str(caught.value)


def test_numeric_labels_keep_their_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"t{n},{n}\n" for n in range(11)), encoding="utf-8")
    source = open_source(path)
    assert source.classes == tuple(str(n) for n in range(11))
    assert [item.target for item in source.items] == list(range(11))


def test_broken_folders_and_absent_hub_names(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "nonesuch"}', encoding="utf-8")
    with pytest.raises(EvaluationError, match="Hugging Face folder .* cannot be opened"):
        open_model(tmp_path, None, CPU)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EvaluationError, match="'some/model' is no file here and cannot be fetched") as caught:
        open_model("some/model", None, CPU)
    assert "\n" not in str(caught.value)


def test_a_text_model_without_its_tokenizer_says_so(words):
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (words[0] / name).unlink(missing_ok=True)
    with pytest.raises(EvaluationError, match="tokenizer files for texts") as caught:
        open_model(words[0], None, CPU)
    assert "\n" not in str(caught.value)
