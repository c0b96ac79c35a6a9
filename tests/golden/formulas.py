"""The published equations in plain numpy float64, written apart from merging/: the oracle where there is no other.

Data: {"base": state, "a": state, …} of arrays; every function returns the merged state.
"""

import hashlib
import math
from collections.abc import Callable, Iterator

import numpy as np

State = dict[str, np.ndarray]
Data = dict[str, State]
Weights = dict[str, float]


def taus(data: Data, weights: Weights) -> dict[str, list[np.ndarray]]:
    base = data["base"]
    return {name: [np.asarray(data[who][name] - base[name]) for who in weights] for name in base}


def per_tensor(data: Data, weights: Weights, rule: Callable[[str, list[np.ndarray]], list[np.ndarray]]) -> State:
    found = {}
    for name, parts in taus(data, weights).items():
        directions = rule(name, parts)
        found[name] = data["base"][name] + sum(c * d for c, d in zip(weights.values(), directions, strict=True))
    return found


def blocks(name: str, part: np.ndarray) -> list[slice]:
    if part.ndim != 2:
        return []
    if name.endswith("in_proj_weight"):
        third = part.shape[0] // 3
        return [slice(0, third), slice(third, 2 * third), slice(2 * third, None)]
    return [slice(0, None)]


def by_block(
    name: str, parts: list[np.ndarray], rule: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> list[np.ndarray]:
    found = [part / len(parts) for part in parts]
    for block in blocks(name, parts[0]):
        for target, value in zip(found, rule([part[block] for part in parts]), strict=True):
            target[block] = value
    return found


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


def breadcrumbs(data: Data, weights: Weights) -> State:
    """arXiv 2312.06795 along the last dimension, density 0.5, top 0.3, at least one entry."""

    def row(values: np.ndarray) -> np.ndarray:
        n = len(values)
        order = np.argsort(np.abs(values))
        wanted = max(1, int(0.5 * n))
        last = max(wanted, n - int(0.3 * n))
        low, high = np.abs(values)[order[last - wanted]], np.abs(values)[order[last - 1]]
        return np.where((np.abs(values) >= low) & (np.abs(values) <= high), values, 0.0)

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        return [np.apply_along_axis(row, -1, part) if part.ndim else part for part in parts]

    return per_tensor(data, weights, rule)


def karcher(data: Data, weights: Weights) -> State:
    """Fréchet mean on the sphere of the task vectors, iterated on the vectors themselves."""
    shares = np.array(list(weights.values())) / sum(weights.values())
    found = {}
    for name, parts in taus(data, weights).items():
        flat = np.stack([part.reshape(-1) for part in parts])
        sizes = np.linalg.norm(flat, axis=1)
        units = flat / sizes[:, None]
        mean = shares @ units
        mean /= np.linalg.norm(mean)
        for _ in range(10):
            step = np.zeros_like(mean)
            for share, unit in zip(shares, units, strict=True):
                cosine = np.clip(unit @ mean, -1, 1)
                angle = np.arccos(cosine)
                if angle > 1e-5 and np.sin(angle) > 1e-5:
                    step += share * angle / np.sin(angle) * (unit - cosine * mean)
            length = np.linalg.norm(step)
            if length < 1e-5:
                break
            mean = np.cos(length) * mean + np.sin(length) * step / length
        found[name] = data["base"][name] + (shares @ sizes * mean).reshape(parts[0].shape)
    return found


def ram(data: Data, weights: Weights) -> State:
    """arXiv 2601.13572, RAM+ with R = 1.2 and ε = 0.05, counted over the whole model."""
    all_parts = taus(data, weights)
    moved = {name: np.stack([np.abs(part) > 0.05 for part in parts]) for name, parts in all_parts.items()}
    factors = []
    for t in range(len(weights)):
        shared = sum(int((m[t] & (m.sum(0) > 1)).sum()) for m in moved.values())
        unique = sum(int((m[t] & (m.sum(0) == 1)).sum()) for m in moved.values())
        factors.append(1 + 0.2 * min(1.0, shared / unique))

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        count = moved[name].sum(0)
        scale = [np.where(count > 1, 1 / np.maximum(count, 1), factor) for factor in factors]
        return [part * m * s for part, m, s in zip(parts, moved[name], scale, strict=True)]

    return per_tensor(data, weights, rule)


def uniform(seed: int, expert: str, tensor: str, shape: tuple[int, ...]) -> np.ndarray:
    """Philox 4x64-10 written out (Salmon et al. 2011), keyed by SHA-256 of seed, expert and tensor name."""
    digest = hashlib.sha256(f"{seed}\0{expert}\0{tensor}".encode()).digest()
    key = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")]
    words: list[int] = []
    counter = 0
    while len(words) < math.prod(shape):
        counter += 1
        words += philox([counter, 0, 0, 0], list(key))
    return np.array([(word >> 40) * 2.0**-24 for word in words[: math.prod(shape)]]).reshape(shape)


def philox(counter: list[int], key: list[int]) -> list[int]:
    mask = 2**64 - 1
    c = counter
    for turn in range(10):
        if turn:
            key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ key[0], second & mask, (first >> 64) ^ c[3] ^ key[1], first & mask]
    return c


