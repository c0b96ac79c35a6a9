"""Make factors.json: `python tests/golden/make_factors.py`, where numpy and safetensors are installed.

ΔW of two adapters of lora_adapters.safetensors (made by PEFT), merged by the equations of formulas_factors.py.
"""

import json
from pathlib import Path

import formulas_factors as formulas
import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).parent
ADAPTERS, SCALING = ("plain", "other"), 3.0  # lora_alpha 6, rank 2
MODULES = ("block.first", "block.second")
WEIGHTS = {"plain": 0.3, "other": 0.8}
KEEP = "plain=0.5,other=0.2"
DESCENT = {"steps": 40, "rate": 0.02, "pull": 0.5}


def module(held: dict[str, np.ndarray], adapter: str, name: str) -> formulas.Module:
    b, a = (held[f"{adapter}/adapter/base_model.model.{name}.lora_{side}.weight"].astype(float) for side in "BA")
    return SCALING * b, a


def main() -> None:
    held, cs = load_file(HERE / "lora_adapters.safetensors"), list(WEIGHTS.values())
    every = [[module(held, adapter, name) for adapter in ADAPTERS] for name in MODULES]
    made = [
        ("do_merging", DESCENT, False, [formulas.do_merging(each, cs, **DESCENT) for each in every]),
        ("do_merging", {"steps": 0}, False, [formulas.do_merging(each, cs, 0, 0.0, 0.0) for each in every]),
        ("rmm", {"models": 1}, False, [formulas.rmm(each, cs, 1) for each in every]),
        ("evo_merging", {}, False, [formulas.evo_merging(each, cs, [1.0, 1.0]) for each in every]),
        ("evo_merging", {"keep": KEEP}, False, [formulas.evo_merging(each, cs, [0.5, 0.2]) for each in every]),
        ("knots", {"density": 0.5}, False, formulas.knots(every, cs, 0.5, False)),
        ("knots", {"density": 0.5}, True, formulas.knots(every, cs, 0.5, True)),
    ]
    cases = [
        {
            "name": name,
            "settings": settings,
            "exact": exact,
            "expected": {m: np.round(v, 8).tolist() for m, v in zip(MODULES, values, strict=True)},
        }
        for name, settings, exact, values in made
    ]
    facts = {
        "source": "tests/golden/formulas_factors.py, the equations in numpy float64, on adapters made by PEFT 0.21.2",
        "command": "python tests/golden/make_factors.py",
        "coefficients": WEIGHTS,
        "merges": cases,
    }
    (HERE / "factors.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
