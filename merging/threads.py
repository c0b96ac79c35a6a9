"""Work in threads of which each runs its torch operations alone: the bits are the same with any number of them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


_outside: list[int] = []  # how many threads there were when `one_thread` was entered


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch operations on one thread each: sums and factorisations then have the same bits anywhere."""
    threads = torch.get_num_threads()
    _outside.append(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _outside.pop()
        torch.set_num_threads(threads)


def allowed() -> int:
    """How many threads there are for a `pool`, inside `one_thread` too."""
    return max((torch.get_num_threads(), *_outside))


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give `threads` threads whose torch operations run on one thread each."""
    own = torch.get_num_threads()
    executor = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(own)  # the threads' setting is also what torch gives to later ones


def in_order(
    executor: ThreadPoolExecutor, ahead: int, work: Callable[[Item], Made], items: Iterable[Item]
) -> Iterator[Made]:
    """Give what `work` makes of each item, in their order, with at most `ahead` of them in work or waiting."""
    waiting = iter(items)
    running: deque[Future[Made]] = deque(executor.submit(work, item) for item in islice(waiting, ahead))
    while running:
        yield running.popleft().result()
        running.extend(executor.submit(work, item) for item in islice(waiting, 1))
