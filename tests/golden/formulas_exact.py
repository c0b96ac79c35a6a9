"""The exact forms of frozen methods, in plain numpy float64: each published method on c τ; see formulas.py."""

from collections.abc import Callable, Iterator

import numpy as np
from formulas import Data, State, Weights, magprune, taus
from formulas_election import election, ties_changes

Rule = Callable[[list[np.ndarray]], np.ndarray]


def on_scaled(rule: Rule) -> Callable[[Data, Weights], State]:
    """Merge each tensor by a rule on the task vectors times their coefficients."""

    def merged(data: Data, weights: Weights) -> State:
        return {
            name: data["base"][name] + rule([c * part for c, part in zip(weights.values(), parts, strict=True)])
            for name, parts in taus(data, weights).items()
        }

    return merged


def largest(parts: list[np.ndarray]) -> np.ndarray:
    """arXiv 2407.06322: the largest |x| of each weight, of equal ones the later."""
    found = parts[0]
    for part in parts[1:]:
        found = np.where(np.abs(part) >= np.abs(found), part, found)
    return found


def unified(parts: list[np.ndarray]) -> np.ndarray:
    """arXiv 2405.17461: the largest |x| of the elected sign, which is − where the sum is 0."""
    sign = np.where(np.asarray(sum(parts)) > 0, 1.0, -1.0)
    return sign * np.max([np.maximum(part * sign, 0.0) for part in parts], axis=0)


def selected(parts: list[np.ndarray]) -> np.ndarray:
    """arXiv 2408.07990 with 50 % of the variances: select, weigh by mean squares, erase minority signs."""
    variance = np.var(parts, axis=0)
    differing = np.sort(variance[variance > 0])
    wanted = max(1, int(0.5 * len(differing)))
    kept = [part * (variance >= differing[len(differing) - wanted]) for part in parts]
    shares = np.array([np.mean(part**2) for part in kept])
    shares = shares / shares.sum()
    sign = np.where(np.asarray(sum(kept)) >= 0, 1.0, -1.0)
    ways = [share * (part * sign > 0) for share, part in zip(shares, kept, strict=True)]
    return np.asarray(sum(w * part for w, part in zip(ways, kept, strict=True))) / np.maximum(sum(ways), 1e-6)


def weighed(parts: list[np.ndarray]) -> np.ndarray:
    """|x|² as weights."""
    total = np.maximum(sum(part**2 for part in parts), 1e-30)
    return np.asarray(sum(part * part**2 / total for part in parts))


def agreed(parts: list[np.ndarray]) -> np.ndarray:
    """arXiv 2405.07813 with λ = 0.5 and k = 2."""
    total = np.asarray(sum(parts))
    return total * (sum((np.abs(part) > 0.5 * np.abs(total - part)).astype(int) for part in parts) >= 2)


def crumbs(parts: list[np.ndarray]) -> np.ndarray:
    """arXiv 2312.06795, density 0.4 and top 0.1 of a tensor, at least one entry; then the mean of what agrees."""
    kept = []
    for part in parts:
        sizes = np.sort(np.abs(part).reshape(-1))
        wanted = max(1, int(0.4 * len(sizes)))
        last = max(wanted, len(sizes) - int(0.1 * len(sizes)))
        kept.append(part * ((np.abs(part) >= sizes[last - wanted]) & (np.abs(part) <= sizes[last - 1])))
    return np.asarray(sum(election(kept, 1.0)))


def ties(data: Data, weights: Weights) -> State:
    """arXiv 2306.01708, 40 % of the whole model, elected with the weights."""
    found = ties_changes(data, weights, 0.4, True, weights)
    return {name: base + sum(found[name]) for name, base in data["base"].items()}


def della(data: Data, weights: Weights) -> State:
    """arXiv 2406.11617, elected with the weights."""
    found = {}
    for name, parts in magprune(data, weights).items():
        voting = [c * part for c, part in zip(weights.values(), parts, strict=True)]
        found[name] = data["base"][name] + sum(election(voting, 1.0))
    return found


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula)."""
    some = {"a": 0.3, "b": -0.5, "c": 0.8}
    yield "magmax", {"exact": True}, some, on_scaled(largest)
    yield "emr_unified", {"exact": True}, some, on_scaled(unified)
    yield "sce", {"select": 0.5, "exact": True}, some, on_scaled(selected)
    yield "delta_weighted", {"power": 2.0, "exact": True}, some, on_scaled(weighed)
    yield "consensus", {"threshold": 0.5, "exact": True}, some, on_scaled(agreed)
    yield "breadcrumbs_ties", {"density": 0.4, "top": 0.1, "merge": "mean", "exact": True}, some, on_scaled(crumbs)
    yield "ties", {"density": 0.4, "exact": True}, some, ties
    yield "della", {"density": 0.6, "epsilon": 0.2, "seed": 5, "exact": True}, some, della
