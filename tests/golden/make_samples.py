"""Make the golden values of the methods that learn from samples: `python tests/golden/make_samples.py [METHOD …]`.

Values come from `formulas_samples.py` and `formulas_trained.py`: the published equations in plain numpy float64, on the
network of `network.py` and the checkpoints of `inputs.json`, `inputs_projection.json` or `inputs_blocks.json`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import formulas_samples as formulas
import formulas_trained
import numpy as np

HERE = Path(__file__).parent
SOURCE = "tests/golden/formulas_samples.py, the published equations in numpy float64"
C3 = {"a": 0.3, "b": 0.5, "c": 0.8}
ONES = {"a": 1.0, "b": 1.0, "c": 1.0}
KINDS = ("attention_in", "attention_out", "mlp_in", "mlp_out", "others")

Make = Callable[[dict[str, formulas.State], dict[str, float]], formulas.State]
CASES: dict[str, list[tuple[dict[str, object], dict[str, float], Make, float]]] = {
    "regmean": [
        ({}, C3, formulas.regmean, 2e-5),
        ({"keep": 0.5}, ONES, lambda data, c: formulas.regmean(data, c, 0.5), 2e-5),
    ],
    "regmean_pp": [({}, C3, formulas.regmean_pp, 2e-5)],
    "lot": [({}, C3, formulas.lot, 2e-4), ({"scale": 1.0}, ONES, lambda d, c: formulas.lot(d, c, 1.0), 2e-4)],
    "anchored": [
        (
            {"on": "task_arithmetic", **dict.fromkeys(KINDS, 0.5)},
            ONES,
            lambda d, c: formulas.anchored(d, c, 0.5),
            1e-5,
        )
    ],
    "pleas": [
        ({}, ONES, formulas.pleas, 2e-4),
        ({"ridge": 0.5}, ONES, lambda d, c: formulas.pleas(d, c, 0.5), 1e-5),
    ],
    "featcal": [
        ({}, ONES, formulas.featcal, 1e-5),
        ({"ridge": 0.2, "blend": 0.6, "beyond": 1.0}, ONES, lambda d, c: formulas.featcal(d, c, 0.2, 1.0, 0.6), 1e-5),
    ],
}

PROJECTED: dict[str, list[tuple[dict[str, object], dict[str, float], Make, float]]] = {
    "react": [
        ({}, ONES, lambda d, c: formulas.react(d, c, 0.1, ONES), 1e-5),
        (
            {"beta": 2.0, "preference": "a=2,c=1"},
            ONES,
            lambda d, c: formulas.react(d, c, 2.0, {"a": 2.0, "b": 0.0, "c": 1.0}),
            1e-5,
        ),
    ],
}
EVERY = formulas_trained.by_gradients()
BLOCKED = {"regmean_pp": [({}, ONES, formulas.regmean_pp, 2e-5)]}  # beside its case on `inputs.json`


def drawn(seed: int, shapes: dict[str, tuple[int, ...]]) -> dict[str, formulas.State]:
    """A base and three experts."""
    dice = np.random.default_rng(seed)
    base = {name: dice.normal(size=shape).round(4) for name, shape in shapes.items()}
    moved = {e: {n: (v + 0.3 * dice.normal(size=v.shape)).round(4) for n, v in base.items()} for e in formulas.EXPERTS}
    return {"base": base, **moved}


DRAWN = {
    # the last tensor is a projection
    "inputs_projection": drawn(7, {"layers.0.fc.weight": (5, 4), "z.proj.bias": (4,), "z.proj.weight": (4, 5)}),
    # blocks with a norm and a bias before, and between, their linear layers
    "inputs_blocks": drawn(
        8,
        {
            "layers.0.a.norm.weight": (5,),
            "layers.0.b.fc.bias": (4,),
            "layers.0.b.fc.weight": (4, 5),
            "layers.0.c.fc.weight": (5, 4),
            "layers.1.a.norm.weight": (4,),
            "layers.1.b.fc.weight": (3, 4),
        },
    ),
}


def made_cases(inputs: str, cases: list[tuple[dict[str, object], dict[str, float], Make, float]]) -> list[object]:
    held = json.loads((HERE / f"{inputs}.json").read_text(encoding="utf-8"))
    data = {who: {name: np.asarray(v, np.float64) for name, v in state.items()} for who, state in held.items()}
    return [
        {
            **({} if inputs == "inputs" else {"inputs": inputs}),
            "source": SOURCE,
            "settings": settings,
            "coefficients": c,
            "exact": False,
            "tolerance": tolerance,
            "expected": {key: np.round(value, 8).tolist() for key, value in sorted(make(data, c).items())},
        }
        for settings, c, make, tolerance in cases
    ]


def main(wanted: list[str]) -> None:
    for file, states in DRAWN.items():
        held = {who: {n: v.tolist() for n, v in state.items()} for who, state in states.items()}
        (HERE / f"{file}.json").write_text(json.dumps(held) + "\n", encoding="utf-8")
    for name, cases in {**CASES, **PROJECTED, **EVERY}.items():
        if wanted and name not in wanted:
            continue
        made = made_cases("inputs_projection" if name in PROJECTED else "inputs", cases)
        made += made_cases("inputs_blocks", BLOCKED.get(name, []))
        text = json.dumps({"method": name, "command": f"python tests/golden/make_samples.py {name}", "cases": made})
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
