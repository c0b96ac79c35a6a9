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


def model_stock(data: Data, weights: Weights) -> State:
    """arXiv 2403.19522 on T c τ: only the sign of c turns an angle."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        turned = [np.sign(c) * part.reshape(-1) for c, part in zip(weights.values(), parts, strict=True)]
        units = [part / np.linalg.norm(part) for part in turned]
        cosines = [one @ other for number, one in enumerate(units) for other in units[:number]]
        cosine, count = np.mean(cosines), len(parts)
        below = 1 + (count - 1) * cosine
        ratio = np.clip(count * cosine / below, 0, 1) if below > 0 else 0.0
        return [ratio * part for part in parts]

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


def consensus(data: Data, weights: Weights) -> State:
    """arXiv 2405.07813 with λ = 0.5 and k = 2."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        total = np.asarray(sum(parts))
        mask = sum((np.abs(part) > 0.5 * np.abs(total - part)).astype(int) for part in parts) >= 2
        return [part * mask for part in parts]

    return per_tensor(data, weights, rule)


def lines(data: Data, weights: Weights) -> State:
    """arXiv 2410.17146 with α = 1/T and β = 0.5; layers 0, 1, 2 have depth 0, 1/2, 1."""

    def rule(name: str, parts: list[np.ndarray]) -> list[np.ndarray]:
        return [part * (1 / len(parts) + 0.5 * DEPTH.get(name[:8], 0.0)) for part in parts]

    return per_tensor(data, weights, rule)


DEPTH = {"layers.0": 0.0, "layers.1": 0.5, "layers.2": 1.0}


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


def cases() -> Iterator[tuple[str, dict[str, object], Weights, Callable[[Data, Weights], State]]]:
    """Go through (method, settings, coefficients, formula)."""
    some = {"a": 0.3, "b": 0.5, "c": 0.8}
    yield "dare_linear", {"drop": 0.4, "seed": 3}, some, dare_linear
    yield "della_linear", {"density": 0.6, "epsilon": 0.2, "seed": 5}, some, della_linear
    yield "consensus", {"threshold": 0.5}, some, consensus
    yield "model_stock", {"exact": True}, {"a": 0.3, "b": -0.5, "c": 0.8}, model_stock
    yield "lines", {"beta": 0.5}, some, lines
    yield "localize_and_stitch", {"density": 0.25}, some, localize_and_stitch
    yield "delta_weighted", {"power": 2.0}, some, delta_weighted
