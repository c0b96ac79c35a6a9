"""Do two checkpoints keep their hidden units in the same places? Weight matching as a check that they share a base.

Merging adds weights place by place, which means something only where unit i of one model is unit i of the other. Models
fine-tuned from one base keep their units' places; trained apart, or shuffled, they do not, and must not be merged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from merging.architecture.names import BLOCK, MLPS
from merging.files.tensors import Tensors

Places = npt.NDArray[np.intp]
Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # W₁ (n, d), W₂ (d, n)
SWEEPS = 8
MOST = 4


@dataclass(frozen=True)
class Matching:
    """Of all hidden units of all MLPs: the share that matches its own place best, and cosines of their weights.

    before: of the weights as they are; after: with the units in the order of the match. Equal when nothing is out of
    place. stream: the share of the residual stream's channels that match their own place.
    """

    share: float
    before: float
    after: float
    units: int
    stream: float


@dataclass(frozen=True)
class _Order:
    """A tower's match: what each MLP's units and the stream's channels of the base are in the expert; ⟨base, match⟩."""

    hidden: tuple[Places, ...]
    stream: Places
    value: float


def matching(base: Tensors, expert: Tensors) -> Matching | None:
    """Match every MLP's hidden units to the base's; None where there is no MLP whose names are known.

    Weight matching of Git Re-Basin (Ainsworth et al., arXiv 2209.04836, § 3.2) by towers: the permutations of each
    hidden layer, P, and of the residual stream between them, R, with the largest Σ ⟨W₁, P W₁' Rᵀ⟩ + ⟨W₂, R W₂' Pᵀ⟩, by
    coordinate ascent, each step a linear assignment problem; from R = 1, and from the R that norms and biases suggest.
    Heads of attention are left as they are. Of a deep tower four MLPs are looked at, so that neither memory nor time
    grows with depth. O(n³) for n units and sweep: about a second for 3072.
    """
    towers: dict[str, list[tuple[str, str]]] = {}
    for first, second in pairs({key: base.shape(key) for key in base.keys()}):
        block = BLOCK.search(first)
        towers.setdefault(first[: block.start(1)] if block else "", []).append((first, second))
    kept = units = in_place = channels = 0
    sums = np.zeros(4)  # ⟨base, expert⟩, ⟨base, matched⟩, ‖base‖², ‖expert‖²
    for names in (_some(every) for every in towers.values()):
        ours, theirs = ([_weights(each, *pair) for pair in names] for each in (base, expert))
        best = max(
            (_ascended(ours, theirs, start) for start in _starts(base, expert, names, ours[0][0].shape[1])),
            key=lambda order: order.value,
        )
        for places in best.hidden:
            kept, units = kept + int((places == np.arange(len(places))).sum()), units + len(places)
        in_place += int((best.stream == np.arange(len(best.stream))).sum())
        channels += len(best.stream)
        flat = [np.concatenate([one.ravel() for pair in each for one in pair]) for each in (ours, theirs)]
        sums += [flat[0] @ flat[1], best.value, flat[0] @ flat[0], flat[1] @ flat[1]]
    if not units:
        return None
    size = float(np.sqrt(sums[2] * sums[3])) or 1.0
    return Matching(kept / units, float(sums[0] / size), float(sums[1] / size), units, in_place / channels)


def _some(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """At most four, evenly spread, the first and the last among them."""
    places = np.unique(np.linspace(0, len(names) - 1, MOST).round().astype(int))
    return [names[place] for place in places]


def _ascended(ours: Sequence[Pair], theirs: Sequence[Pair], stream: Places) -> _Order:
    """Turn by turn the best order of every hidden layer for the stream's, and of the stream for theirs."""
    value, hidden = -np.inf, tuple[Places, ...]()
    for _ in range(SWEEPS):
        likenesses = [w1 @ v1[:, stream].T + w2.T @ v2[stream] for (w1, w2), (v1, v2) in zip(ours, theirs, strict=True)]
        hidden = tuple(_assigned(likeness) for likeness in likenesses)
        found = sum(float(one[np.arange(len(p)), p].sum()) for one, p in zip(likenesses, hidden, strict=True))
        if found <= value * (1.0 + 1e-9):
            break
        value = found
        between = sum(
            w1.T @ v1[p] + w2 @ v2[:, p].T for (w1, w2), (v1, v2), p in zip(ours, theirs, hidden, strict=True)
        )
        stream = _assigned(np.asarray(between))
    return _Order(hidden, stream, value)


def _starts(base: Tensors, expert: Tensors, names: Sequence[tuple[str, str]], width: int) -> list[Places]:
    """The stream as it is; and as the vectors beside the MLPs (norms, biases) have it, if there are any."""
    blocks = {match.string[: match.end(1)] for first, _ in names if (match := BLOCK.search(first))}
    keys = [
        key
        for key in base.keys()
        if base.shape(key) == (width,) and any(key.startswith(f"{block}.") for block in blocks)
    ]
    straight = [np.arange(width)]
    if not keys:
        return straight
    rows = [np.stack([_wide(each, key) for key in keys]) for each in (base, expert)]
    size = np.maximum(rows[0].std(axis=1, keepdims=True), 1e-12)
    mine, other = ((one - rows[0].mean(axis=1, keepdims=True)) / size for one in rows)
    apart = (mine**2).sum(0)[:, None] - 2.0 * mine.T @ other + (other**2).sum(0)[None]
    return [*straight, _assigned(-apart)]


def _assigned(likeness: npt.NDArray[np.float64]) -> Places:
    """Which column each row is matched with, for the largest sum."""
    from scipy.optimize import linear_sum_assignment  # a third of a second that reading methods should not cost

    return np.asarray(linear_sum_assignment(likeness, maximize=True)[1], dtype=np.intp)


def _weights(tensors: Tensors, first: str, second: str) -> Pair:
    """W₁ (n, d) and W₂ (d, n); GPT-2's Conv1D stores both the other way round, which the length of its bias tells."""
    one, other = _wide(tensors, first), _wide(tensors, second)
    bias = first.removesuffix("weight") + "bias"
    turned = bias in tensors.keys() and len(one) != tensors.shape(bias)[0]
    return (one.T, other.T) if turned else (one, other)


def _wide(tensors: Tensors, key: str) -> npt.NDArray[np.float64]:
    return np.asarray(tensors.get(key).to(torch.float64).numpy(), dtype=np.float64)


def pairs(shapes: Mapping[str, tuple[int, ...]]) -> Sequence[tuple[str, str]]:
    """Return the names of every MLP's first and second weight."""
    found = []
    for key in sorted(shapes):
        for first, second in MLPS:
            other = key.removesuffix(first) + second
            if key.endswith(first) and other in shapes and shapes[key][0] == shapes[other][1]:
                found.append((key, other))
    return found


def hidden_order(ours: Pair, theirs: Pair) -> Places:
    """Which hidden unit of one MLP, W₁ (n, d) and W₂ (d, n), is each of another's: the largest Σ ⟨row, row⟩."""
    return _assigned(ours[0] @ theirs[0].T + ours[1].T @ theirs[1])
