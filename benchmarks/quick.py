"""All benchmarks in their quick form, one after another: less than a quarter of an hour on two cores.

    python -m benchmarks.quick [--only merge_speed …] [--folder build/bench] [--list]

Results go into the folder and leave `benchmarks/results/` alone; what needs peers makes an environment for them there,
from the package index. One line per benchmark, then the whole time; the exit code is 1 when one of them failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT, PEERS, POOLS = "{folder}/{name}.json", "{folder}/peers", "{folder}/pools"
MINUTES = 15  # what all of them together are made for, on two cores that nothing else uses
# name: the arguments of each call, in order
QUICK: dict[str, tuple[tuple[str, ...], ...]] = {
    "trial_cost": (("benchmarks.trial_cost", "--trials", "10", "--out", OUT),),
    "surrogate_slice": (("benchmarks.surrogate_slice", "--points", "21", "--out", OUT),),
    "surrogate_speed": (("benchmarks.surrogate_speed", "--repeats", "1", "--out", OUT),),
    "scaling": (("benchmarks.scaling", "--quick", "--out", OUT),),
    "explorer_latency": (("benchmarks.explorer_latency", "--steps", "20", "--out", OUT),),
    "first_front": (("benchmarks.first_front", "--rounds", "1", "--out", OUT),),
    "front_quality": (
        ("benchmarks.front_quality", "--make", "--only", "two-a", "--cache", POOLS),
        ("benchmarks.front_quality", "--quick", "--only", "two-a", "--cache", POOLS, "--out", OUT),
    ),
    "merge_speed": (
        tuple("benchmarks.merge_speed memory mergekit --size tiny --repetitions 2 --environment".split())
        + (PEERS, "--out", OUT),
    ),
    "against_peers": (("benchmarks.against_peers", "--environment", PEERS, "--out", OUT),),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(QUICK), default=list(QUICK))
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    whole, failed = time.monotonic(), []
    for name in chosen.only:
        begun = time.monotonic()
        for words in QUICK[name]:
            command = ["-m", *(word.format(folder=folder, name=name) for word in words)]
            if chosen.list:
                print("python", *command)
            elif not succeeds(command, folder / f"{name}.log"):
                failed.append(name)
                break
        if not chosen.list:
            end = f"FAILED, see {folder / f'{name}.log'}" if name in failed else f"{folder / f'{name}.json'}"
            print(f"{name:18}{time.monotonic() - begun:7.0f} s   {end}", flush=True)
    if not chosen.list:
        took = time.monotonic() - whole
        print(f"{'all':18}{took:7.0f} s   {len(failed)} failed; made for {60 * MINUTES} s")
    return int(bool(failed))


def succeeds(command: Sequence[str], log: Path) -> bool:
    """Run one command with this Python, its output in the log."""
    with log.open("a", encoding="utf-8") as file:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=file, stderr=file, env=environment)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
