"""What is fuzzed: each target takes bytes that a stranger may have made; it accepts them or refuses in one line."""

from __future__ import annotations

import atexit
import csv
import io
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from merging import MergingError, reference
from merging.files.tensors import open_tensors
from merging.files.writing import write
from merging.reading import read_merge
from merging.recipe import Recipe
from study.errors import StudyError
from study.folder.store import Store
from study.folder.study_file import parse
from study.keeping.repair import repair
from study.keeping.unpack import unpack
from study.predict import read_points
from study.study import open_study
from surrogate.errors import SurrogateError
from ui.link import parse_choice

REFUSED = (StudyError, MergingError, EvaluationError, SurrogateError)
STUDY = """name: a study
base: {model: ViT-B-32, weights: base.safetensors}
experts:
  - {name: a, weights: a.safetensors}
  - {name: b, weights: b.safetensors, title: 'B <b>'}
tasks:
  - {name: t, data: data/t, metric: accuracy, samples: {validation: 40, test: 100, calibration: 6}}
methods: [task_arithmetic, {name: ties, settings: {density: 0.2}, bounds: [0, 1]}]
bounds: [0.0, 1.0]
seed: 0
"""
RECIPE = """format: 1
base: {name: base, path: base.safetensors}
experts:
- {name: a, path: a.safetensors, fingerprint: null}
method: ties
settings: {density: 0.2}
coefficients: {a: 0.5}
dtype: as base
"""
MERGEKIT = """merge_method: ties
base_model: base
models:
- {model: a, parameters: {weight: [0.5, 0.1], density: 0.5}}
- {model: b, parameters: {weight: 0.5}}
parameters: {normalize: true, int8_mask: true}
dtype: bfloat16
"""
ADDRESS = b"min=cars:0.85~nll:-0.3&lock=cars&pick=0.3~0.5&tray=0.1~0.2_0.3~0.4&x=nll&u=gain"


@dataclass(frozen=True)
class Target:
    """A way in: what well-formed input looks like, and what is done with any input in an empty folder."""

    name: str
    seeds: Callable[[], list[bytes]]
    take: Callable[[bytes, Path], object]
    texts: bool = True  # whether words are put into it, beside changed bytes


def _recipe(data: bytes, place: Path) -> None:
    (place / "recipe.yaml").write_bytes(data)
    found = read_merge(place / "recipe.yaml")
    if isinstance(found, Recipe):
        found.made()
        found.checkpoints(place)


def _study(data: bytes, place: Path) -> None:
    (place / "study.yaml").write_bytes(data)
    open_study(place)


def _settings(data: bytes, place: Path) -> None:
    parse(data.decode("utf-8", errors="replace"))


def _safetensors(data: bytes, place: Path) -> None:
    (place / "x.safetensors").write_bytes(data)
    reference("x", place / "x.safetensors")
    with open_tensors(place / "x.safetensors") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (not a mapping)
            tensors.get(key)


def _torch_file(data: bytes, place: Path) -> None:
    (place / "x.pt").write_bytes(data)
    reference("x", place / "x.pt")


def _index(data: bytes, place: Path) -> None:
    (place / "model.safetensors.index.json").write_bytes(data)
    write(place / "one.safetensors", {"w": torch.zeros(2)}, {})
    reference("x", place)


def _adapter(data: bytes, place: Path) -> None:
    (place / "adapter_config.json").write_bytes(data)
    write(place / "adapter_model.safetensors", {"base_model.model.m.lora_A.weight": torch.zeros(2, 3)}, {})
    reference("x", place)


def _package(data: bytes, place: Path) -> None:
    inner = place / "room"
    inner.mkdir()
    (inner / "in.zip").write_bytes(data)
    try:
        unpack(inner / "in.zip", inner / "out")
    finally:
        strangers = {path.name for path in place.iterdir()} - {"room"}
        strangers |= {path.name for path in inner.iterdir()} - {"in.zip", "out"}
        assert not strangers, f"written outside the study: {strangers}"


def _store(data: bytes, place: Path) -> None:
    (place / "study.yaml").write_text(STUDY)
    (place / "trials.sqlite").write_bytes(data)
    try:
        store = Store(place / "trials.sqlite", "c")
        store.trials()
        store.progress()
    except StudyError:
        repair(place)
        raise


def _sheet(data: bytes, place: Path) -> None:
    (place / "sheet.json").write_bytes(data)
    Image.new("RGB", (16, 8)).save(place / "sheet.png")
    _read_all(place)


