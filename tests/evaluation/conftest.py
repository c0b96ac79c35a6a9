"""A tiny open_clip network, and small data made of coloured squares whose class anybody can see."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor

from evaluation.models.model import Entry, Model
from evaluation.models.opening import open_model
from evaluation.task import TaskSpec

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 514, "width": 16, "heads": 2, "layers": 1},
}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 210)}


class Colours:
    """Makes tiles, sheets and image folders."""

    @staticmethod
    def tiles(count: int, seed: int = 0) -> tuple[list[Image.Image], list[int]]:
        """`count` noisy coloured tiles of 32 x 32, all different, and their classes."""
        generator = np.random.default_rng(seed)
        labels = [int(each) for each in generator.integers(0, len(COLOURS), count)]
        images = []
        for label in labels:
            noise = generator.normal(0, 25, (32, 32, 3)) + np.array(list(COLOURS.values())[label])
            images.append(Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)))
        return images, labels

    @staticmethod
    def sheet(path: Path, images: list[Image.Image], targets: list[int], **changed: object) -> Path:
        """A sheet folder of these tiles; `changed` overrides fields of sheet.json."""
        path.mkdir(parents=True, exist_ok=True)
        columns = 10
        rows = -(-len(images) // columns)
        sheet = Image.new("RGB", (columns * 32, rows * 32))
        for place, image in enumerate(images):
            sheet.paste(image, (place % columns * 32, place // columns * 32))
        sheet.save(path / "sheet.png")
        facts = {
            "tile": 32,
            "columns": columns,
            "classes": list(COLOURS),
            "labels": targets,
            "title": "Colours",
            "templates": ["a photo of a {} square.", "something {}."],
            **changed,
        }
        (path / "sheet.json").write_text(json.dumps(facts), encoding="utf-8")
        return path

    @staticmethod
    def folder(path: Path, images: list[Image.Image], labels: list[int]) -> Path:
        """An image folder of these tiles, one sub-folder per colour."""
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = path / list(COLOURS)[label] / f"{number:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file)
        return path

    @staticmethod
    def parquet(path: Path, images: list[Image.Image], labels: list[int]) -> Path:
        """Two Parquet shards as the hub has them: pictures as bytes, numbered labels with names in the metadata."""
        return _table(path, images, labels, lambda table, file: pq.write_table(table, f"{file}.parquet", 16))

    @staticmethod
    def arrow(path: Path, images: list[Image.Image], labels: list[int]) -> Path:
        """Arrow files as `datasets.save_to_disk` writes them."""

        def write(table: pa.Table, file: Path) -> None:
            with pa.OSFile(f"{file}.arrow", "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
                stream.write_table(table)

        return _table(path, images, labels, write)

    @staticmethod
    def shards(path: Path, images: list[Image.Image], labels: list[int]) -> Path:
        """Two WebDataset shards, with names of the classes beside them."""
        path.mkdir(parents=True, exist_ok=True)
        (path / "classnames.txt").write_text("\n".join(COLOURS), encoding="utf-8")
        for half in range(2):
            with tarfile.open(path / f"{half}.tar", "w") as tar:
                for number in range(half, len(images), 2):
                    for ending, content in (("png", _png(images[number])), ("cls", str(labels[number]).encode())):
                        member = tarfile.TarInfo(f"{number:04}.{ending}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
        return path


def _png(image: Image.Image) -> bytes:
    stored = io.BytesIO()
    image.save(stored, "PNG")
    return stored.getvalue()


def _table(path: Path, images: list[Image.Image], labels: list[int], write: Callable[[pa.Table, Path], object]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    facts = {"info": {"features": {"label": {"names": list(COLOURS), "_type": "ClassLabel"}}}}
    pictures = [{"bytes": _png(image), "path": None} for image in images]
    for half in range(2):
        table = pa.table({"image": pictures[half::2], "label": labels[half::2]})
        write(table.replace_schema_metadata({"huggingface": json.dumps(facts)}), path / f"data-{half}-of-2")
    return path


def _layout(model: Model) -> tuple[list[Entry], Tensor, dict[str, Tensor]]:
    """Entries, a buffer with the network's own numbers, and the remaining tensors."""
    entries: list[Entry] = []
    parts: list[Tensor] = []
    others: dict[str, Tensor] = {}
    offset = 0
    for name, tensor in sorted(model.module.state_dict().items()):
        if tensor.is_floating_point():
            entries.append((name, tuple(tensor.shape), offset))
            parts.append(tensor.detach().reshape(-1).clone())
            offset += tensor.numel()
        else:
            others[name] = tensor.clone()
    return entries, torch.cat(parts), others


@pytest.fixture(scope="session")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BPE file without merges: a byte-level tokenizer of 514 tokens. A closing newline would be a merge."""
    path = tmp_path_factory.mktemp("tokenizer") / "bytes.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("#version: bytes")
    return path


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def colours() -> type[Colours]:
    return Colours


@pytest.fixture(scope="session")
def layout() -> Callable[[Model], tuple[list[Entry], Tensor, dict[str, Tensor]]]:
    return _layout


@pytest.fixture
def model(config: Path, bpe: Path) -> Model:
    return open_model(config, bpe, torch.device("cpu"))


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return Colours.sheet(tmp_path / "colours", *Colours.tiles(120))


@pytest.fixture
def spec(sheet: Path) -> TaskSpec:
    samples = {"calibration": 8, "validation": 40, "test": 50}
    return TaskSpec("colours", "Colours", sheet, samples=samples)
