"""Fingerprints of safetensors files: the SHA-256 of what they hold. No torch here, which takes seconds to load.

A program that knows from its command line what it will merge has these taken while it loads (`begin`).
"""

import hashlib
import json
import mmap
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from merging.errors import MergingError
from merging.files.finite import finite_bytes
from merging.files.remembered import State, remembered, state
from merging.files.weight_files import SAFETENSORS, weight_files

PIECE = 1 << 22  # bytes: still in the cache when they are hashed after the look at their numbers
WINDOW = 1 << 25
LONGEST = 1 << 27  # bytes of a header
HASTE = 0.0005  # seconds after which a thread that loads a library lets another have the interpreter
Progress = Callable[[int, int], None]


class NotFinite(ValueError):
    """A tensor holds NaN or infinity; `key` is its name."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Stored:
    """Where one tensor lies: a file, safetensors' code of its dtype, its shape, its first byte and the one after it."""

    file: Path
    code: str
    shape: tuple[int, ...]
    start: int
    stop: int


def fingerprint(files: Sequence[Path], first: bytes = b"", progress: Progress | None = None) -> str:
    """Return the SHA-256 (hex) of the tensors of some safetensors files: `first`, then name, dtype, shape and bytes of
    each, sorted by name. It is read from the files once, and kept as long as they are not touched (`remembered`).

    Raises:
        NotFinite: a tensor holds NaN or infinity.
        OSError, ValueError, KeyError, TypeError: files that are not as `open_tensors` would have them.
    """
    begun = None if first or progress else _BEGUN.get(state(files))
    return begun.result() if begun else remembered(files, first, partial(_taken, files, first, progress))


def _taken(files: Sequence[Path], first: bytes = b"", progress: Progress | None = None) -> str:
    digest = hashlib.sha256(first)
    places = {key: place for file in files for key, place in _header(file)}
    for done, (key, place) in enumerate(sorted(places.items()), start=1):
        shape = ",".join(str(size) for size in place.shape)
        digest.update(f"{key}\0{place.code}\0{shape}\0".encode())
        for part in _pieces(place):
            if not finite_bytes(part, place.code):
                raise NotFinite(key)
            digest.update(part.data)
        if progress:
            progress(done, len(places))
    return digest.hexdigest()


def _header(file: Path) -> Iterator[tuple[str, Stored]]:
    with open(file, "rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        if size > LONGEST:
            raise ValueError(f"a header of {size} bytes")
        header: dict[str, Any] = json.loads(opened.read(size))
    for key, about in header.items():
        if key != "__metadata__":
            start, stop = (8 + size + int(place) for place in about["data_offsets"])
            yield key, Stored(file, about["dtype"], tuple(about["shape"]), start, stop)


def _pieces(place: Stored) -> Iterator[npt.NDArray[np.uint8]]:
    """Go through the bytes of one tensor; only a window of them counts as memory of this process at a time."""
    if not prod(place.shape):
        return
    with open(place.file, "rb") as file:
        for start in range(place.start, place.stop, WINDOW):
            size, before = min(WINDOW, place.stop - start), start % mmap.ALLOCATIONGRANULARITY
            held = mmap.mmap(file.fileno(), before + size, offset=start - before, access=mmap.ACCESS_READ)
            window = np.frombuffer(held, np.uint8, size, before)
            yield from (window[part : part + PIECE] for part in range(0, size, PIECE))


_BEGUN: dict[State, "Future[str]"] = {}


def begin(checkpoints: Iterable[Path], threads: int) -> None:
    """Begin to take the fingerprints of checkpoints in threads of their own; `fingerprint` waits for them.

    What cannot be read is left to whoever asks for it. The threads end with the process, done or not.
    """
    waiting: SimpleQueue[tuple[list[Path], Future[str]]] = SimpleQueue()
    for checkpoint in checkpoints:
        try:
            files = weight_files(checkpoint)
            now = state(files)
        except (MergingError, OSError):
            continue
        if all(file.suffix == SAFETENSORS for file in files) and now not in _BEGUN:
            _BEGUN[now] = Future()
            waiting.put((files, _BEGUN[now]))
    if waiting.empty():
        return
    sys.setswitchinterval(min(HASTE, sys.getswitchinterval()))
    for _ in range(min(threads, waiting.qsize())):
        Thread(target=_work, args=(waiting,), daemon=True).start()


def _work(waiting: "SimpleQueue[tuple[list[Path], Future[str]]]") -> None:
    while True:
        try:
            files, found = waiting.get_nowait()
        except Empty:
            return
        try:
            found.set_result(remembered(files, b"", partial(_taken, files)))
        except Exception as error:  # whoever asks for the fingerprint is told
            found.set_exception(error)