def _picture(data: bytes, place: Path) -> None:
    for name in ("one", "two"):
        (place / name).mkdir()
        (place / name / "picture.png").write_bytes(data)
    _read_all(place)


def _texts(data: bytes, place: Path) -> None:
    for ending in ("csv", "jsonl"):
        (place / f"x.{ending}").write_bytes(data)
    refusals = []
    for ending in ("csv", "jsonl"):
        try:
            _read_all(place / f"x.{ending}")
        except EvaluationError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _read_all(path: Path) -> None:
    source = open_source(path)
    for item in source.items[:4]:
        source.read(item.id)


def _points(data: bytes, place: Path) -> None:
    (place / "p.csv").write_bytes(data)
    read_points(place / "p.csv")


def _address(data: bytes, place: Path) -> None:
    words = data.decode("utf-8", errors="replace")
    tasks = [{"name": "cars", "sign": 1.0}, {"name": "nll", "sign": -1.0}]
    payload = {"tasks": tasks, "experts": [{"name": "a"}, {"name": "b"}], "unit": "kept"}
    query = dict(part.split("=", 1) for part in words.split("&") if "=" in part)
    json.dumps(parse_choice(query, payload), allow_nan=False)


@cache
def _good_safetensors() -> bytes:
    path = Path(_scratch()) / "a.safetensors"
    state = {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor([1]), "h": torch.ones(3, dtype=torch.bfloat16)}
    write(path, state, {"format": "pt", "note": "x"})
    return path.read_bytes()


@cache
def _scratch() -> str:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, True)
    return folder


@cache
def _torch_files() -> list[bytes]:
    found = []
    for new in (True, False):
        file = io.BytesIO()
        torch.save({"w": torch.ones(3), "n": torch.tensor([1])}, file, _use_new_zipfile_serialization=new)
        found.append(file.getvalue())
    return found


@cache
def _good_store() -> bytes:
    path = Path(_scratch()) / "trials.sqlite"
    store = Store(path, "c")
    for number in range(3):
        store.propose(f"{number:012x}", "ties", {}, {"a": 0.5, "b": 0.25}, "design")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@cache
def _packages() -> list[bytes]:
    found = []
    for top, how in (("s/", zipfile.ZIP_DEFLATED), ("", zipfile.ZIP_STORED)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", how) as archive:
            archive.writestr(zipfile.ZipInfo(f"{top}study.yaml"), STUDY, how)
            archive.writestr(zipfile.ZipInfo(f"{top}trials.sqlite"), _good_store(), how)
            archive.writestr(zipfile.ZipInfo(f"{top}models/a.safetensors"), _good_safetensors(), how)
        found.append(file.getvalue())
    return found


@cache
def _pictures() -> list[bytes]:
    found = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.linear_gradient("L").resize((9, 7)).convert("RGB").save(file, kind)
        found.append(file.getvalue())
    return found


def _sheets() -> list[bytes]:
    return [json.dumps({"tile": 8, "columns": 2, "classes": ["a", "b"], "labels": [0, "b"], "title": "T"}).encode()]


def _tables() -> list[bytes]:
    table = io.StringIO()
    csv.writer(table).writerows([["text", "label", "split"], ["a, b", "x", "train"], ["=1+1", "y", "test"]])
    return [table.getvalue().encode(), b'{"text": "a", "label": "x"}\n{"text": "b", "label": 1, "split": "val"}\n']


TARGETS = (
    Target("recipe", lambda: [RECIPE.encode(), MERGEKIT.encode()], _recipe),
    Target("study", lambda: [STUDY.encode()], _study),
    Target("settings", lambda: [STUDY.encode()], _settings),
    Target("safetensors", lambda: [_good_safetensors()], _safetensors),
    Target("torch_file", _torch_files, _torch_file, texts=False),
    Target("index", lambda: [b'{"metadata": {}, "weight_map": {"w": "one.safetensors"}}'], _index),
    Target("adapter", lambda: [b'{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "rank_pattern": {"m": 1}}'], _adapter),
    Target("package", _packages, _package),
    Target("store", lambda: [_good_store()], _store),
    Target("sheet", _sheets, _sheet),
    Target("picture", _pictures, _picture, texts=False),
    Target("texts", _tables, _texts),
    Target("points", lambda: [b"a,b\n0.1,0.2\n1e-3,1\n"], _points),
    Target("address", lambda: [ADDRESS], _address),
)  # fmt: skip
