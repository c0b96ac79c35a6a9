"""Calibration, validation and test samples share nothing, for every kind of data, exact copies included."""

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

from evaluation.data.opening import open_source
from evaluation.data.source import digest
from evaluation.samples import draw, recorded
from evaluation.task import TaskSpec
from study.demo import SOURCE, demo_tasks

COUNT, COPIES = 100, 20
ASKED = {"calibration": 10, "validation": 40, "test": 50}
# Samples 0–49 go into train, 50–69 into val, 70–99 into test; the copies of 0–19 go into val and test: leaks.
POOLS = ["train"] * 50 + ["val"] * 20 + ["test"] * 30 + ["val", "test"] * (COPIES // 2)
DIVIDED = {"calibration": 10, "validation": 20, "test": 25}
Make = Callable[[Path, type], Path]


def _texts() -> list[tuple[str, str]]:
    """(text, label): 100 different texts and exact copies of the first 20, some of them under another label."""
    words = [(f"sample {number}", ["good", "bad", "so-so"][number % 3]) for number in range(COUNT)]
    return words + [(text, "good") for text, _ in words[:COPIES]]


def _pictures(colours):
    images, labels = colours.tiles(COUNT)
    return images + images[:COPIES], labels + labels[:COPIES]


def _whole(kind: str) -> Make:
    return lambda path, colours: getattr(colours, kind)(path, *_pictures(colours))


def _divided(kind: str) -> Make:
    def make(path, colours):
        images, labels = _pictures(colours)
        for pool in dict.fromkeys(POOLS):
            own = [place for place, each in enumerate(POOLS) if each == pool]
            getattr(colours, kind)(path / pool, [images[at] for at in own], [labels[at] for at in own])
        if kind == "shards":
            (path / "classnames.txt").write_text("red\ngreen\nblue\n", encoding="utf-8")
        return path

    return make


def _table(ending: str, divided: bool) -> Make:
    def make(path, colours):
        path.mkdir()
        rows = [
            {"text": text, "label": label} | ({"split": pool} if divided else {})
            for (text, label), pool in zip(_texts(), POOLS, strict=True)
        ]
        file = path / f"texts.{ending}"
        if ending == "jsonl":
            lines = [json.dumps(row) for row in rows]
        else:
            comma = "," if ending == "csv" else "\t"
            lines = [comma.join(row.values()) for row in ({key: key for key in rows[0]}, *rows)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return make


def _parquet_of_texts(path, colours):
    path.mkdir()
    texts, labels = zip(*_texts(), strict=True)
    pq.write_table(pa.table({"sentence": list(texts), "label": list(labels)}), path / "all.parquet", 16)
    return path


def _shards_of_texts(path, colours):
    path.mkdir()
    with tarfile.open(path / "0.tar", "w") as tar:
        for number, (text, label) in enumerate(_texts()):
            for ending, content in (("txt", text), ("cls", label)):
                member = tarfile.TarInfo(f"{number:04}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content.encode()))
    return path


def _torchvision(path, colours):
    """MNIST's own files: 100 training pictures; the copies are its test split, and so lie in another file."""
    raw = path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (COUNT + 60, 28, 28), dtype=np.uint8)
    parts = {"train": pixels[:COUNT], "t10k": np.concatenate([pixels[COUNT:], pixels[:COPIES]])}
    for part, own in parts.items():
        for kind, array in (("images-idx3", own), ("labels-idx1", np.arange(len(own), dtype=np.uint8) % 10)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    return Path(f"torchvision:MNIST:{path}")


def _hub(path, colours):
    """What huggingface_hub keeps of a data set that was fetched once: read again without a network."""
    kept = path / "datasets--somebody--colours"
    _divided("parquet")(kept / "snapshots" / "0123abc" / "data", colours)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0123abc", encoding="utf-8")
    return Path("hub:somebody/colours/data")


MAKERS: dict[str, tuple[Make, dict[str, int]]] = {
    **{kind: (_whole(kind), ASKED) for kind in ("sheet", "folder", "parquet", "arrow", "shards")},
    **{f"{kind}, divided": (_divided(kind), DIVIDED) for kind in ("folder", "parquet", "arrow", "shards")},
    **{ending: (_table(ending, False), ASKED) for ending in ("csv", "tsv", "jsonl")},
    **{f"{ending}, divided": (_table(ending, True), DIVIDED) for ending in ("csv", "jsonl")},
    "parquet of texts": (_parquet_of_texts, ASKED),
    "shards of texts": (_shards_of_texts, ASKED),
    "torchvision": (_torchvision, ASKED | {"test": 60}),
    "hub": (_hub, DIVIDED),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_splits_share_no_sample_and_no_copy_of_one(kind, tmp_path, colours, monkeypatch):
    make, asked = MAKERS[kind]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "data"))
    _check(TaskSpec("t", "T", make(tmp_path / "data", colours), samples=asked), tmp_path / "cache")


@pytest.mark.parametrize("task", demo_tasks())
def test_the_demo_tasks_share_nothing(task, tmp_path):
    asked = {"calibration": 64, "validation": 400, "test": 500}
    _check(TaskSpec(task, task, SOURCE / "tasks" / task, samples=asked), tmp_path)


def _check(spec: TaskSpec, cache: Path) -> None:
    source = open_source(spec.data)
    shown = {item.id: digest(source.read(item.id)) for item in source.items}
    pool_of = {item.id: item.pool for item in source.items}
    truth = {item.id: item.target for item in source.items}
    for seed in range(2):
        drawn = draw(spec, source, seed)
        ids = [each for split in drawn.splits.values() for each in split.ids]
        assert {name: len(each.ids) for name, each in drawn.splits.items()} == dict(spec.samples)
        assert len(set(ids)) == len({shown[each] for each in ids}) == sum(spec.samples.values())
        for name, split in drawn.splits.items():
            assert list(split.digests) == [shown[each] for each in split.ids]
            assert list(split.targets) == [truth[each] for each in split.ids]
            if any(pool_of.values()):  # divided data: what is tested on comes from the test part alone
                assert name != "test" or {pool_of[each] for each in split.ids} == {"test"}
        assert recorded(spec, source, seed, cache) == recorded(spec, source, seed, cache) == drawn
