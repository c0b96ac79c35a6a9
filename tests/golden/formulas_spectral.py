"""The published equations of the spectral methods in plain numpy float64; see formulas.py beside this file."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from formulas import DEPTH, Data, State, Weights, blocks, by_block, per_tensor, taus


def tsv_m(data: Data, weights: Weights) -> State:
    """arXiv 2412.00081: polar factors of the concatenated leading singular vectors."""

    def rule(parts: list[np.ndarray]) -> list[np.ndarray]:
        k = min(parts[0].shape) // len(parts)
        svds = [np.linalg.svd(part, full_matrices=False) for part in parts]
        left = polar(np.hstack([u[:, :k] for u, _, _ in svds]))
        right = polar(np.hstack([vt[:k].T for _, _, vt in svds]))
        return [
            left[:, t * k : t * k + k] @ np.diag(svds[t][1][:k]) @ right[:, t * k : t * k + k].T
            for t in range(len(parts))
        ]

    return per_tensor(data, weights, lambda name, parts: by_block(name, parts, rule))


def polar(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    return matrix @ vectors @ np.diag(values**-0.5) @ vectors.T


def iso_c(data: Data, weights: Weights) -> State:
    """arXiv 2502.04959: mean singular value times U Vᵀ of the weighted sum."""
    found = {}
    for name, parts in taus(data, weights).items():
        total = np.asarray(sum(c * part for c, part in zip(weights.values(), parts, strict=True)))
        change = total / len(parts)
        for block in blocks(name, total):
            u, s, vt = np.linalg.svd(total[block], full_matrices=False)
            change[block] = s.mean() * u @ vt
        found[name] = data["base"][name] + change
    return found


def spectral(data: Data, weights: Weights, strength: Callable[[np.ndarray], np.ndarray]) -> State:
    """arXiv 2606.07289: M = M0 (I − V f Vᵀ) + D V (f/λ) Vᵀ with M0 = Σ c τ, D = Σ c τ τᵀ τ / ‖τ‖²."""
    found = {}
    for name, parts in taus(data, weights).items():
        cs = list(weights.values())
        change = np.asarray(sum(c * part for c, part in zip(cs, parts, strict=True))) / len(parts)
        for block in blocks(name, parts[0]):
            own = [part[block] for part in parts]
            gram = sum(part.T @ part / np.sum(part**2) for part in own)
            values, vectors = np.linalg.eigh(gram)
            values = np.maximum(values, 1e-8)
            f = strength(values)
            first = sum(c * part for c, part in zip(cs, own, strict=True))
            pull = sum(c * part @ part.T @ part / np.sum(part**2) for c, part in zip(cs, own, strict=True))
            size = len(values)
            change[block] = first @ (np.eye(size) - vectors @ np.diag(f) @ vectors.T)
            change[block] += pull @ vectors @ np.diag(f / values) @ vectors.T
        found[name] = data["base"][name] + change
    return found


def swudi(data: Data, weights: Weights) -> State:
    def strength(values: np.ndarray) -> np.ndarray:
        kept = math.ceil(0.65 * len(values))
        return np.where(np.arange(len(values)) >= len(values) - kept, 1 - np.exp(-values * 20.0), 0.0)

    return spectral(data, weights, strength)


def aswudi(data: Data, weights: Weights) -> State:
    def strength(values: np.ndarray) -> np.ndarray:
        kept = math.ceil(np.sqrt(values).sum() ** 2 / values.sum())
        return (np.arange(len(values)) >= len(values) - kept).astype(float)

    return spectral(data, weights, strength)


def opcm(data: Data, weights: Weights) -> State:
    """arXiv 2501.09522 step by step on c τ, rescaled after each expert; all c are 1 as published."""
    cs = list(weights.values())
    parts = {name: [c * p for c, p in zip(cs, ps, strict=True)] for name, ps in taus(data, weights).items()}
    norms = [math.sqrt(sum(float((ps[t] ** 2).sum()) for ps in parts.values())) for t in range(len(weights))]
    merged = {name: ps[0].copy() for name, ps in parts.items()}
    previous = 1.0
    for t in range(1, len(weights)):
        for name, ps in parts.items():
            task = ps[t].copy()
            for block in blocks(name, task):
                u, s, vt = np.linalg.svd(merged[name][block], full_matrices=True)
                inner = u.T @ task[block] @ vt.T
                np.fill_diagonal(inner, 0.0)
                leading = int(np.argmax(np.cumsum(s) / s.sum() > 0.5))
                inner[:leading, :leading] = 0.0
                task[block] = u @ inner @ vt
            merged[name] = previous * merged[name] + task
        length = math.sqrt(sum(float((m**2).sum()) for m in merged.values()))
        previous = length / float(np.mean(norms[: t + 1]))
        merged = {name: m / previous for name, m in merged.items()}
    return {name: data["base"][name] + m for name, m in merged.items()}


def star(data: Data, weights: Weights) -> State:
    """arXiv 2502.10339 with 40 % of Σσ."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        found = [part.copy() for part in parts]
        for block in blocks(name, parts[0]):
            for target in found:
                u, s, vt = np.linalg.svd(target[block], full_matrices=False)
                rank = int(np.argmax(np.cumsum(s) >= 0.4 * s.sum())) + 1
                target[block] = u[:, :rank] @ np.diag(s[:rank] * s.sum() / s[:rank].sum()) @ vt[:rank]
        return found

    return per_tensor(data, weights, rule)


