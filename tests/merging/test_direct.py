"""Writing past the page cache: the same bytes wherever a file lies, the digest of all, and the disk's errors."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.files import direct
from merging.files.direct import ALIGNED, Output

SIZES = [0, 1, ALIGNED - 1, ALIGNED, ALIGNED + 1, 3 * ALIGNED, 5 * ALIGNED + 7]


def written(path: Path, parts: list[bytes]) -> str:
    with open(path, "w+b") as file, Output(file) as output:
        for part in parts:
            changing = bytearray(part)
            output.add(memoryview(changing))
            changing[:] = bytes(len(changing))  # what was given may change afterwards
        return output.finish()


@settings(max_examples=30)
@given(sizes=st.lists(st.sampled_from(SIZES), max_size=9), buffer=st.sampled_from([1, 2, 4]))
@pytest.mark.parametrize("past", [True, False])
def test_all_bytes_arrive_in_order(past: bool, sizes: list[int], buffer: int, tmp_path_factory) -> None:
    parts = [os.urandom(size) for size in sizes]
    path = tmp_path_factory.mktemp("direct") / "file"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "BUFFER", buffer * ALIGNED)
        patch.setattr(direct, "DRAINED", ALIGNED)
        if not past:
            patch.setattr(direct, "DIRECT", 0)
        digest = written(path, parts)
    assert path.read_bytes() == b"".join(parts)
    assert digest == hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_disk_that_wants_other_blocks_gets_the_bytes_through_the_cache(tmp_path: Path, monkeypatch) -> None:
    """Half a block is what no disk takes past the cache: the system itself refuses it, where it can write so at all."""
    monkeypatch.setattr(direct, "ALIGNED", 8)
    monkeypatch.setattr(direct, "BUFFER", 1000)
    data = os.urandom(4321)
    assert written(tmp_path / "file", [data]) == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("count", [1, 40])
def test_an_error_of_the_disk_is_raised(count: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(direct, "BUFFER", ALIGNED)
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as read_only, pytest.raises(OSError), Output(read_only) as output:  # noqa: PT011
        for _ in range(count):
            output.add(memoryview(bytes(ALIGNED)))
        output.finish()
