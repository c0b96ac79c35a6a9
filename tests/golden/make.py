"""Make the golden values of the merging methods: `python tests/golden/make.py [METHOD …]`.

Values come from other people's code where there is some (mergekit 0.1.5, fusion-bench 0.2.33, the authors'
`pcb-merging.py` at 5897888 given by PCB_MERGING, `DC_utils.py` at 04c345b by DC_MERGE, `STAR.py` at 266f76e by STAR,
DELLA's `sparsify.py` at 0641b61 by DELLA, MLLMerging's folder `yongxianwei_merging` at 5f8a458 by MLL_MERGING), by
`oracles.py` beside this file, otherwise from `formulas*.py`: the published equations in plain numpy float64. Run it in
an environment of its own; the tests only read the JSON.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import formulas
import formulas_election
import formulas_exact
import formulas_factors
import formulas_spectral
import numpy as np
import oracles
from oracles import SHAPES, State

HERE = Path(__file__).parent
C3 = {"a": 0.3, "b": 0.5, "c": 0.8}
C2 = {"a": 0.3, "b": 0.5}
ONES = {"a": 1.0, "b": 1.0, "c": 1.0}
MERGEKIT = "mergekit 0.1.5, merge_tensors"
FUSION = "fusion-bench 0.2.33"
FORMULA = "tests/golden/formulas*.py, the published equations in numpy float64"


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
        return oracles.by_mergekit(method, data, experts, based, **parameters)

    third = dict.fromkeys("abc", 1 / 3)
    half = {"density": 0.5, "variant": "mergekit"}
    return {
        "weighted_average": lambda: [case(MERGEKIT, kit("linear", "abc", False, weight=w3), C3)],
        "task_arithmetic": lambda: [case(MERGEKIT, kit("task_arithmetic", "abc", True, weight=w3), C3)],
        "ties": lambda: [
            case(f"{FUSION}, ties_merging, dis-mean", oracles.ties_by_fusion(data), ONES, {"density": 0.4}),
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
            case(f"{FUSION}, TSV-M", oracles.tsv_by_fusion(data), ONES, {"split_qkv": False}),
            case(FORMULA, formulas_spectral.tsv_m(data, C3), C3),
        ],
        "iso_c": lambda: [
            case(f"{FUSION}, iso_c", oracles.iso_by_fusion(data), ONES, {"split_qkv": False}),
            case(FORMULA, formulas_spectral.iso_c(data, C3), C3),
        ],
        "emr_unified": lambda: [
            case(f"{FUSION}, emr_merge, the unified vector", oracles.emr_by_fusion(data), ONES),
            case(f"{FUSION}, emr_merge, the unified vector", oracles.emr_by_fusion(data), ONES, exact=True),
        ],
        "magmax": lambda: [case(f"{FUSION}, MagMax", oracles.magmax_by_fusion(data), ONES)],
        "breadcrumbs": lambda: [
            case(
                MERGEKIT,
                kit("breadcrumbs", "abc", True, weight=w3, density=[0.5] * 3, gamma=[0.1] * 3),
                C3,
                {"density": 0.5, "top": 0.1},
                skip=("logit_scale",),
            ),
            case(
                MERGEKIT,
                kit("breadcrumbs", "abc", True, weight=w3, density=[0.4] * 3, gamma=[0.1] * 3),
                C3,
                {"density": 0.4, "top": 0.1, "variant": "mergekit"},
            ),
            case(FORMULA, formulas.breadcrumbs(data, C3), C3, {"density": 0.5, "top": 0.3, "scope": "row"}),
        ],
        "model_stock": lambda: [
            # there the cosine is negative: mergekit moves away from all experts, we stay at the base
            case(MERGEKIT, kit("model_stock", "abc", True), third, skip=("logit_scale",)),
            case(MERGEKIT, kit("model_stock", "abc", True), third, {"variant": "mergekit"}),
            case(
                MERGEKIT,
                kit("model_stock", "abc", True, filter_wise=True),
                third,
                {"variant": "mergekit", "by_filter": True},
            ),
        ],
        "slerp": lambda: [case(MERGEKIT, kit("slerp", "ab", False, **slerp_at(w2)), C2)],
        "nuslerp": lambda: [case(MERGEKIT, kit("nuslerp", "ab", True, weight=w2), C2)],
        "multislerp": lambda: [case(MERGEKIT, kit("multislerp", "abc", True, weight=w3), C3)],
        "karcher": lambda: [
            case(MERGEKIT, kit("karcher", "abc", False), third),
            case(FORMULA, formulas.karcher(data, C3), C3, {"of": "task vectors", "steps": 10}),
        ],
        "sce": lambda: [
            case(MERGEKIT, kit("sce", "abc", True, select_topk=0.5), ONES, {"select": 0.5}, skip=("logit_scale",)),
            case(MERGEKIT, kit("sce", "abc", True, select_topk=0.5), ONES, {"select": 0.5, "variant": "mergekit"}),
        ],
        "ram": lambda: [
            case(MERGEKIT, kit("ram", "abc", True, epsilon=0.05), ONES, {"epsilon": 0.05}),
            case(
                MERGEKIT,
                kit("ramplus_tl", "abc", True, epsilon=0.05, r=0.1, alpha=0.2),
                ONES,
                {"epsilon": 0.05, "reward": 1.1, "cap": 0.2, "variant": "mergekit"},
            ),
            case(FORMULA, formulas.ram(data, C3), C3, {"epsilon": 0.05, "reward": 1.2}),
        ],
        "pcb": lambda: [
            case("pcb-merging.py at 5897888, PCB_merge", oracles.pcb_by_authors(data), ONES, {"ratio": 0.3})
        ],
        **more_peers(data),
    }


def more_peers(data: dict[str, State]) -> dict[str, Callable[[], list[dict[str, object]]]]:
    """Cases of mergekit's random methods (with our masks), and of the spectral ones."""
    kit = oracles.by_mergekit
    given = {"weight": list(C3.values()), "density": [0.6] * 3}
    steep, flag = {**given, "epsilon": [0.2] * 3}, {"variant": "mergekit"}
    scalar = ("logit_scale",)  # mergekit's chance is 0/0 there

    def masked(method: str, seed: int, parameters: dict[str, object]) -> State:
        with oracles.drawn(seed, "abc", method.startswith("dare")):
            return kit(method, data, "abc", True, **parameters)

    def interference(function: str, settings: dict[str, object], **theirs: float) -> list[dict[str, object]]:
        found = oracles.interference_by_authors(data, function, **theirs)
        source = f"MLLMerging at 5f8a458, {function}, in float64"
        return [case(source, found, ONES, {"split_qkv": False, **settings})]

    masks = f"{MERGEKIT}, with our random numbers"
    dare, della = {"drop": 0.4, "seed": 3, **flag}, {"density": 0.6, "epsilon": 0.2, "seed": 5, **flag}
    whole = {"split_qkv": False}
    crumbs = {"weight": list(C3.values()), "density": [0.4] * 3, "gamma": [0.1] * 3}
    return {
        "dare_linear": lambda: [case(masks, masked("dare_linear", 3, given), C3, dare)],
        "dare_ties": lambda: [case(masks, masked("dare_ties", 3, given), C3, {**dare, "merge": "sum"}, exact=True)],
        "della_linear": lambda: [
            case(masks, masked("della_linear", 5, steep), C3, della, skip=scalar),
            case(
                "DELLA's sparsify.py at 0641b61, with our random numbers",
                *(oracles.magprune_by_authors(data, C3, 5), C3, {"density": 0.6, "epsilon": 0.2, "seed": 5}),
                skip=scalar,
            ),
        ],
        "star": lambda: [case("STAR.py at 266f76e, star", oracles.star_by_authors(data, C3), C3, {"split_qkv": False})],
        "della": lambda: [case(masks, masked("della", 5, steep), C3, {**della, "merge": "weighted"}, True, scalar)],
        "breadcrumbs_ties": lambda: [
            case(
                MERGEKIT,
                kit("breadcrumbs_ties", data, "abc", True, normalize=normal, **crumbs),
                C3,
                {"density": 0.4, "top": 0.1, "merge": "weighted" if normal else "sum", **flag},
                exact=True,
            )
            for normal in (False, True)
        ],
        "nearswap": lambda: [case(MERGEKIT, kit("nearswap", data, "a", True, t=0.1), {"a": 1.0}, {"limit": 0.1})],
        "arcee_fusion": lambda: [case(MERGEKIT, kit("arcee_fusion", data, "a", True), {"a": 1.0})],
        "iso_cts": lambda: [
            case(f"{FUSION}, iso_cts", oracles.iso_cts_by_fusion(data), ONES, {"common": 0.25, **whole})
        ],
        "wudi": lambda: [case(f"{FUSION}, wudi_merging", oracles.wudi_by_fusion(data), ONES, whole)],
        "dc_merge": lambda: [
            case("DC_utils.py at 04c345b, dc_merge", oracles.dc_by_authors(data), ONES, whole, exact)
            for exact in (False, True)
        ],
        "opt_merge": lambda: interference("wudi_merge_v2", {}),
        "swudi": lambda: interference("swudi_merge", {"time": 20.0}, exp_time=20.0, truncate_rank_ratio=0.65),
        "aswudi": lambda: interference("aswudi_merge", {}),
        "svc": lambda: [
            case(
                f"{FUSION}, spectral calibration of task arithmetic",
                oracles.svc_by_fusion(data, oracles.sum_of(data, C3), 1 / 3),
                C3,
                whole,
            ),
            case(
                f"{FUSION}, spectral calibration of the average of what agrees",
                oracles.svc_by_fusion(data, oracles.ties_by_fusion(data, 20), 1.0),
                ONES,
                {"on": "ties", "floor": 3.0, **whole},
            ),
        ],
        "consensus": lambda: [
            case(
                f"{FUSION}, ties_merging and generate_task_masks",
                oracles.consensus_ties_by_fusion(data),
                ONES,
                {"threshold": 0.5, "on": "ties", "density": 0.4},
            )
        ],
        "knots": lambda: [
            case(
                f"{FUSION}, subspace_alignment and ties_merging",
                oracles.knots_by_fusion(data),
                ONES,
                {"density": 0.4, **whole},
                exact,
            )
            for exact in (False, True)
        ],
        "doge": lambda: [case(f"{FUSION}, DOGE TA", oracles.doge_by_fusion(data), ONES, {"subspace": 2, **whole})],
    }


def slerp_at(weights: list[float]) -> dict[str, object]:
    return {"t": weights[1] / sum(weights)}


def own_cases() -> Iterator[Any]:
    """Go through (method, settings, coefficients, formula) of the published equations."""
    for module in (formulas, formulas_election, formulas_exact, formulas_spectral, formulas_factors):
        yield from module.cases()


def main(wanted: list[str]) -> None:
    data = inputs()
    rounded = {who: {name: value.tolist() for name, value in state.items()} for who, state in data.items()}
    (HERE / "inputs.json").write_text(json.dumps(rounded) + "\n", encoding="utf-8")
    makers = peers(data)
    for name, given, coefficients, make in own_cases():
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
