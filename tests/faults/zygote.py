"""A process that has the whole worker in memory and forks one real `python -m study …` per order.

Started as `python -m tests.faults.zygote FOLDER`: it runs the study in FOLDER once, undisturbed (everything is loaded
then, and the folder is what disturbed ones are compared with), and then reads orders from stdin, one JSON object a
line. Each answer is one line of JSON too.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

TRIALS = 10
IO = ("posix", "_io", "io", "fcntl", "sqlite3", "_sqlite3")


class Fault:
    """What goes wrong in one worker, and when: at the nth call into the kernel or the database, or at the nth merge."""

    def __init__(self, kind: str, at: int, always: bool, note: Path) -> None:
        self.kind = kind
        self.at = at
        self.always = always
        self.note = note
        self.seen = 0

    def arm(self) -> None:
        """From here on every call of that kind is counted."""
        if self.kind in ("kill", "count"):
            sys.setprofile(self._profile)
            return
        from study.measuring.measure import Measurer

        whole = Measurer.merge

        def merge(measurer: Any, *values: Any, **more: Any) -> None:
            whole(measurer, *values, **more)
            self._count(measurer)

        setattr(Measurer, "merge", merge)  # noqa: B010 - this process ends with this worker

    def _profile(self, frame: FrameType, event: str, function: Any) -> None:
        if event in ("c_call", "c_return") and _does_io(function):
            self._count()

    def _count(self, measurer: Any = None) -> None:
        self.seen += 1
        if self.seen == self.at or (self.always and self.seen > self.at):
            self._strike(measurer)

    def _strike(self, measurer: Any) -> None:
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "raise":
            raise ZeroDivisionError("a fault in a method")
        elif self.kind == "memory":
            import torch

            torch.empty(1 << 46)  # 256 TiB: the allocator itself says no
        elif self.kind == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.note.touch()
            while True:
                time.sleep(60)
        elif self.kind == "nan":
            measurer.buffer.fill_(float("nan"))


def _does_io(function: Any) -> bool:
    owner = getattr(function, "__module__", None) or type(getattr(function, "__self__", None)).__module__
    return owner in IO


def serve(folder: Path) -> None:
    """Warm up, then one fork per order."""
    from study.run import run
    from study.study import open_study

    run(open_study(folder), TRIALS, device="cpu")
    _say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        _say(_wait(order["wait"], order["seconds"]) if "wait" in order else {"pid": _fork(order)})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _wait(pid: int, seconds: float) -> dict[str, Any]:
    """How a worker ended: {"code"} or {"signal"}; {} if it still works after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if os.WIFSIGNALED(status):
                return {"signal": os.WTERMSIG(status)}
            return {"code": os.WEXITSTATUS(status)}
        if time.monotonic() > deadline:
            return {}
        time.sleep(0.002)


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        code = _work(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(order: dict[str, Any]) -> int:
    from study.commands.terminal import main

    log = Path(order["log"])
    for number, name in ((1, log.with_suffix(".out")), (2, log)):
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, number)
        os.close(handle)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, value in order.get("limits", {}).items():
        kind = getattr(resource, f"RLIMIT_{name}")
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
    wanted = order.get("fault")
    fault = Fault(**wanted, note=log.with_suffix(".hangs")) if wanted else None
    sys.argv = ["study", *order["words"]]
    code = 0
    try:
        if fault:
            fault.arm()
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.setprofile(None)
    if fault and fault.kind == "count":
        log.with_suffix(".events").write_text(str(fault.seen))
    return code


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
