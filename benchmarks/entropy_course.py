"""Why training for low entropy gains little on the demo: what happens step by step, on classes the base knew and not.

    python -m benchmarks.entropy_course [--seeds 0,1,2] [--only COURSE]

Each course is trained for 0, 20 and 60 steps without looks at validation samples, so that nothing stops it; then
the merge at coefficients 1 is measured on the test samples of `benchmarks.learning_order`: accuracy, mean entropy of
the answers (nats), and the share of answers that are wrong and have more than 90 % of the probability. The demo's base
never saw every fourth class (demo/training.py), which is counted apart.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning_methods import TASKS
from benchmarks.learning_order import prepared

OUT = Path("benchmarks/results/entropy_course.json")
STEPS = (0, 20, 60)
SURE = 0.9
COURSES: dict[str, tuple[str, dict[str, Any]]] = {
    "entropy, by layer": ("adamerging", {"rate": 1e-2}),
    "entropy, by task": ("adamerging", {"rate": 1e-2, "by": "task"}),
    "entropy, one mask": ("concrete", {"rate": 1e-2}),
    "experts' answers, by layer": ("expert_merging", {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", help="one course")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    for seed in (int(one) for one in given.seeds.split(",")):
        for course in COURSES:
            if given.only in (None, course):
                measure(course, seed, given.out)


def measure(course: str, seed: int, out: Path) -> None:
    """Measure every length of a course that the file does not have."""
    from benchmarks.peers.machine import machine
    from study.measuring.measure import Measurer
    from study.settings import MethodChoice

    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"machine": machine(), "rows": []}
    have = {(row["course"], row["seed"], row["steps"]) for row in known["rows"]}
    name, settings = COURSES[course]
    with (
        tempfile.TemporaryDirectory() as folder,
        Measurer(prepared(Path(folder), seed), "cpu", splits=("validation", "test")) as measurer,
    ):
        for steps in (number for number in STEPS if (course, seed, number) not in have):
            choice = MethodChoice(name=name, settings={**settings, "steps": steps, "look": 0})
            outputs = measurer.measure(choice, dict.fromkeys(TASKS, 1.0), "test").outputs
            row = {"course": course, "seed": seed, "steps": steps, **facts(outputs, measurer.targets("test"))}
            row["coefficient"] = mean_size(measurer.directions(choice).facts.get("learned"))
            known["rows"].append(row)
            out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            print(course, seed, steps, {key: round(value, 3) for key, value in row.items() if isinstance(value, float)})


def facts(outputs: dict[str, Any], targets: dict[str, Any]) -> dict[str, float]:
    """Means over tasks of what was read from the logits (n, C).

    >>> logits = np.array([[9.0, 0, 0, 0], [0, 9.0, 0, 0]])
    >>> found = facts({"a": logits}, {"a": np.array([0, 3])})
    >>> found["accuracy"], found["known"], found["left out"], found["sure and wrong"]
    (0.5, 1.0, 0.0, 0.5)
    """
    rows = []
    for task, logits in outputs.items():
        wide = np.asarray(logits, dtype=np.float64)
        shares = np.exp(wide - wide.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        right, out = shares.argmax(1) == targets[task], targets[task] % 4 == 3
        sure = shares.max(1) > SURE
        entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(1)
        rows.append([right.mean(), right[~out].mean(), right[out].mean(), entropy.mean(), (~right & sure).mean()])
    names = ("accuracy", "known", "left out", "entropy", "sure and wrong")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def mean_size(learned: Any) -> float | None:
    """The mean of the learned coefficients over experts and tensors; None for a mask."""
    if not isinstance(learned, dict):
        return None
    values = [one for each in learned.values() for one in (each.values() if isinstance(each, dict) else [each])]
    return float(np.mean(values))


if __name__ == "__main__":
    main()
