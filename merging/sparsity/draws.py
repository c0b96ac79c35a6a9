"""Random masks that depend on the seed, the expert, the tensor and the place in it, and on nothing else.

A counter-based generator (Philox 4x64) is keyed by SHA-256 of seed, expert and tensor name: the same mask
whatever the order, the sharding or the number of threads, and no global state.
"""

import hashlib
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

CHUNK = 1 << 16
BITS = 24  # of a word that make a number
LEFT_OUT = 64 - BITS
WORDS = 4  # of 64 bits that one step of the counter gives


def uniform(seed: int, expert: str, tensor: str, count: int, start: int = 0) -> Tensor:
    """Return `count` numbers in [0, 1) from place `start` on, float32: the first 24 bits of each raw 64-bit word."""
    found = np.empty(count, dtype=np.float32)
    for place, words in _words(seed, expert, tensor, count, start):
        np.right_shift(words, np.uint64(LEFT_OUT), out=words)
        np.multiply(words.astype(np.uint32), np.float32(2.0**-BITS), out=found[place], dtype=np.float32)
    return torch.from_numpy(found)


def at_least(low: float, seed: int, expert: str, tensor: str, count: int, start: int = 0) -> npt.NDArray[np.bool_]:
    """Return `uniform(…) >= low` for a float32 `low`, several times faster: the raw words are compared."""
    first = math.ceil(float(np.float32(low)) * 2.0**BITS)
    found = np.full(count, first <= 0)
    if 0 < first < 1 << BITS:
        for place, words in _words(seed, expert, tensor, count, start):
            np.greater_equal(words, np.uint64(first << LEFT_OUT), out=found[place])
    return found


def _words(
    seed: int, expert: str, tensor: str, count: int, start: int
) -> Iterator[tuple[slice, npt.NDArray[np.uint64]]]:
    """Go through the raw words of `count` places from `start` on, with where they belong."""
    key = hashlib.sha256(f"{seed}\0{expert}\0{tensor}".encode()).digest()
    stream = np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8"))
    stream.advance(start // WORDS)
    stream.random_raw(start % WORDS, output=False)
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        yield slice(first, stop), stream.random_raw(stop - first)


def rows(seed: int, experts: tuple[str, ...], tensor: str, like: Tensor, start: int = 0) -> Tensor:
    """Return one number in [0, 1) for every entry of (T, *rows), rows from place `start` of the tensor on."""
    drawn = [uniform(seed, expert, tensor, like[0].numel(), start) for expert in experts]
    return torch.stack(drawn).view(like.shape).to(like.device)
