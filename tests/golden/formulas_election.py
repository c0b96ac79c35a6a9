"""The published equations of the methods that elect signs, in plain numpy float64; see formulas.py beside this file."""

from collections.abc import Callable, Iterator

import numpy as np
from formulas import DEPTH, Data, State, Weights, dare, magprune, per_tensor, taus


def election(parts: list[np.ndarray], majority: float) -> list[np.ndarray]:
    sign = np.sign(np.asarray(sum(parts)))
    sign = np.where(sign == 0, majority, sign)
    agree = [part * sign > 0 for part in parts]
    count = np.maximum(sum(a.astype(int) for a in agree), 1)
    return [part * a / count for part, a in zip(parts, agree, strict=True)]


def dare_ties(data: Data, weights: Weights) -> State:
    """DARE with drop 0.4 and seed 3, then TIES with 30 % of the whole model, elected with the weights."""
    dropped = dare(data, weights, 0.4, 3)
    total = sum(parts[0].size for parts in dropped.values())
    kept = {}
    for name, parts in dropped.items():
        kept[name] = []
        for t, part in enumerate(parts):
            everything = np.sort(np.concatenate([np.abs(p[t]).reshape(-1) for p in dropped.values()]))
            threshold = everything[total - int(total * 0.3) - 1]
            kept[name].append(np.where(np.abs(part) >= threshold - 1e-9, part, 0.0))
    votes = sum(np.sign(np.asarray(sum(parts))).sum() for parts in kept.values())
    found = {}
    for name, parts in kept.items():
        weighted = [c * part for c, part in zip(weights.values(), parts, strict=True)]
        found[name] = data["base"][name] + sum(election(weighted, float(np.sign(votes))))
    return found


def della(data: Data, weights: Weights) -> State:
    pruned = magprune(data, weights)
    return per_tensor(data, weights, lambda name, _: election(pruned[name], 1.0))


def ties_changes(data: Data, weights: Weights, share: float, mean: bool, elected_with: Weights) -> dict[str, list]:
    """arXiv 2306.01708: trim over the whole model, elect with weights, mean or sum of agreeing entries."""
    all_parts = taus(data, weights)
    total = sum(parts[0].size for parts in all_parts.values())
    kept: dict[str, list[np.ndarray]] = {name: [] for name in all_parts}
    for t in range(len(weights)):
        everything = np.sort(np.concatenate([np.abs(parts[t]).reshape(-1) for parts in all_parts.values()]))
        for name, parts in all_parts.items():
            kept[name].append(
                np.where(np.abs(parts[t]) >= everything[total - int(total * share) - 1] - 1e-9, parts[t], 0)
            )
    majority = np.sign(sum(np.sign(np.asarray(sum(parts))).sum() for parts in kept.values()))
    found = {}
    for name, parts in kept.items():
        weighted = [c * part for c, part in zip(elected_with.values(), parts, strict=True)]
        sign = np.sign(np.asarray(sum(weighted)))
        sign = np.where(sign == 0, majority, sign)
        agree = [part * sign > 0 for part in weighted]
        count = np.maximum(sum(a.astype(int) for a in agree), 1) if mean else 1
        found[name] = [part * a / count for part, a in zip(weighted, agree, strict=True)]
    return found


def consensus_ties(data: Data, weights: Weights) -> State:
    """arXiv 2405.07813 on TIES with sums: λ = 0.5, k = 2, 40 % of the whole model."""
    ones = dict.fromkeys(weights, 1.0)
    changes, all_parts = ties_changes(data, weights, 0.4, False, ones), taus(data, weights)

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        merged = np.asarray(sum(changes[name]))
        mask = sum((np.abs(part) > 0.5 * np.abs(merged - part)).astype(int) for part in all_parts[name]) >= 2
        return [change * mask for change in changes[name]]

    return per_tensor(data, weights, rule)


def lines_ties(data: Data, weights: Weights) -> State:
    """arXiv 2410.17146 on TIES (40 %, mean), elected with the weights: α = 1, β = 0.5."""
    ones = dict.fromkeys(weights, 1.0)
    equal, found = ties_changes(data, weights, 0.4, True, ones), ties_changes(data, weights, 0.4, True, weights)
    before = sum(np.abs(np.asarray(sum(parts))).sum() for parts in taus(data, weights).values())
    after = sum(np.abs(np.asarray(sum(parts))).sum() for parts in equal.values())
    first = before / after / len(weights)
    return {
        name: base + sum(found[name]) * (first + 0.5 * DEPTH.get(name[:8], 0.0)) for name, base in data["base"].items()
    }


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula)."""
    some = {"a": 0.3, "b": 0.5, "c": 0.8}
    yield "dare_ties", {"drop": 0.4, "density": 0.3, "seed": 3, "exact": True}, some, dare_ties
    yield "della", {"density": 0.6, "epsilon": 0.2, "seed": 5}, some, della
    yield "consensus", {"threshold": 0.5, "on": "ties", "density": 0.4}, some, consensus_ties
    yield "lines_ties", {"density": 0.4, "beta": 0.5, "exact": True}, some, lines_ties
