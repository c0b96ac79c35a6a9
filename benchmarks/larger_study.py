"""The order of methods on a larger model: an open_clip image tower and an expert per task, trained here, 64 x 64.

    python -m benchmarks.larger.pictures --out .larger/pictures.npz            (once; no GPU)
    python -m benchmarks.larger_study --device cuda --out FILE.json [--budget-seconds N] [--seeds 0,1,2,3,4]
    python -m benchmarks.larger_study --size medium --folder FOLDER --processes 2 --out FILE.json      (on a CPU)

Sizes: large, 14 million parameters and seven experts, for a GPU; medium, 5 million and four, for CPUs; tiny only shows
that it works. Trains a base, an expert per task and a joint model (benchmarks/larger/training.py), then measures the
methods of benchmarks/learning_methods.py as benchmarks/learning_order.py does: per seed, which draws the samples of
every split and the random coefficients (benchmarks/larger/measuring.py). Every row is written when it is made; when the
budget is spent, what is running stops and the file has what there is. With --folder the models stay, and a run goes on
where another stopped; models trained anew go on with a file if they are the same to the last digit (training.json).
Exits with 1 when a method failed; "failures" in the file says how.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.larger.measuring import Measuring, jobs, samples
from benchmarks.larger.models import trained

PICTURES = Path(".larger/pictures.npz")
OUT = Path("benchmarks/results/larger_study.json")
SHARED = Path("/dev/shm")  # noqa: S108 - directions of half a gigabyte each are written and read once
ROOM = 24e9  # bytes


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="large", choices=("large", "medium", "tiny"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--folder", type=Path, help="where the models stay; default: a temporary folder")
    parser.add_argument("--pictures", type=Path, default=PICTURES)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--only", default="", help="methods of the table, with commas; default: all")
    parser.add_argument("--calibration", type=int, help="samples a task to learn from; default: the size's")
    parser.add_argument("--budget-seconds", type=float, default=3600.0)
    parser.add_argument("--processes", type=int, help="default: one a seed on a GPU, else one")
    given = parser.parse_args(words)
    deadline = time.time() + given.budget_seconds
    # Before CUDA begins: the same products in the same order on every run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    seeds = [int(one) for one in given.seeds.split(",")]
    processes = given.processes or (len(seeds) if given.device == "cuda" else 1)
    with _place(given.folder) as folder:
        result = Result(given.out, goes_on=given.folder is not None)
        only = given.only.split(",") if given.only else []
        with Measuring(folder, given, jobs(seeds, only, result.have()), deadline).processes(processes) as group:
            result.made_with({"samples": samples(vars(given)), **trained(folder, given, processes)})
            group.go(result.put)
    print(f"{given.out}: {len(result.known['rows'])} rows, {len(result.known['failures'])} failures")
    return 1 if result.known["failures"] else 0


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one for this run alone, in memory where there is plenty of it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    roomy = SHARED.is_dir() and shutil.disk_usage(SHARED).free > ROOM
    with tempfile.TemporaryDirectory(dir=SHARED if roomy else None) as name:
        yield Path(name)


class Result:
    """The JSON file, written whenever something comes."""

    def __init__(self, path: Path, goes_on: bool) -> None:
        self.path, self._commit = path, ""
        self.known: dict[str, Any] = {"references": {}, "rows": [], "failures": []}
        if goes_on and path.exists():
            self.known = json.loads(path.read_text(encoding="utf-8")) | {"failures": []}

    def have(self) -> set[tuple[int, str]]:
        """The seeds and methods that are measured."""
        return {(row["seed"], row["method"]) for row in self.known["rows"]}

    def made_with(self, facts: dict[str, Any]) -> None:
        """Note machine, models and samples; rows of others than these are not gone on with."""
        self._commit = facts["machine"]["commit"]
        if self.known["rows"]:
            if any(_timeless(self.known[key]) != _timeless(facts[key]) for key in ("training", "samples")):
                raise SystemExit(f"{self.path} has rows of other models or numbers of samples: name another --out.")
            self.known.setdefault("later", {})[self._commit] = facts["machine"]
        else:
            self.known |= facts
        self.write()

    def put(self, what: tuple[str, int, Any]) -> None:
        kind, seed, value = what
        if kind == "lines":
            self.known["references"].setdefault(str(seed), {}).update(value)
        elif kind == "row":
            self.known["rows"].append({**value, "commit": self._commit})
            print(seed, value["method"], *(round(value[key], 3) for key in ("published", "scaled", "seconds")))
        else:
            self.known["failures"].append({"seed": seed, "what": value})
            print(seed, "FAILED", value, file=sys.stderr)
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(self.known, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.path)
        sys.stdout.flush()


def _timeless(facts: Any) -> Any:
    """Facts without how long it took: models that are trained anew are the same if all else is, to the last digit."""
    if not isinstance(facts, dict):
        return facts
    return {key: _timeless(value) for key, value in facts.items() if key != "seconds"}


if __name__ == "__main__":
    sys.exit(main())
