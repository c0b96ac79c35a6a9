"""`make fuzz`: hostile input for every parser. `python -m tests.fuzz [--cases N] [--seed N] [TARGET …]`.

Each target runs in a process of its own that may take one GB more memory than it had at its start. Input that was taken
wrongly is written into tests/fuzz/corpus/ and stays there as a test.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.cases import CORPUS, hostile, judge
from tests.fuzz.targets import TARGETS, Target

MORE = 1 << 30  # bytes of memory that a target may take


def one(target: Target, cases: int, number: int) -> int:
    """Fuzz one target; the number of wrongly taken inputs. Prints how many were tried."""
    sizes = Path("/proc/self/statm").read_text().split()
    limit = int(sizes[0]) * os.sysconf("SC_PAGE_SIZE") + MORE
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    wrong: dict[str, bytes] = {}
    tried = 0

    @seed(number)
    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=hostile(target))
    def case(data: bytes) -> None:
        nonlocal tried
        tried += 1
        problem = judge(target, data)
        if problem and (problem not in wrong or len(data) < len(wrong[problem])):
            wrong[problem] = data

    begun = time.monotonic()
    case()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    took = time.monotonic() - begun
    sys.stdout.write(f"{target.name:12} {tried:6} tried, {len(wrong)} taken wrongly, {took:.0f} s, {peak:.2f} GB\n")
    for problem, data in wrong.items():
        sys.stdout.write(f"  WRONG: {problem}\n")
        folder = CORPUS / target.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    return len(wrong)


def main() -> int:
    """Exit code 0 when every case ended in acceptance or in one clear line."""
    words = argparse.ArgumentParser()
    words.add_argument("--cases", type=int, default=900, help="per target")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--alone", action="store_true", help="fuzz in this process")
    words.add_argument("targets", nargs="*")
    asked = words.parse_args()
    chosen = [target for target in TARGETS if not asked.targets or target.name in asked.targets]
    if asked.alone:
        return 1 if sum([one(target, asked.cases, asked.seed) for target in chosen]) else 0
    bad = []
    for target in chosen:
        command = [sys.executable, "-m", "tests.fuzz", "--alone", target.name]
        if subprocess.run([*command, "--cases", str(asked.cases), "--seed", str(asked.seed)]).returncode:
            bad.append(target.name)
    sys.stdout.write(f"{asked.cases * len(chosen)} cases tried on {len(chosen)} targets; wrong: {bad or 'none'}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
