"""Parquet, Arrow, WebDataset, torchvision and hub sets: read right, refused with file and row, bad samples skipped."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from evaluation.data import opening
from evaluation.data.opening import open_source
from evaluation.data.source import digest
from evaluation.errors import EvaluationError
from evaluation.samples import draw
from evaluation.task import TaskSpec

KINDS = ["parquet", "arrow", "shards"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_back_pictures_and_classes(tmp_path, colours, kind):
    images, labels = colours.tiles(21)
    source = open_source(getattr(colours, kind)(tmp_path / "d", images, labels))
    assert source.classes == ("red", "green", "blue") and len(source.items) == 21
    known = {digest(image): label for image, label in zip(images, labels, strict=True)}
    assert all(known[digest(source.read(item.id))] == item.target for item in source.items)


@pytest.mark.parametrize("kind", KINDS)
def test_splits_follow_folders_and_file_names(tmp_path, colours, kind):
    for pool, seed in (("train", 0), ("validation", 1), ("test", 2)):
        getattr(colours, kind)(tmp_path / "d" / pool, *colours.tiles(12, seed))
    if kind == "shards":
        (tmp_path / "d" / "classnames.txt").write_text("red\ngreen\nblue\n")
    pools = [item.pool for item in open_source(tmp_path / "d").items]
    assert {pool: pools.count(pool) for pool in set(pools)} == {"train": 12, "val": 12, "test": 12}


def test_texts_in_parquet(tmp_path):
    table = pa.table({"text": ["one", "two", " three "], "label": ["b", "a", "b"]})
    pq.write_table(table, tmp_path / "test-00000.parquet")
    source = open_source(tmp_path / "test-00000.parquet")
    assert source.classes == ("a", "b") and [item.target for item in source.items] == [1, 0, 1]
    assert source.read(source.items[2].id) == "three" and source.items[0].pool == "test"


def _columns(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"picture": [b"x"], "mark": [1]}, "has no label column; it has picture, mark. Columns looked for: label,"),
        ({"note": ["x"], "label": [1]}, "has no picture or text column; it has note, label"),
        ({"text": ["x", "y"], "label": ["a", None]}, "has no label in row 1"),
        ({"text": ["x", "y"], "label": ["a", "a"]}, "has 1 classes"),
    ],
)
def test_wrong_columns_are_named(tmp_path, columns, text):
    with pytest.raises(EvaluationError) as caught:
        open_source(_columns(tmp_path / "d.parquet", **columns))
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_files_are_named(tmp_path):
    for name, text in (("d.parquet", "d.parquet' cannot be read"), ("d.tar", "d.tar' cannot be read")):
        (tmp_path / name).write_bytes(b"no such thing" * 100)
        with pytest.raises(EvaluationError, match=text):
            open_source(tmp_path / name)


def _broken(path, colours, kind, bad):
    """40 pictures of which those at `bad` are cut in half."""
    images, labels = colours.tiles(40)
    if kind == "folder":
        colours.folder(path, images, labels)
        for file in sorted(path.rglob("*.png"))[: len(bad)]:
            file.write_bytes(file.read_bytes()[:60])
        return path
    contents = []
    for place, image in enumerate(images):
        stored = io.BytesIO()
        image.save(stored, "PNG")
        contents.append(stored.getvalue()[:60] if place in bad else stored.getvalue())
    if kind == "parquet":
        path.mkdir()
        return _columns(path / "d.parquet", image=contents, label=[str(each) for each in labels]).parent
    path.mkdir()
    with tarfile.open(path / "0.tar", "w") as tar:
        for place, content in enumerate(contents):
            for ending, part in (("png", content), ("json", json.dumps({"label": labels[place]}).encode())):
                member = tarfile.TarInfo(f"{place:04}.{ending}")
                member.size = len(part)
                tar.addfile(member, io.BytesIO(part))
    return path


@pytest.mark.parametrize("kind", ["folder", "parquet", "shards"])
def test_bad_pictures_stop_or_are_skipped_and_counted(tmp_path, colours, kind):
    source = open_source(_broken(tmp_path / "d", colours, kind, (3, 17)))
    asked = {"validation": 20, "test": 18}
    with pytest.raises(EvaluationError, match=r"cannot be read: .*unreadable: skip"):
        draw(TaskSpec("t", "T", source.path, samples=asked), source, 0)
    drawn = draw(TaskSpec("t", "T", source.path, samples=asked, unreadable="skip"), source, 0)
    assert len(drawn.unreadable) == 2 and not set(drawn.unreadable) & {i for s in drawn.splits.values() for i in s.ids}
    assert drawn.notes("t")[-1].startswith("2 samples of 't' cannot be read and were skipped, first '")
    with pytest.raises(EvaluationError, match="2 that cannot be read, and only 18 are left"):
        more = {"validation": 20, "test": 19}
        draw(TaskSpec("t", "T", source.path, samples=more, unreadable="skip"), source, 0)


def test_a_shard_names_the_sample_that_lacks_something(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        member = tarfile.TarInfo("0007.cls")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"1"))
    with pytest.raises(EvaluationError, match="sample '0007' has no picture or text; it has cls"):
        open_source(tmp_path / "0.tar")


def _idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    with gzip.open(path, "wb") as file:
        file.write(head + array.tobytes())


def test_torchvision_set_in_a_folder(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (30, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", pixels), ("labels-idx1", np.arange(30, dtype=np.uint8) % 10)):
            _idx(raw / f"{part}-{kind}-ubyte.gz", array)
            (raw / f"{part}-{kind}-ubyte").write_bytes(gzip.decompress((raw / f"{part}-{kind}-ubyte.gz").read_bytes()))
    source = open_source(Path(f"torchvision:MNIST:{tmp_path}"))
    assert len(source.classes) == 10 and {item.pool for item in source.items} == {"train", "test"}
    assert digest(source.read("test#3")) == digest(Image.fromarray(pixels[3]))
    with pytest.raises(EvaluationError, match="no data set 'MNIS'. Nearest: 'KMNIST'|Nearest: 'MNIST'"):
        open_source(Path(f"torchvision:MNIS:{tmp_path}"))
    with pytest.raises(EvaluationError, match="finds no split of CIFAR10 in .*download=True"):
        open_source(Path(f"torchvision:CIFAR10:{tmp_path}"))


def test_hub_set_without_a_network_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        EvaluationError, match="Dataset 'nobody/nothing' is no file here and cannot be fetched from the hub"
    ):
        open_source(Path(f"{opening.HUB}nobody/nothing"))
