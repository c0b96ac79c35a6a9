"""All benchmarks in their quick form, one after another, for two cores and less than a quarter of an hour.

    python -m benchmarks.quick [--only merge_speed …] [--folder build/bench] [--environment FOLDER] [--list]

Results go into the folder and leave `benchmarks/results/` alone. Peers get an environment of their own, from the
package index, made first (or the one named with --environment, where it stands already); without the network what needs
them is skipped, and said so. One line per benchmark, then the whole time; all of it also in `quick.json`. The exit code
is 1 when one of them failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.machine import machine

ROOT = Path(__file__).resolve().parent.parent
OUT, PEERS, SCRATCH = "{folder}/{name}.json", "{peers}", "{folder}/scratch"
MINUTES = 15  # what all of them together are made for, on two cores that nothing else uses
Calls = tuple[tuple[str, ...], ...]
WITH_PEERS = ("--environment", PEERS)
COARSE = ("--coarse", "--only", "two-a", "--cache", SCRATCH)
# name: the arguments of each call, in order; {peers} in one of them: it needs the peers' environment
QUICK: dict[str, Calls] = {
    "trial_cost": (
        ("benchmarks.trial_cost", "--trials", "10", "--out", OUT),
        tuple("benchmarks.trial_cost --part reload --samples 12 --repetitions 1 --folder".split())
        + (SCRATCH, "--out", OUT),
    ),
    "surrogate_slice": (("benchmarks.surrogate_slice", "--points", "21", "--out", OUT),),
    "surrogate_speed": (("benchmarks.surrogate_speed", "--repeats", "1", "--out", OUT),),
    "scaling": (("benchmarks.scaling", "--quick", "--out", OUT),),
    "explorer_latency": (("benchmarks.explorer_latency", "--steps", "20", "--out", OUT),),
    "first_front": (("benchmarks.first_front", "--rounds", "1", "--out", OUT),),
    "front_quality": (
        ("benchmarks.front_quality", "--make", *COARSE),
        ("benchmarks.front_quality", "--quick", *COARSE, *WITH_PEERS, "--out", OUT),
    ),
    "merge_speed": (
        tuple("benchmarks.merge_speed memory mergekit --size small --repetitions 1 --methods linear ties".split())
        + (*WITH_PEERS, "--scratch", SCRATCH, "--out", OUT),
    ),
    "merge_others": (
        ("benchmarks.merge_others", "--repetitions", "1", *WITH_PEERS, "--scratch", SCRATCH, "--out", OUT),
    ),
    "against_peers": (("benchmarks.against_peers", *WITH_PEERS, "--out", OUT),),
}
INSTALL = "from pathlib import Path; from benchmarks.peers.environment import environment; environment(Path({peers!r}))"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(QUICK), default=list(QUICK))
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--environment", type=Path, help="the peers' environment; in the folder when left out")
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder.resolve()
    places = {"folder": str(folder), "peers": str((chosen.environment or folder / "peers").resolve())}
    if chosen.list:
        for name in chosen.only:
            for words in QUICK[name]:
                print("python -m", *(word.format(**places, name=name) for word in words))
        return 0
    return run(chosen.only, folder, places)


def run(names: Sequence[str], folder: Path, places: dict[str, str]) -> int:
    """Run these; write and print what each took; the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    begun = time.monotonic()
    peers = True
    if any(needs_peers(words) for name in names for words in QUICK[name]):
        peers = succeeds(["-c", INSTALL.format(**places)], folder / "peers.log")
        end = places["peers"] if peers else f"not to be had, see {folder / 'peers.log'}"
        rows.append({"name": "peers", "seconds": time.monotonic() - begun, "end": "done" if peers else "absent"})
        print(f"{'peers':18}{rows[-1]['seconds']:7.0f} s   {end}", flush=True)
    for name in names:
        rows.append(one(name, folder, places, peers))
        said = {"done": folder / f"{name}.json", "failed": f"FAILED, see {folder / f'{name}.log'}"}
        end = str(said.get(rows[-1]["end"], rows[-1]["end"]))
        print(f"{name:18}{rows[-1]['seconds']:7.0f} s   {end}", flush=True)
        shutil.rmtree(folder / "scratch", ignore_errors=True)
    took, failed = time.monotonic() - begun, sum(row["end"] == "failed" for row in rows)
    result = {"seconds": took, "minutes_made_for": MINUTES, "rows": rows, "machine": machine()}
    (folder / "quick.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'all':18}{took:7.0f} s   {failed} failed; made for {60 * MINUTES} s")
    return int(bool(failed))


def one(name: str, folder: Path, places: dict[str, str], peers: bool) -> dict[str, Any]:
    """Run one benchmark; its time, and how it ended. Front quality goes on without Optuna where there are no peers."""
    begun, end = time.monotonic(), "done"
    for words in QUICK[name]:
        if needs_peers(words) and not peers:
            if name != "front_quality":
                end = "skipped: its peers could not be installed"
                break
            words, end = tuple(word for word in words if word not in WITH_PEERS), "done, without Optuna's samplers"
        command = ["-m", *(word.format(**places, name=name) for word in words)]
        if not succeeds(command, folder / f"{name}.log"):
            end = "failed"
            break
    return {"name": name, "seconds": time.monotonic() - begun, "end": end}


def needs_peers(words: Sequence[str]) -> bool:
    """Whether a call uses the peers' environment."""
    return PEERS in words


def succeeds(command: Sequence[str], log: Path) -> bool:
    """Run one command with this Python, its output in the log."""
    with log.open("a", encoding="utf-8") as file:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=file, stderr=file, env=environment)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
