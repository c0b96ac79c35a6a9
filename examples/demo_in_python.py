"""The whole way in Python: make the demo, measure, look at the front, choose, export, verify.

python examples/demo_in_python.py FOLDER [TRIALS]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from study.demo import write_demo
from study.export import Order, export
from study.front import front
from study.predict import choose
from study.run import run
from study.verify import verify


def main(folder: Path, trials: int) -> None:
    study = write_demo(folder / "study", ("digits", "flags"))
    run(study, trials=trials)

    shown = front(study)
    print(f"{shown['evaluations']} merges measured, {len(shown['predicted'])} points predicted")

    # "At least 85 % on digits, and as balanced as possible otherwise."
    wish = choose(study, {"digits": 0.85})
    print("coefficients:", wish["coefficients"])
    for task, predicted in wish["metrics"].items():
        print(f"  {task}: {predicted['mean']:.3f} predicted, gives up {wish['costs'][task]:.3f}")

    out = folder / "model"
    taken = export(study, Order(study.method(), wish["coefficients"]), out)
    for task, metric in taken["metrics"].items():
        print(f"  {task}: {metric['value']:.3f} ± {metric['stderr']:.3f} measured on {metric['n']} held-out samples")
    print("rebuilt byte for byte:", verify(out)["identical"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12)
