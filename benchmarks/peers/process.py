"""Running a command as a child process: its wall time, processor time and peak memory."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

KIBIBYTE = 1024


@dataclass(frozen=True)
class Cost:
    """What a child process took: seconds, and bytes.

    `resident` is the largest resident set (pages of mapped files are in it) as the kernel keeps it for the program;
    `own` the largest memory that belongs to the process alone. Both are read every 20 ms where /proc has them; the
    maximum that `wait4` tells counts the memory of the process that started the program, too.
    """

    wall: float
    processor: float
    resident: int
    own: int

    def row(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


def cost(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end, its words in `log`.

    Raises:
        RuntimeError: the command failed.
    """
    with log.open("w") as file:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **environment})
        own, resident, used, status = 0, 0, None, 0
        while used is None:
            time.sleep(0.02)
            own, resident = max(own, _bytes(child.pid, "RssAnon")), max(resident, _bytes(child.pid, "VmHWM"))
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            used = usage if done else None
        wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, resident or used.ru_maxrss * KIBIBYTE, own)


def _bytes(process: int, name: str) -> int:
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:")]
    return int(found[0]) * KIBIBYTE if found else 0
