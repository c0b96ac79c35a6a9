"""Methods that work on the factors of adapters, in plain numpy float64; see formulas.py beside this file.

An adapter's module is (B, A) with its scaling in B: τ = B A. Weights are in the order of the adapters.
"""

from collections.abc import Callable, Iterator

import numpy as np
from formulas import Data, State, Weights, blocks, taus
from formulas_spectral import adam

Module = tuple[np.ndarray, np.ndarray]


def less_alike(rows: list[np.ndarray], steps: int, rate: float, pull: float) -> list[np.ndarray]:
    """arXiv 2505.15875: descend on Σ_{i≠j} ‖Â_i Â_jᵀ‖² + pull Σ ‖Â_i − A_i‖², pair by pair."""
    start = np.vstack(rows)
    sizes = np.cumsum([len(each) for each in rows])[:-1]

    def slope(place: np.ndarray) -> np.ndarray:
        parts, found = np.split(place, sizes), []
        for i, (own, was) in enumerate(zip(parts, rows, strict=True)):
            away = sum(4.0 * own @ other.T @ other for j, other in enumerate(parts) if j != i)
            found.append(away + 2.0 * pull * (own - was))
        return np.vstack(found)

    return np.split(adam(start, slope, steps, rate * np.sqrt(np.mean(start**2))), sizes)


def apart(changes: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Columns as lengths and directions, merged apart: Σ c m ⊙ Σ (c / Σ|c|) D."""
    lengths = [np.linalg.norm(change, axis=0) for change in changes]
    directions = [change / np.where(m > 0, m, 1.0) for change, m in zip(changes, lengths, strict=True)]
    total = sum(abs(c) for c in weights)
    length = sum(c * m for c, m in zip(weights, lengths, strict=True))
    direction = sum(c / total * d for c, d in zip(weights, directions, strict=True))
    return np.asarray(length * direction)


def do_merging(modules: list[Module], weights: list[float], steps: int, rate: float, pull: float) -> np.ndarray:
    lefts = less_alike([b.T for b, _ in modules], steps, rate, pull)
    rights = less_alike([a for _, a in modules], steps, rate, pull)
    return apart([left.T @ right for left, right in zip(lefts, rights, strict=True)], weights)


def rmm(modules: list[Module], weights: list[float], models: int) -> np.ndarray:
    """arXiv 2510.14163: each column of A and row of B in the span of its `models` leading left singular vectors."""
    shares = np.asarray(weights) / sum(weights)

    def mixed(vectors: list[np.ndarray]) -> np.ndarray:
        x = np.stack(vectors, axis=1)  # (r, T)
        mean = x.mean(1, keepdims=True)
        u = np.linalg.svd(x - mean, full_matrices=False)[0][:, :models]
        return np.asarray((mean + u @ u.T @ (x - mean)) @ shares)

    b = np.stack([mixed([left[row] for left, _ in modules]) for row in range(len(modules[0][0]))])
    a = np.stack([mixed([right[:, column] for _, right in modules]) for column in range(modules[0][1].shape[1])])
    return b @ a.T


def evo_merging(modules: list[Module], weights: list[float], keep: list[float]) -> np.ndarray:
    """arXiv 2509.12951, the authors' merger.py: Σ c B times Σ c sp(A); equal sizes stay together."""

    def sparse(a: np.ndarray, share: float) -> np.ndarray:
        count = max(1, round(a.size * share))
        return np.where(np.abs(a) >= np.sort(np.abs(a).reshape(-1))[a.size - count], a, 0.0)

    b = sum(c * left for c, (left, _) in zip(weights, modules, strict=True))
    a = sum(c * sparse(right, share) for c, (_, right), share in zip(weights, modules, keep, strict=True))
    return np.asarray(b @ a)


def knots(all_modules: list[list[Module]], weights: list[float], density: float, exact: bool) -> list[np.ndarray]:
    """arXiv 2410.19735 on the full ΔW of every module: SVD, trim over all modules, elect, mean, turn back."""
    spaces = []
    for modules in all_modules:
        changes = [b @ a for b, a in modules]
        u, s, vt = np.linalg.svd(np.hstack(changes), full_matrices=False)
        rank = int((s > 1e-5).sum())
        spaces.append((u[:, :rank], np.split((s[:rank, None] * vt[:rank]), len(changes), axis=1)))
    found = []
    limits = []
    for t in range(len(weights)):
        flat = np.sort(np.abs(np.concatenate([own[t].reshape(-1) for _, own in spaces])))
        limits.append(flat[len(flat) - int(len(flat) * density) - 1])  # one more than ⌊density·n⌋, as the authors
    for u, own in spaces:
        kept = [np.where(np.abs(x) >= limit - 1e-12, x, 0.0) for x, limit in zip(own, limits, strict=True)]
        voting = [c * x for c, x in zip(weights, kept, strict=True)] if exact else kept
        sign = np.sign(sum(voting))
        agrees = [(np.sign(x) == sign) & (sign != 0) for x in voting]
        total = sum(c * x * agree for c, x, agree in zip(weights, kept, agrees, strict=True))
        found.append(u @ (total / np.maximum(sum(agree.astype(float) for agree in agrees), 1.0)))
    return found


def by_columns(data: Data, weights: Weights) -> State:
    """DO-Merging of full weights: columns taken apart as they are; Σ c τ of what is no matrix."""
    cs, found = list(weights.values()), {}
    for name, parts in taus(data, weights).items():
        change = np.asarray(sum(c * part for c, part in zip(cs, parts, strict=True)))
        for block in blocks(name, parts[0]):
            change[block] = apart([part[block] for part in parts], cs)
        found[name] = data["base"][name] + change
    return found


def added(data: Data, weights: Weights) -> State:
    """Evo-Merging of full weights, which have no factors: task arithmetic."""
    return {
        name: data["base"][name] + sum(c * part for c, part in zip(weights.values(), parts, strict=True))
        for name, parts in taus(data, weights).items()
    }


def average(data: Data, weights: Weights) -> State:
    """RMM of full weights, which have no factors: the average."""
    total = sum(weights.values())
    return {
        name: data["base"][name] + sum(c / total * part for c, part in zip(weights.values(), parts, strict=True))
        for name, parts in taus(data, weights).items()
    }


def anchored_dataless(data: Data, weights: Weights) -> State:
    """(Σ c (τ G + α A)) (Σ G + α I)⁻¹, G = τᵀ τ / ‖τ‖², α = tr Σ G / 2n, A = τ / 3: task arithmetic as anchor."""
    cs, found = list(weights.values()), {}
    for name, parts in taus(data, weights).items():
        change = np.asarray(sum(c * part for c, part in zip(cs, parts, strict=True))) / 3
        for block in blocks(name, parts[0]):
            own = [part[block] for part in parts]
            grams = [part.T @ part / np.sum(part**2) for part in own]
            total = np.asarray(sum(grams))
            alpha = 0.5 * np.trace(total) / len(total)
            pulled = [part @ gram + alpha * part / 3 for part, gram in zip(own, grams, strict=True)]
            pull = sum(c * each for c, each in zip(cs, pulled, strict=True))
            change[block] = pull @ np.linalg.inv(total + alpha * np.eye(len(total)))
        found[name] = data["base"][name] + change
    return found


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula) for full weights."""
    some = {"a": 0.3, "b": 0.5, "c": 0.8}
    yield "do_merging", {}, some, by_columns
    yield "rmm", {}, some, average
    yield "evo_merging", {}, some, added
    yield "anchored_dataless", {"on": "task_arithmetic", "pull": 0.5}, some, anchored_dataless
