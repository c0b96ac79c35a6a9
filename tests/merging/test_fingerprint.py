"""Fingerprints of safetensors files: what they are made of, when they are taken, what is refused."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from merging import MergingError, reference
from merging.ahead import begin_for_command, named
from merging.files import fingerprint as taking
from merging.files.finite import CODES, all_finite, finite_bytes

STATE = {"b.weight": torch.arange(12.0).view(3, 4), "a": torch.tensor([-2.5, 0.0], dtype=torch.bfloat16)}
NOT_NUMBERS = [float("nan"), float("inf"), float("-inf")]


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """Leave the interpreter and what was begun as they were."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)
    taking._BEGUN.clear()


def test_a_fingerprint_is_the_hash_of_names_dtypes_shapes_and_bytes(tmp_path: Path, monkeypatch) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    told = b"a\0BF16\0" + b"2\0" + STATE["a"].view(torch.uint8).numpy().tobytes()
    told += b"b.weight\0F32\0" + b"3,4\0" + STATE["b.weight"].numpy().tobytes()
    assert reference("x", tmp_path / "x.safetensors").fingerprint == hashlib.sha256(told).hexdigest()
    monkeypatch.setattr(taking, "PIECE", 8)
    monkeypatch.setattr(taking, "WINDOW", 16)
    assert reference("x", tmp_path / "x.safetensors").fingerprint == hashlib.sha256(told).hexdigest()


def test_tensors_may_begin_anywhere_in_a_file(tmp_path: Path) -> None:
    about = {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    header = json.dumps(about).encode()
    header += b" " * (1 - len(header) % 2)  # of odd length, so no number is aligned
    raw = STATE["a"].view(torch.uint8).numpy().tobytes()
    (tmp_path / "odd.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw)
    save_file({"a": STATE["a"]}, tmp_path / "even.safetensors")
    odd, even = (reference("x", tmp_path / f"{name}.safetensors").fingerprint for name in ("odd", "even"))
    assert odd == even
    bad = torch.tensor([1.0, float("nan")], dtype=torch.bfloat16).view(torch.uint8).numpy().tobytes()
    (tmp_path / "odd.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bad)
    with pytest.raises(MergingError, match="'a' holds 1 value"):
        reference("x", tmp_path / "odd.safetensors")


@settings(max_examples=40)
@given(st.sampled_from(sorted(CODES)), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9))
def test_bits_that_are_no_number_are_found(name: str, values: list[int]) -> None:
    """Against torch, for any bits."""
    dtype = getattr(torch, name.removeprefix("torch."))
    data = np.array(values, dtype=np.uint64).view(np.uint8)
    tensor = torch.from_numpy(data.copy()).view(dtype)
    wanted = bool(torch.isfinite(tensor.to(torch.float64)).all())
    assert finite_bytes(data, CODES[name]) is wanted
    assert all_finite(tensor) is wanted
    assert all_finite(tensor.repeat(2, 1).T) is wanted  # not contiguous


@pytest.mark.parametrize("name", sorted(CODES))
def test_the_largest_numbers_are_numbers(name: str) -> None:
    dtype = getattr(torch, name.removeprefix("torch."))
    ends = torch.finfo(dtype)
    assert all_finite(torch.tensor([ends.max, ends.min, 0.0, -0.0, ends.tiny], dtype=torch.float64).to(dtype))
    for bad in NOT_NUMBERS[: 1 if name.endswith("e4m3fn") else 3]:
        assert not all_finite(torch.tensor([1.0, -1.0, bad, 2.0]).to(dtype))


def recipe(folder: Path, **parts: object) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(parts))
    return path


def test_the_command_begins_what_its_recipe_names(tmp_path: Path) -> None:
    for name in ("base", "one", "other"):
        save_file({**STATE, "n": torch.tensor(len(name))}, tmp_path / f"{name}.safetensors")
    base, one = ({"name": name, "path": f"{name}.safetensors"} for name in ("base", "one"))
    path = recipe(tmp_path, base=base, experts=[one], prepared={"path": "other.safetensors"}, method="ties")
    assert named(path) == [tmp_path / "base.safetensors", tmp_path / "one.safetensors"]
    begin_for_command(["python", "-m", "pytest"], ["-m", str(path), "out"])
    begin_for_command(["python", "-m", "merging"], ["-m", str(path), "out", "--mergekit"])
    begin_for_command(["python", "-m", "merging"], ["-m", str(path)])
    assert not taking._BEGUN
    begin_for_command(["python", "-m", "merging"], ["-m", str(path), "out"])
    assert len(taking._BEGUN) == 2
    begun = reference("one", tmp_path / "one.safetensors").fingerprint
    assert begun in [each.result() for each in taking._BEGUN.values()]
    taking._BEGUN.clear()
    assert reference("one", tmp_path / "one.safetensors").fingerprint == begun


def test_what_mergekit_names_is_looked_for_where_it_may_be(tmp_path: Path) -> None:
    models = [{"model": "a"}, {"model": "b", "parameters": {"weight": 1}}]
    path = recipe(tmp_path, merge_method="ties", models=models, base_model="c", tokenizer={"source": {"path": "d"}})
    assert sorted(map(str, named(path))) == sorted([*"abc", *(str(tmp_path / name) for name in "abc")])
    path.write_text("[")
    assert named(path) == [] and named(tmp_path / "absent.yaml") == []


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(STATE, path)
    before = reference("x", path).fingerprint
    taking.begin([path, tmp_path / "absent.safetensors"], 1)
    save_file({**STATE, "a": STATE["a"] + 1}, tmp_path / "y.safetensors")
    wanted = reference("x", tmp_path / "y.safetensors").fingerprint
    os.replace(tmp_path / "y.safetensors", path)
    assert reference("x", path).fingerprint == wanted != before


def test_what_is_begun_is_refused_like_what_is_not(tmp_path: Path) -> None:
    save_file({"fine": torch.ones(2), "w": torch.tensor([1.0, float("nan")])}, tmp_path / "x.safetensors")
    taking.begin([tmp_path / "x.safetensors"], 2)
    with pytest.raises(MergingError, match="'x': tensor 'w' holds 1 value"):
        reference("x", tmp_path / "x.safetensors")