def lines_on_tsv_m(data: Data, weights: Weights) -> State:
    """arXiv 2410.17146 on TSV-M: α = 1, β = 0.5, s from the L1 norms of the whole model."""
    ones = dict.fromkeys(weights, 1.0)
    before = sum(np.abs(np.asarray(sum(parts))).sum() for parts in taus(data, weights).values())
    summed = tsv_m(data, ones)
    after = sum(np.abs(summed[name] - base).sum() for name, base in data["base"].items())
    scaled, first = tsv_m(data, weights), before / after / len(weights)
    return {
        name: base + (scaled[name] - base) * (first + 0.5 * DEPTH.get(name[:8], 0.0))
        for name, base in data["base"].items()
    }


def changed_blocks(data: Data, weights: Weights, rule: Callable[[list[np.ndarray], list[float]], np.ndarray]) -> State:
    """Apply rule(task vectors, coefficients) to every matrix; the mean of c τ elsewhere."""
    cs = list(weights.values())
    found = {}
    for name, parts in taus(data, weights).items():
        change = np.asarray(sum(c * part for c, part in zip(cs, parts, strict=True))) / len(parts)
        for block in blocks(name, change):
            change[block] = rule([part[block] for part in parts], cs)
        found[name] = data["base"][name] + change
    return found


def truncated(matrix: np.ndarray, k: int) -> np.ndarray:
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return u[:, :k] @ np.diag(s[:k]) @ vt[:k]


def iso_cts(data: Data, weights: Weights) -> State:
    """arXiv 2502.04959 with a common share of 0.25."""

    def rule(parts: list[np.ndarray], cs: list[float]) -> np.ndarray:
        xs = [c * part for c, part in zip(cs, parts, strict=True)]
        r, count = min(xs[0].shape), len(xs)
        k = round((r - int(r * 0.25)) / count)
        u, s, vt = (
            factor[..., : r - count * k] if i < 2 else factor[: r - count * k]
            for i, factor in enumerate(np.linalg.svd(sum(xs), full_matrices=False))
        )
        own = [np.linalg.svd(x - u @ u.T @ x, full_matrices=False) for x in xs]
        left = polar(np.hstack([each[0][:, :k] for each in own] + [u]))
        right = polar(np.hstack([each[2][:k].T for each in own] + [vt.T]))
        return np.concatenate([each[1][:k] for each in own] + [s]).mean() * left @ right.T

    return changed_blocks(data, weights, rule)


def dc_merge(data: Data, weights: Weights) -> State:
    """arXiv 2603.06242, 30 % of the entries vote, elected with the weights."""

    def rule(parts: list[np.ndarray], cs: list[float]) -> np.ndarray:
        r = min(parts[0].shape)
        k = r // len(parts)
        svds = [np.linalg.svd(part, full_matrices=False) for part in parts]
        left = polar(np.hstack([u[:, :k] for u, _, _ in svds]))
        right = polar(np.hstack([vt[:k].T for _, _, vt in svds]))
        total, count = 0.0, 0
        kept = []
        for c, part in zip(cs, parts, strict=True):
            inner = left.T @ truncated(part, k) @ right
            limit = np.sort(np.abs(inner).reshape(-1))[::-1][int(0.3 * r * r) - 1]
            kept.append(c * np.where(np.abs(inner) >= limit - 1e-12, inner, 0.0))
        sign = np.sign(sum(kept))
        count = sum((np.sign(each) == sign) & (sign != 0) for each in kept)
        total = sum(np.where((np.sign(each) == sign) & (sign != 0), each, 0.0) for each in kept)
        mask = np.kron(np.eye(len(parts)), np.ones((k, k)))
        return left @ (total / np.maximum(count, 1) * mask) @ right.T

    return changed_blocks(data, weights, rule)


def adam(place: np.ndarray, gradient: Callable[[np.ndarray], np.ndarray], steps: int, rate: float) -> np.ndarray:
    first, second = np.zeros_like(place), np.zeros_like(place)
    for step in range(1, steps + 1):
        slope = gradient(place)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        place = place - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return place


