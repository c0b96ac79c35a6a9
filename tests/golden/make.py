"""Make the golden values of the merging methods: `python tests/golden/make.py [METHOD …]`.

Values come from other people's code where there is some (mergekit 0.1.5, fusion-bench 0.2.33, the authors'
`pcb-merging.py` at 5897888 given by PCB_MERGING), otherwise from `formulas.py` beside this file: the published
equations in plain numpy float64. Run it in an environment of its own; the tests only read the JSON.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import formulas
import numpy as np
import torch

HERE = Path(__file__).parent
State = dict[str, np.ndarray]
SHAPES = {
    "attn.in_proj_bias": (12,),
    "attn.in_proj_weight": (12, 4),
    "conv.weight": (2, 3, 2, 2),
    "layers.0.fc.weight": (5, 4),
    "layers.1.fc.weight": (4, 6),
    "layers.2.norm.weight": (5,),
    "logit_scale": (),
}
C3 = {"a": 0.3, "b": 0.5, "c": 0.8}
C2 = {"a": 0.3, "b": 0.5}
ONES = {"a": 1.0, "b": 1.0, "c": 1.0}
MERGEKIT = "mergekit 0.1.5, merge_tensors"
FUSION = "fusion-bench 0.2.33"
FORMULA = "tests/golden/formulas.py, the published equations in numpy float64"


def inputs() -> dict[str, State]:
    """Make a base and three experts of float32 numbers; some weights of each expert do not move."""
    random = np.random.default_rng(7)
    base = {name: single(random.normal(size=shape)) for name, shape in SHAPES.items()}
    shared = {name: random.normal(size=shape) * 0.15 for name, shape in SHAPES.items()}
    found = {"base": base}
    for expert in "abc":
        found[expert] = {}
        for name, shape in SHAPES.items():
            moved = (random.random(size=shape) < 0.8) | (shape == ())
            found[expert][name] = single(base[name] + (shared[name] + random.normal(size=shape) * 0.2) * moved)
    return found


def single(values: np.ndarray) -> np.ndarray:
    """Round to six decimals and to float32, so that text, float32 and float64 hold the same numbers."""
    return np.asarray(np.round(values, 6), dtype=np.float32).astype(np.float64)


def tensors(state: State) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in state.items()}


def by_mergekit(method: str, data: dict[str, State], experts: str, based: bool, **parameters: object) -> State:
    """Merge each tensor with mergekit; per-model parameters are lists."""
    from mergekit.merge_methods.api import merge_tensors

    found = {}
    for name in SHAPES:
        stack = [torch.tensor(data[who][name], dtype=torch.float64) for who in experts]
        given = dict(parameters)
        if based:
            stack.append(torch.tensor(data["base"][name], dtype=torch.float64))
        options = {"base_index": len(stack) - 1} if based else {}
        if method == "slerp":  # its "base" is the model at t = 0
            options = {"base_index": 0}
        shaped = [tensor.reshape(-1) if tensor.dim() == 0 else tensor for tensor in stack]
        merged = merge_tensors(shaped, method, parameters=given, **options)
        found[name] = merged.reshape(SHAPES[name]).numpy()
    return found


def vectors(data: dict[str, State], experts: str = "abc") -> list[dict[str, torch.Tensor]]:
    return [
        {name: torch.tensor(data[who][name] - data["base"][name], dtype=torch.float64) for name in SHAPES}
        for who in experts
    ]


def on_base(data: dict[str, State], change: dict[str, torch.Tensor]) -> State:
    return {name: data["base"][name] + np.asarray(change[name]) for name in SHAPES}


def flat_merge(data: dict[str, State], merge: Callable[[torch.Tensor], torch.Tensor]) -> State:
    """Apply a merge of the flattened models, (T, P) → (P,)."""
    stack = torch.stack([torch.cat([tv[name].reshape(-1) for name in sorted(SHAPES)]) for tv in vectors(data)])
    merged, found, start = merge(stack), {}, 0
    for name in sorted(SHAPES):
        count = int(np.prod(SHAPES[name]))
        found[name] = data["base"][name] + merged[start : start + count].numpy().reshape(SHAPES[name])
        start += count
    return found


def ties_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    return flat_merge(data, lambda stack: ties_merging(stack, reset_thresh=40, merge_func="dis-mean"))


def tsv_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.task_singular_vector.utils.TSVM_utils import compute_and_sum_svd_mem_reduction

    return on_base(data, compute_and_sum_svd_mem_reduction(vectors(data), accelerator="cpu"))


def iso_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.isotropic_merging.iso_utils import iso_c

    return on_base(data, iso_c(vectors(data), accelerator="cpu"))


def emr_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.emr_merging.utils import emr_merge

    return on_base(data, emr_merge(vectors(data))[0])


def magmax_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.magmax.magmax import _magmax_select

    return on_base(data, _magmax_select(vectors(data)))


def pcb_by_authors(data: dict[str, State]) -> State:
    text = Path(os.environ["PCB_MERGING"]).read_text(encoding="utf-8").split("### With Evolutionary")[0]
    names: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {}
    exec(text, names)  # noqa: S102 (the authors' own functions, in the maker only)
    return flat_merge(data, lambda stack: names["PCB_merge"](stack, pcb_ratio=0.3)[0])


def case(
    source: str,
    expected: State,
    coefficients: dict[str, float],
    settings: dict[str, object] | None = None,
    exact: bool = False,
    skip: tuple[str, ...] = (),
) -> dict[str, object]:
    return {
        "source": source,
        "settings": settings or {},
        "coefficients": coefficients,
        "exact": exact,
        "tolerance": 2e-6,
        "expected": {
            name: np.round(np.asarray(value, dtype=np.float64), 8).tolist()
            for name, value in sorted(expected.items())
            if name not in skip
        },
    }


def peers(data: dict[str, State]) -> dict[str, Callable[[], list[dict[str, object]]]]:
    """Cases that other people's code gives."""
    w3, w2 = list(C3.values()), list(C2.values())

    def kit(method: str, experts: str, based: bool, **parameters: object) -> State:
        return by_mergekit(method, data, experts, based, **parameters)

    third = dict.fromkeys("abc", 1 / 3)
    half = {"density": 0.5, "variant": "mergekit"}
    return {
        "weighted_average": lambda: [case(MERGEKIT, kit("linear", "abc", False, weight=w3), C3)],
        "task_arithmetic": lambda: [case(MERGEKIT, kit("task_arithmetic", "abc", True, weight=w3), C3)],
        "ties": lambda: [
            case(f"{FUSION}, ties_merging, dis-mean", ties_by_fusion(data), ONES, {"density": 0.4}),
            case(
                MERGEKIT,
                kit("ties", "abc", True, weight=w3, density=[0.5] * 3, normalize=True),
                C3,
                {**half, "merge": "weighted"},
                exact=True,
            ),
            case(
                MERGEKIT,
                kit("ties", "abc", True, weight=w3, density=[0.5] * 3, normalize=False),
                C3,
                {**half, "merge": "sum"},
                exact=True,
            ),
        ],
        "tsv_m": lambda: [
            case(f"{FUSION}, TSV-M", tsv_by_fusion(data), ONES, {"split_qkv": False}),
            case(FORMULA, formulas.tsv_m(data, C3), C3),
        ],
        "iso_c": lambda: [
            case(f"{FUSION}, iso_c", iso_by_fusion(data), ONES, {"split_qkv": False}),
            case(FORMULA, formulas.iso_c(data, C3), C3),
        ],
        "emr_unified": lambda: [
            case(f"{FUSION}, emr_merge, the unified vector", emr_by_fusion(data), ONES),
            case(f"{FUSION}, emr_merge, the unified vector", emr_by_fusion(data), ONES, exact=True),
        ],
        "magmax": lambda: [case(f"{FUSION}, MagMax", magmax_by_fusion(data), ONES)],
        "breadcrumbs": lambda: [
            case(
                MERGEKIT,
                kit("breadcrumbs", "abc", True, weight=w3, density=[0.5] * 3, gamma=[0.1] * 3),
                C3,
                {"density": 0.5, "top": 0.1},
                skip=("logit_scale",),
            ),
            case(FORMULA, formulas.breadcrumbs(data, C3), C3, {"density": 0.5, "top": 0.3, "scope": "row"}),
        ],
        "model_stock": lambda: [
            # there the cosine is negative: mergekit moves away from all experts, we stay at the base
            case(MERGEKIT, kit("model_stock", "abc", True), third, skip=("logit_scale",))
        ],
        "slerp": lambda: [case(MERGEKIT, kit("slerp", "ab", False, **slerp_at(w2)), C2)],
        "nuslerp": lambda: [case(MERGEKIT, kit("nuslerp", "ab", True, weight=w2), C2)],
        "multislerp": lambda: [case(MERGEKIT, kit("multislerp", "abc", True, weight=w3), C3)],
        "karcher": lambda: [
            case(MERGEKIT, kit("karcher", "abc", False), third),
            case(FORMULA, formulas.karcher(data, C3), C3, {"of": "task vectors", "steps": 10}),
        ],
        "sce": lambda: [
            case(MERGEKIT, kit("sce", "abc", True, select_topk=0.5), ONES, {"select": 0.5}, skip=("logit_scale",))
        ],
        "ram": lambda: [
            case(MERGEKIT, kit("ram", "abc", True, epsilon=0.05), ONES, {"epsilon": 0.05}),
            case(FORMULA, formulas.ram(data, C3), C3, {"epsilon": 0.05, "reward": 1.2}),
        ],
        "pcb": lambda: [case("pcb-merging.py at 5897888, PCB_merge", pcb_by_authors(data), ONES, {"ratio": 0.3})],
    }


def slerp_at(weights: list[float]) -> dict[str, object]:
    return {"t": weights[1] / sum(weights)}


def main(wanted: list[str]) -> None:
    data = inputs()
    rounded = {who: {name: value.tolist() for name, value in state.items()} for who, state in data.items()}
    (HERE / "inputs.json").write_text(json.dumps(rounded) + "\n", encoding="utf-8")
    makers = peers(data)
    for name, given, coefficients, make in formulas.cases():
        key = name

        def own(make=make, given=given, coefficients=coefficients):  # noqa: ANN001, ANN202
            exact = bool(given.get("exact"))
            settings = {key: value for key, value in given.items() if key != "exact"}
            return [case(FORMULA, make(data, coefficients), coefficients, settings, exact)]

        earlier = makers.get(key)
        makers[key] = (lambda one=earlier, other=own: one() + other()) if earlier else own
    for name, make in makers.items():
        if not wanted or name in wanted:
            with contextlib.redirect_stdout(sys.stderr):
                cases = make()
            text = json.dumps({"method": name, "command": f"python tests/golden/make.py {name}", "cases": cases})
            (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            sys.stderr.write(f"{name}: {len(cases)} case(s)\n")


if __name__ == "__main__":
    main(sys.argv[1:])
