"""Fingerprints kept between runs: taken from the cache only for files that nobody has touched."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merging import reference
from merging.files import remembered as keeping

CHANGED = "0" * 64


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    """A cache of this test's own, that takes files which have just been written."""
    monkeypatch.setenv(keeping.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(keeping, "SETTLED", 0)
    return tmp_path / "cache" / "fingerprints"


@pytest.fixture(params=["x.safetensors", "x.pt"])
def checkpoint(request, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    state = {"w": torch.arange(6.0)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def mark(cache: Path) -> None:
    """Put another fingerprint into the cache: whoever reads it there is found out."""
    (kept,) = cache.iterdir()
    kept.write_text(kept.read_text().replace(kept.read_text().split('"')[-2], CHANGED))


def test_files_that_nobody_touched_are_not_read_again(cache: Path, checkpoint: Path) -> None:
    before = reference("x", checkpoint).fingerprint
    mark(cache)
    assert reference("x", checkpoint).fingerprint == CHANGED != before


@pytest.mark.parametrize("touch", ["contents", "times", "copy", "mode"])
def test_files_that_somebody_touched_are_read_again(cache: Path, checkpoint: Path, touch: str) -> None:
    before = reference("x", checkpoint).fingerprint
    mark(cache)
    if touch == "contents":  # as long as before, and the old time put back
        times = os.stat(checkpoint)
        checkpoint.write_bytes(checkpoint.read_bytes())
        os.utime(checkpoint, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif touch == "times":
        os.utime(checkpoint)
    elif touch == "copy":
        copy = checkpoint.with_name("copy")
        copy.write_bytes(checkpoint.read_bytes())
        os.replace(copy, checkpoint)
    else:
        checkpoint.chmod(0o600)
    assert reference("x", checkpoint).fingerprint == before
    assert len(list(cache.iterdir())) == 1  # the old one is replaced


def test_files_that_changed_a_moment_ago_are_read_again(cache: Path, checkpoint: Path, monkeypatch) -> None:
    monkeypatch.setattr(keeping, "SETTLED", 10**12)
    reference("x", checkpoint)
    assert not cache.exists()


def test_what_is_not_finite_is_refused_every_time(cache: Path, tmp_path: Path) -> None:
    save_file({"w": torch.tensor([1.0, float("nan")])}, tmp_path / "bad.safetensors")
    for _ in range(2):
        with pytest.raises(ValueError, match="'w' holds 1 value"):
            reference("x", tmp_path / "bad.safetensors")
    assert not cache.exists()


@pytest.mark.parametrize("broken", ["", "[]", '{"files": []}', '{"files": 3, "fingerprint": "12"}', "no JSON"])
def test_a_broken_cache_costs_the_reading_alone(cache: Path, checkpoint: Path, broken: str) -> None:
    before = reference("x", checkpoint).fingerprint
    (kept,) = cache.iterdir()
    kept.write_text(broken)
    assert reference("x", checkpoint).fingerprint == before


def test_a_cache_that_cannot_be_written_costs_the_reading_alone(cache: Path, checkpoint: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    assert reference("x", checkpoint).fingerprint == reference("x", checkpoint).fingerprint


def test_without_a_cache_nothing_is_kept(cache: Path, checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(keeping.CACHE, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    reference("x", checkpoint)
    assert not cache.exists() and not (tmp_path / "home").exists()