def pulled(targets: list[np.ndarray], rows: list[np.ndarray], sizes: list[float]) -> Callable[[np.ndarray], np.ndarray]:
    """Gradient of Σ ‖(M − target) rowsᵀ‖² / size."""
    return lambda place: sum(
        2 * (place - target) @ row.T @ row / size for target, row, size in zip(targets, rows, sizes, strict=True)
    )


def wudi(data: Data, weights: Weights) -> State:
    """arXiv 2503.08099 on c τ, 50 steps of 0.001."""

    def rule(parts: list[np.ndarray], cs: list[float]) -> np.ndarray:
        xs = [c * part for c, part in zip(cs, parts, strict=True)]
        slope = pulled(xs, parts, [float((part**2).sum()) for part in parts])
        return adam(np.asarray(sum(xs)), slope, 50, 1e-3)

    return changed_blocks(data, weights, rule)


def opt_merge(data: Data, weights: Weights, full: bool) -> State:
    """arXiv 2505.19892, 300 steps."""

    def rule(parts: list[np.ndarray], cs: list[float]) -> np.ndarray:
        xs = [c * part for c, part in zip(cs, parts, strict=True)]
        k, mean = min(xs[0].shape) // len(xs), np.mean(xs, axis=0)
        centre = mean if full else 0.0 * mean
        targets = [truncated(x - centre, k) + centre for x in xs]
        rows = []
        for part in parts:
            _, s, vt = np.linalg.svd(part, full_matrices=False)
            rows.append(np.diag(s[:k]) @ vt[:k])
        slope = pulled(targets, rows, [float((part**2).sum()) for part in parts])
        if full:
            return adam(np.asarray(sum(xs)), slope, 300, 1e-5)
        place, speed = mean, np.zeros_like(mean)
        for _ in range(300):
            speed = 0.9 * speed + slope(place)
            place = place - 1e-4 * speed
        return place

    return changed_blocks(data, weights, rule)


def doge(data: Data, weights: Weights) -> State:
    """arXiv 2501.01230 with c_t η / ‖τ_t‖ for λ_t, 400 steps, the 30 % largest of all matrices."""
    cs = list(weights.values())
    found = {name: base.copy() for name, base in data["base"].items()}
    matrices = {name: parts for name, parts in taus(data, weights).items() if blocks(name, parts[0])}
    flat = [np.abs(np.concatenate([ps[t].reshape(-1) for ps in matrices.values()])) for t in range(len(cs))]
    limits = [np.sort(each)[len(each) - int(0.3 * len(each)) - 1] for each in flat]
    for name, parts in matrices.items():
        for block in blocks(name, parts[0]):
            own = [part[block] for part in parts]
            rates = [c * 0.07 / np.linalg.norm(part) for c, part in zip(cs, own, strict=True)]
            r = min(own[0].shape)
            heads = [np.linalg.svd(part, full_matrices=False)[0][:, : r // len(own)] for part in own]
            shared = np.linalg.svd(np.hstack(heads), full_matrices=False)[0][:, : r // 2]
            outside = np.eye(len(shared)) - shared @ shared.T

            def gradient(change: np.ndarray, own=own, rates=rates, outside=outside) -> np.ndarray:  # noqa: ANN001
                merged = sum(rate * (part + change) for rate, part in zip(rates, own, strict=True))
                slopes = [2 * ((merged - part) * part).sum(1, keepdims=True) * sum(rates) * part for part in own]
                return np.asarray(outside @ sum(slopes))

            change = adam(np.zeros_like(own[0]), gradient, 400, 1e-4)
            for rate, part, limit in zip(rates, own, limits, strict=True):
                found[name][block] += rate * (part + change) * (np.abs(part) >= limit)
    return found


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula)."""
    some, ones = {"a": 0.3, "b": 0.5, "c": 0.8}, {"a": 1.0, "b": 1.0, "c": 1.0}
    yield "swudi", {"time": 20.0}, some, swudi
    yield "aswudi", {}, some, aswudi
    yield "opcm", {}, ones, opcm
    yield "opcm", {"exact": True}, {"a": 0.3, "b": -0.5, "c": 0.8}, opcm
    yield "doge", {"subspace": 2, "exact": True}, some, doge
    yield "star", {}, some, star
    yield "lines", {"on": "tsv_m", "beta": 0.5}, some, lines_on_tsv_m
    yield "iso_cts", {"common": 0.25}, some, iso_cts
    yield "dc_merge", {"keep": 0.3, "exact": True}, some, dc_merge
    yield "wudi", {"steps": 50, "rate": 1e-3}, some, wudi
    yield "opt_merge", {"tuned": "full"}, some, lambda data, weights: opt_merge(data, weights, True)
    yield "opt_merge", {"tuned": "lora"}, some, lambda data, weights: opt_merge(data, weights, False)
