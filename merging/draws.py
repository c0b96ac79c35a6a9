"""Random masks that depend on the seed, the expert, the tensor and the place in it, and on nothing else.

A counter-based generator (Philox 4x64) is keyed by SHA-256 of seed, expert and tensor name: the same mask
whatever the order, the sharding or the number of threads, and no global state.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

CHUNK = 1 << 16
WORDS = 4  # of 64 bits that one step of the counter gives


def uniform(seed: int, expert: str, tensor: str, count: int, start: int = 0) -> Tensor:
    """Return `count` numbers in [0, 1) from place `start` on, float32: the first 24 bits of each raw 64-bit word."""
    key = hashlib.sha256(f"{seed}\0{expert}\0{tensor}".encode()).digest()
    stream = np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8"))
    stream.advance(start // WORDS)
    stream.random_raw(start % WORDS, output=False)
    found = np.empty(count, dtype=np.float32)
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        words = stream.random_raw(stop - first)
        np.right_shift(words, np.uint64(40), out=words)
        np.multiply(words.astype(np.uint32), np.float32(2.0**-24), out=found[first:stop], dtype=np.float32)
    return torch.from_numpy(found)


def rows(seed: int, experts: tuple[str, ...], tensor: str, like: Tensor, start: int = 0) -> Tensor:
    """Return one number in [0, 1) for every entry of (T, *rows), rows from place `start` of the tensor on."""
    drawn = [uniform(seed, expert, tensor, like[0].numel(), start) for expert in experts]
    return torch.stack(drawn).view(like.shape).to(like.device)
