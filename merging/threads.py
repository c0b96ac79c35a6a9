"""Work in threads of which each runs its torch operations alone: the bits are the same with any number of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch operations on one thread each: sums and factorisations then have the same bits anywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give `threads` threads whose torch operations run on one thread each."""
    with (
        one_thread(),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as executor,
    ):
        yield executor
