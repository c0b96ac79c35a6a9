"""Bytes into a large file: hashed by one thread, written by another, past the page cache where the system can do that.

Through the cache every byte is copied once more, takes the place of pages of the experts that are still to be read, and
goes to the disk when the kernel likes: about a tenth of a merge's processor time.
"""

import errno
import fcntl
import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
ALIGNED = 4096  # bytes: what places, lengths and memory must be multiples of
BUFFER = 1 << 21  # bytes
BUFFERS = 4
DRAINED = 1 << 26  # bytes that go into the cache before the disk is told to begin
DIRECT = getattr(os, "O_DIRECT", 0)


class Output(AbstractContextManager["Output"]):
    """Bytes on their way into an empty file, in their order. `finish` tells their SHA-256 when all are in it.

    What is given is copied, so it may change when `add` returns. An error of the disk is raised by a later `add`, or
    by `finish`.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.flush()
        self._descriptor = file.fileno()
        self._direct = _past_the_cache(self._descriptor, True)
        self._digest = hashlib.sha256()
        self._free = deque(_aligned(BUFFER) for _ in range(BUFFERS))
        self._busy: deque[tuple[Bytes, Future[None], Future[None]]] = deque()
        self._filled, self._written, self._waiting = 0, 0, 0
        self._stack = ExitStack()
        self._hasher, self._writer = (self._stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))

    def add(self, data: memoryview) -> None:
        """Take bytes."""
        rest = np.frombuffer(data, dtype=np.uint8)
        while rest.size:
            part = rest[: BUFFER - self._filled]
            self._free[0][self._filled : self._filled + part.size] = part
            self._filled += part.size
            rest = rest[part.size :]
            if self._filled == BUFFER:
                self._pass_on()

    def finish(self) -> str:
        """Write what is left and return the SHA-256 (hex) of all bytes."""
        while self._busy:
            self._wait()
        rest = self._free[0][: self._filled]
        self._digest.update(rest.data)
        self._write(rest, self._written)
        if self._direct:
            _past_the_cache(self._descriptor, False)
        return self._digest.hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def _pass_on(self) -> None:
        buffer, place = self._free.popleft(), self._written
        self._filled, self._written = 0, place + BUFFER
        hashed = self._hasher.submit(self._digest.update, buffer.data)
        self._busy.append((buffer, hashed, self._writer.submit(self._write, buffer, place)))
        if not self._free:
            self._wait()

    def _wait(self) -> None:
        buffer, *both = self._busy.popleft()
        for each in both:
            each.result()
        self._free.append(buffer)

    def _write(self, data: Bytes, place: int) -> None:
        """Write some bytes; the last ones of a file, which fill no block, go through the cache."""
        whole = data.size - data.size % ALIGNED if self._direct else 0
        if whole:
            try:
                _write_all(self._descriptor, data[:whole], place)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                whole = 0  # this disk wants other blocks
        if whole < data.size:
            if self._direct:
                self._direct = not _past_the_cache(self._descriptor, False)
            _write_all(self._descriptor, data[whole:], place + whole)
            self._drain(data.size - whole)

    def _drain(self, size: int) -> None:
        """Let the disk begin with what is written, and give up the memory that holds it."""
        self._waiting += size
        if self._waiting >= DRAINED and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            self._waiting = 0


def _aligned(size: int) -> Bytes:
    room = np.empty(size + ALIGNED, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNED
    return room[start : start + size]


def _write_all(descriptor: int, data: Bytes, place: int) -> None:
    done = 0
    while done < data.size:
        done += os.pwrite(descriptor, data[done:].data, place + done)


def _past_the_cache(descriptor: int, wanted: bool) -> bool:
    """Have a file written past the page cache, or not; tell whether it now is as wanted."""
    if not DIRECT:
        return not wanted
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | DIRECT if wanted else flags & ~DIRECT)
    except OSError:  # a file system that always goes through memory
        return not wanted
    return True