def dare(data: Data, weights: Weights, drop: float, seed: int) -> dict[str, list[np.ndarray]]:
    return {
        name: [
            part * (uniform(seed, who, name, part.shape) >= drop) / (1 - drop)
            for who, part in zip(weights, parts, strict=True)
        ]
        for name, parts in taus(data, weights).items()
    }


def dare_linear(data: Data, weights: Weights) -> State:
    """arXiv 2311.03099 with drop 0.4 and seed 3."""
    dropped = dare(data, weights, 0.4, 3)
    return per_tensor(data, weights, lambda name, _: dropped[name])


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


def magprune(data: Data, weights: Weights) -> dict[str, list[np.ndarray]]:
    """arXiv 2406.11617 §MagPrune with density 0.6, ε 0.2 and seed 5."""
    found: dict[str, list[np.ndarray]] = {}
    for name, parts in taus(data, weights).items():
        found[name] = []
        for who, part in zip(weights, parts, strict=True):
            rows = part.reshape(part.shape[0] if part.ndim > 1 else 1, -1)
            chance = np.full(rows.shape, 0.6)
            if rows.shape[1] > 1:
                for i, row in enumerate(rows):
                    rank = np.empty(len(row))
                    # float32, as the product ranks: equal changes keep their order
                    rank[np.argsort(np.abs(row).astype(np.float32), kind="stable")] = np.arange(len(row))
                    chance[i] = 0.4 + 0.4 * rank / (len(row) - 1)
            stays = uniform(5, who, name, rows.shape) < chance
            found[name].append((rows * stays / chance).reshape(part.shape))
    return found


def della_linear(data: Data, weights: Weights) -> State:
    pruned = magprune(data, weights)
    return per_tensor(data, weights, lambda name, _: pruned[name])


def della(data: Data, weights: Weights) -> State:
    pruned = magprune(data, weights)
    return per_tensor(data, weights, lambda name, _: election(pruned[name], 1.0))


def consensus(data: Data, weights: Weights) -> State:
    """arXiv 2405.07813 with λ = 0.5 and k = 2."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        total = np.asarray(sum(parts))
        mask = sum((np.abs(part) > 0.5 * np.abs(total - part)).astype(int) for part in parts) >= 2
        return [part * mask for part in parts]

    return per_tensor(data, weights, rule)


def lines(data: Data, weights: Weights) -> State:
    """arXiv 2410.17146 with α = 1/T and β = 0.5; layers 0, 1, 2 have depth 0, 1/2, 1."""
    depth = {"layers.0": 0.0, "layers.1": 0.5, "layers.2": 1.0}

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        return [part * (1 / len(parts) + 0.5 * depth.get(name[:8], 0.0)) for part in parts]

    return per_tensor(data, weights, rule)


def localize_and_stitch(data: Data, weights: Weights) -> State:
    """arXiv 2408.13656, dataless, 25 % of the whole model."""
    all_parts = taus(data, weights)
    total = sum(parts[0].size for parts in all_parts.values())
    thresholds = [
        np.sort(np.concatenate([np.abs(parts[t]).reshape(-1) for parts in all_parts.values()]))[
            total - int(0.25 * total)
        ]
        for t in range(len(weights))
    ]

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        masks = [np.abs(p) >= t - 1e-6 for p, t in zip(parts, thresholds, strict=True)]
        count = np.maximum(sum(m.astype(int) for m in masks), 1)
        return [part * mask / count for part, mask in zip(parts, masks, strict=True)]

    return per_tensor(data, weights, rule)


def delta_weighted(data: Data, weights: Weights) -> State:
    """|τ|² weights."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        total = np.maximum(sum(np.abs(part) ** 2 for part in parts), 1e-30)
        return [part * np.abs(part) ** 2 / total for part in parts]

    return per_tensor(data, weights, rule)


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
    """arXiv 2501.09522 step by step, rescaled after each expert; weights are all 1 (published)."""
    parts = taus(data, weights)
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


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula)."""
    some, ones = {"a": 0.3, "b": 0.5, "c": 0.8}, {"a": 1.0, "b": 1.0, "c": 1.0}
    yield "dare_linear", {"drop": 0.4, "seed": 3}, some, dare_linear
    yield "dare_ties", {"drop": 0.4, "density": 0.3, "seed": 3, "exact": True}, some, dare_ties
    yield "della_linear", {"density": 0.6, "epsilon": 0.2, "seed": 5}, some, della_linear
    yield "della", {"density": 0.6, "epsilon": 0.2, "seed": 5}, some, della
    yield "consensus", {"threshold": 0.5}, some, consensus
    yield "lines", {"beta": 0.5}, some, lines
    yield "localize_and_stitch", {"density": 0.25}, some, localize_and_stitch
    yield "delta_weighted", {"power": 2.0}, some, delta_weighted
    yield "swudi", {"time": 20.0}, some, swudi
    yield "aswudi", {}, some, aswudi
    yield "opcm", {}, ones, opcm
    yield "star", {}, some, star
