"""Attacks that have a name, each refused in words, and what they aimed at untouched."""

import io
import json
import os
import pickle
import sqlite3
import struct
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from merging import MergingError, reference
from merging.files.plain_yaml import read_yaml
from study.errors import StudyError
from study.exporting.card import _plain
from study.folder.store import Store
from study.folder.study_file import parse
from study.measuring.outputs import _read
from tests.fuzz.targets import STUDY


class Attack:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("ending", ["pt", "pth", "bin", "ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_never_runs(tmp_path: Path, ending: str, zipped: bool) -> None:
    path = tmp_path / f"model.{ending}"
    torch.save({"w": torch.ones(2), "x": Attack(tmp_path / "ran")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(MergingError, match="would run code.*Convert it without running it: python -m study convert"):
        reference("x", path)
    path.write_bytes(pickle.dumps(Attack(tmp_path / "ran")))
    with pytest.raises(MergingError):
        reference("x", path)
    assert not (tmp_path / "ran").exists()


HEADERS = {
    "size": b"\xff" * 8,
    "huge": struct.pack("<Q", 1 << 40),
    "overlap": {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
    },
    "outside": {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 50]}},
    "overflow": {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]}},
    "negative": {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
    "dtype": {"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}},
    "lies": {"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}},
    "hole": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}},
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_wrong_safetensors_header_is_refused(tmp_path: Path, name: str) -> None:
    header = HEADERS[name]
    if isinstance(header, dict):
        text = json.dumps(header).encode()
        header = struct.pack("<Q", len(text)) + text + bytes(16)
    path = tmp_path / "x.safetensors"
    path.write_bytes(header)
    with pytest.raises(MergingError, match="x.safetensors"):
        reference("x", path)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    os.mkfifo(path) if kind == "fifo" else path.symlink_to("/dev/zero")
    with pytest.raises(MergingError, match="device or a pipe"):
        reference("x", path)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_yaml_bomb_does_not_go_off() -> None:
    for text in (LAUGHS, "a: &x [*x]", "[" * 5000, "a: " * 5000):
        with pytest.raises(MergingError):
            read_yaml(text)
        with pytest.raises(StudyError):
            parse(STUDY + text)
    with pytest.raises(MergingError, match="at most"):
        read_yaml("a: [" + "1," * 200_000)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!x y"])
def test_a_yaml_tag_makes_no_object(tag: str) -> None:
    with pytest.raises(StudyError, match="could not determine a constructor"):
        parse(f"name: {tag}\n")
    with pytest.raises(MergingError, match="could not determine a constructor"):
        read_yaml(f"name: {tag}\n")


def test_an_image_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("1", (12_000, 12_000)).save(tmp_path / name / "x.png")
    source = open_source(tmp_path)
    with pytest.raises(EvaluationError, match="claims 12000 x 12000 pixels; at most"):
        source.read(source.items[0].id)


def test_outputs_that_would_grow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, t=np.zeros(10_000_000))
    with pytest.raises(StudyError, match="would grow to 80,000"):
        _read(str(path), 0)
    with zipfile.ZipFile(path, "w") as archive:
        pickled = io.BytesIO()
        np.save(pickled, np.array([Attack(tmp_path / "ran")], dtype=object), allow_pickle=True)
        archive.writestr("t.npy", pickled.getvalue())
    with pytest.raises(StudyError, match="allow_pickle"):
        _read(str(path), 1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "statement",
    ["CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END", "CREATE VIEW v AS SELECT 1"],
)
def test_a_store_that_would_act_is_refused(tmp_path: Path, statement: str) -> None:
    Store(tmp_path / "trials.sqlite", "c").propose("a", "m", {}, {"x": 0.1}, "design")
    with closing(sqlite3.connect(tmp_path / "trials.sqlite")) as db:
        db.execute(statement)
    with pytest.raises(StudyError, match="trigger or a view"):
        Store(tmp_path / "trials.sqlite", "c")


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@sum", "two\nlines", "a\x1b[31m"])
def test_a_title_is_no_formula_and_one_line(title: str) -> None:
    with pytest.raises(StudyError, match="title"):
        parse(STUDY.replace("'B <b>'", json.dumps(title)))


def test_a_name_stays_text_in_the_model_card() -> None:
    shown = _plain("<script>alert(1)</script> [x](javascript:y) `z` | a")
    assert "<" not in shown.replace("\\<", "") and "](" not in shown.replace("\\]", "")
