"""Fits in a process of their own, beside the one that draws pages: no visitor waits for another one's fit.

Until `begin` is called everything is computed here, as commands and tests want it. The process keeps what it fitted
(`study.front`), answers one question after the other, and ends when the one that asks ends, however that ends.
"""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

from study.background import waiting
from study.checkout import ROOT, surroundings
from study.errors import Failure
from study.study import Study, open_study

P = ParamSpec("P")
T = TypeVar("T")
GONE = (EOFError, OSError)
# Imported while nobody asks, so that the first question waits for none.
WANTED = ("study.choosing.flips", "study.predict", "study.choosing.trust", "scipy.stats")


class _Beside:
    """The process and the line to it."""

    def __init__(self) -> None:
        line, theirs = Pipe()
        with theirs:
            self.line = line
            self.process = subprocess.Popen(
                [sys.executable, "-m", "study.background.fits", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the one that asks
                env=surroundings(),
            )
        waiting.give_way(self.process.pid)

    def close(self) -> None:
        """It ends as soon as it hears that nobody asks any more."""
        self.line.close()
        self.process.wait()


_lock = threading.Lock()
_wanted = threading.Event()
_beside: list[_Beside] = []


def begin() -> None:
    """From now on fits are made beside; the process imports what it needs while nobody asks."""
    _wanted.set()
    with _lock, suppress(OSError):  # no process to be had now: the first question tries again
        if not _beside:
            _beside.append(_Beside())


def end() -> None:
    """Let the process go; later questions are answered here."""
    _wanted.clear()
    with _lock:
        while _beside:
            _beside.pop().close()


def beside(work: Callable[Concatenate[Study, P], T], study: Study, *args: P.args, **kwargs: P.kwargs) -> T:
    """``work(study, …)``, a function of a module, computed by the process beside; its error is raised here.

    Raises:
        Failure: the process ended twice while it worked on this (memory, mostly).
    """
    if not _wanted.is_set():
        return work(study, *args, **kwargs)
    order = pickle.dumps((work, study.folder, args, kwargs))
    with _lock:
        for _ in range(2):
            with suppress(*GONE):
                done, answer = _asked(order)
                break
            while _beside:
                _beside.pop().close()
        else:
            raise Failure(
                "The process that makes predictions was ended.", "Close other programs if memory is short; try again."
            )
    if not done:
        raise answer
    found: T = answer
    return found


def _asked(order: bytes) -> tuple[bool, Any]:
    if not _beside:
        _beside.append(_Beside())
    _beside[0].line.send_bytes(order)
    answer: tuple[bool, Any] = _beside[0].line.recv()
    return answer


def main() -> None:
    """Answer until nobody asks any more."""
    line = Connection(int(sys.argv[1]))
    for name in WANTED:
        with suppress(Exception):  # a question that needs it meets the same error and passes it on
            importlib.import_module(name)
    with suppress(*GONE):
        while True:
            line.send_bytes(_answer(line.recv_bytes()))


def _answer(order: bytes) -> bytes:
    work, folder, args, kwargs = pickle.loads(order)
    try:
        return pickle.dumps((True, work(open_study(folder), *args, **kwargs)))
    except Exception as error:
        try:
            return pickle.dumps((False, error))
        except Exception:  # an error that holds what cannot be sent
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


if __name__ == "__main__":
    main()
