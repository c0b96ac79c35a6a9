"""Time and memory of methods that learn from samples, for experts as large as ViT-B/32 (open_clip, random weights).

    python -m benchmarks.learned_cost --folder FOLDER [--only METHOD,…] [--experts N]      measures, each in a process
    python -m benchmarks.learned_cost --table                                            prints what was measured
    python -m benchmarks.learned_cost --sentences                                        and as the docstrings say it

A method is prepared with few calibration samples a task and with twice as many; what a line through both gives for the
default of 64 is said as such. Trained methods take so many steps instead, without looks at validation samples (a look
costs a forward pass over them). Experts are the base moved by noise, so what is learned means nothing, but costs the
same. An exception is Fisher merging, whose cost grows with the classes that an expert holds likely: heads of random
text features leave all 10 likely, a sure expert has one to three.
"""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUT = Path("benchmarks/results/learned_cost.json")
DEFAULT = 64  # calibration samples a task
ROOM = 72  # samples that each task's folder holds
# Settings by method and what is varied: "samples" a task, or "steps" at 16 samples a task.
CASES: dict[str, tuple[str, tuple[int, int], dict[str, Any]]] = {
    "react": ("samples", (8, 64), {}),
    "regmean": ("samples", (4, 64), {}),
    "regmean_pp": ("samples", (2, 8), {}),
    "lot": ("samples", (4, 64), {}),
    "featcal": ("samples", (2, 8), {}),
    "pleas": ("samples", (2, 8), {}),
    "anchored": ("samples", (4, 64), {"on": "task_arithmetic"}),
    "fisher": ("samples", (1, 2), {}),
    "adamerging": ("steps", (1, 3), {"look": 0}),
    "concrete": ("steps", (1, 3), {"look": 0}),
    "expert_merging": ("steps", (1, 3), {"look": 0}),
    "expert_merging_pp": ("steps", (1, 3), {"look": 0}),
    "atlas": ("steps", (1, 3), {"look": 0}),
    "fw_merging": ("steps", (1, 3), {}),
}
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the models of this benchmark are made (4 GB)")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--sentences", action="store_true")
    given = parser.parse_args()
    if given.table or given.sentences:
        result = json.loads(given.out.read_text(encoding="utf-8"))
        print(table(result) if given.table else "\n".join(f"{one.name}: {one.sentence}" for one in costs(result)))
        return
    if given.folder is None:
        parser.error("--folder is needed to measure.")
    if given.one is not None:
        print(json.dumps(measured(given.folder, given.only, given.one, given.threads)))
        return
    from benchmarks.trial.vit import make_study

    make_study(given.folder, given.experts, given.experts, ROOM)
    for name in given.only.split(","):
        for number in CASES[name][1]:
            _kept(given, name, number)


def _kept(given: argparse.Namespace, name: str, number: int) -> None:
    """Measure one case in a process of its own, unless it is known, and write it down."""
    from benchmarks.peers.machine import machine

    known = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {"rows": []}
    if any((row["method"], row["number"], row["experts"]) == (name, number, given.experts) for row in known["rows"]):
        return
    words = [sys.executable, "-m", "benchmarks.learned_cost", "--folder", str(given.folder), "--only", name]
    words += ["--one", str(number), "--threads", str(given.threads)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} with {number}: {done.stderr.strip()}")
    row = json.loads(done.stdout.splitlines()[-1])
    facts = machine()
    known.setdefault("machine", facts)
    known["rows"].append({**row, "experts": given.experts, "threads": given.threads, "commit": facts["commit"]})
    given.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(name, number, f"{row['seconds']:.1f} s, {row['anonymous_mb']:.0f} MB", flush=True)


def measured(folder: Path, name: str, number: int, threads: int) -> dict[str, Any]:
    """Prepare a method once; seconds, and the most memory in MB: of the process, and without mapped files."""
    import torch

    torch.set_num_threads(threads)
    from study.measuring.measure import Measurer
    from study.settings import MethodChoice, Samples
    from study.study import Study, open_study

    what, _, settings = CASES[name]
    whole = open_study(folder)
    counts = Samples(calibration=number if what == "samples" else BATCH, validation=4, test=4)
    tasks = tuple(task.model_copy(update={"samples": counts}) for task in whole.tasks)
    made = Study(whole.folder, whole.settings.model_copy(update={"tasks": tasks}))
    choice = MethodChoice(name=name, settings=settings if what == "samples" else {**settings, "steps": number})
    with Measurer(made, "cpu") as measurer, Watched() as watched:
        begun, worked = time.perf_counter(), time.process_time()
        directions = measurer.directions(choice)
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    if directions.path is not None:
        directions.path.unlink()
        directions.path.with_suffix(".json").unlink()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"method": name, "what": what, "number": number, "seconds": seconds, "settings": choice.settings}
    return row | {
        "cpu_seconds": worked,
        "anonymous_mb": watched.most,
        "resident_mb": most,
        "parameters": directions.layout.parameters,
    }


class Watched:
    """The most anonymous memory that the process held in the meantime, in MB."""

    def __init__(self) -> None:
        self.most = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            text = Path("/proc/self/status").read_text(encoding="utf-8")
            line = next(line for line in text.splitlines() if line.startswith("RssAnon"))
            self.most = max(self.most, int(line.split()[1]) / 1024)


def fitted(rows: list[dict[str, Any]], at: int) -> float:
    """CPU seconds at `at` on the line through two measurements.

    >>> fitted([{"number": 4, "cpu_seconds": 10.0}, {"number": 8, "cpu_seconds": 14.0}], 64)
    70.0
    """
    first, second = sorted(rows, key=lambda row: int(row["number"]))
    slope = (second["cpu_seconds"] - first["cpu_seconds"]) / (second["number"] - first["number"])
    return float(first["cpu_seconds"] + slope * (at - first["number"]))


@dataclass(frozen=True)
class Cost:
    """What two measurements of a method say: CPU seconds at its default, and the most memory in GB."""

    name: str
    rows: list[dict[str, Any]]

    @property
    def unit(self) -> str:
        return "samples a task" if CASES[self.name][0] == "samples" else f"steps of {BATCH} samples a task"

    @property
    def default(self) -> int:
        """The number of samples or steps that the method takes by itself."""
        from merging import method

        return DEFAULT if CASES[self.name][0] == "samples" else int(method(self.name).settings["steps"])

    @property
    def minutes(self) -> float:
        return fitted(self.rows, self.default) / 60.0

    @property
    def memory(self) -> float:
        return float(max(row["anonymous_mb"] for row in self.rows) / 1024)

    @property
    def numbers(self) -> str:
        return " and ".join(str(row["number"]) for row in self.rows)

    @property
    def sentence(self) -> str:
        """What the method's docstring says of it, in one line."""
        experts, threads = self.rows[0]["experts"], self.rows[0]["threads"]
        minutes = f"{self.minutes:.{1 if self.minutes < 10.0 else 0}f} minutes"
        took = minutes if self.minutes < 90.0 else f"{self.minutes / 60.0:.1f} hours"
        return (
            f"Measured for ViT-B/32, {experts} experts, {threads} thread{'s' * (threads > 1)}: {took} of one core for "
            f"{self.default} {self.unit} (on the line through {self.numbers}), {self.memory:.1f} GB with the model."
        )


def costs(result: dict[str, Any]) -> list[Cost]:
    """Of every method that was measured at both numbers."""
    found = []
    for name in CASES:
        rows = sorted((row for row in result["rows"] if row["method"] == name), key=lambda row: int(row["number"]))
        if len(rows) == 2:
            found.append(Cost(name, rows))
    return found


def table(result: dict[str, Any]) -> str:
    """What was measured, and what follows from it for the defaults, as Markdown."""
    lines = ["| method | measured | seconds of one core | memory, GB | at the default | minutes |"]
    lines.append("|---|---|---|---|---|---|")
    for cost in costs(result):
        times = " and ".join(f"{row['cpu_seconds']:.0f}" for row in cost.rows)
        cells = [f"{cost.numbers} {cost.unit}", times, f"{cost.memory:.1f}", str(cost.default), f"{cost.minutes:.1f}"]
        lines.append(f"| `{cost.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
