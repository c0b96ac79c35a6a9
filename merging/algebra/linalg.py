"""Linear algebra with one convention for zeros, signs and ties; float32 in, float32 out."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

CHUNK = 1 << 20
SHORT = 1 << 15  # numbers: sorting so many is faster than counting them
SAMPLED = 64  # one in so many numbers is sampled to bound a rank
SAMPLES = 1 << 20  # of each vector, at most
HELD = 1 << 23  # numbers between the bounds that are held at most
RELATIVE = 1e-6  # singular values below this share of the largest count as zero
NOISE = 1e-7  # below this share of the largest, singular values of a float32 matrix are rounding


def gram_matrix(base: Tensor, deltas: Tensor) -> npt.NDArray[np.float64]:
    """Return inner products (T+1, T+1) in float64 of one tensor's [base, τ_1 … τ_T]."""
    rows = torch.cat((base.reshape(1, -1), deltas.reshape(len(deltas), -1)))
    total = torch.zeros((len(rows), len(rows)), dtype=torch.float64)
    for part in torch.split(rows, CHUNK, dim=1):
        wide = part.to(torch.float64)
        total += wide @ wide.T
    found: npt.NDArray[np.float64] = total.numpy()
    return found


def isotropic(matrix: Tensor) -> Tensor:
    """Return σ̄ UVᵀ of M = UΣVᵀ, σ̄ = mean σ, through one eigendecomposition of the smaller M Mᵀ (float64)."""
    wide = matrix.to(torch.float64)
    if wide.shape[0] > wide.shape[1]:
        return isotropic(matrix.T).T
    values, vectors = torch.linalg.eigh(wide @ wide.T)
    sigma = values.clamp_min(0.0).sqrt()
    keep = sigma > RELATIVE * sigma.max()
    inverse = torch.where(keep, 1.0 / torch.where(keep, sigma, 1.0), 0.0)
    found: Tensor = (vectors * (inverse * sigma.mean())) @ (vectors.T @ wide)
    return found.to(matrix.dtype)


def thin_svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (m, r), S (r,) descending, Vᵀ (r, n) of M, through one eigendecomposition of the smaller M Mᵀ.

    In float64 this is as fast as an SVD in float32, and a hundred times nearer to the exact vectors. Directions
    with σ below 1e-7 of the largest are rounding, as in any float32 matrix; their rows of Vᵀ are zero.
    """
    wide = matrix.to(torch.float64)
    if wide.shape[0] > wide.shape[1]:
        v, s, ut = thin_svd(matrix.T)
        return ut.T, s, v.T
    values, vectors = torch.linalg.eigh(wide @ wide.T)
    s, u = values.flip(0).clamp_min(0.0).sqrt(), vectors.flip(1)
    inverse = torch.where(s > NOISE * s[0], 1.0 / torch.where(s > 0, s, 1.0), 0.0)
    vt = (u.T @ wide) * inverse.unsqueeze(1)
    return u.to(matrix.dtype), s.to(matrix.dtype), vt.to(matrix.dtype)


def leading(matrix: Tensor, most: int, against: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (m, k), S (k,), V (n, k) of the leading singular values, at most `most`, that are not zero.

    Zero is 1e-6 of the largest, or of `against` where that is larger: the size of what rounding errors are from.
    """
    u, s, vt = thin_svd(matrix)
    kept = min(most, int((s > RELATIVE * max(float(s[0]), against)).sum()))
    return u[:, :kept], s[:kept], vt[:kept].T


def polar(matrix: Tensor) -> Tensor:
    """Return the polar factor UVᵀ of M = UΣVᵀ; directions with σ ≈ 0 are left out, not made up.

    M (MᵀM)^(−1/2), with the root of the smaller Gram matrix in float64.
    """
    wide = matrix.to(torch.float64)
    if wide.shape[0] < wide.shape[1]:
        return polar(matrix.T).T
    values, vectors = torch.linalg.eigh(wide.T @ wide)
    sigma = values.clamp_min(0.0).sqrt()
    keep = sigma > RELATIVE * sigma.max()
    found: Tensor = wide @ ((vectors[:, keep] / sigma[keep]) @ vectors[:, keep].T)
    return found.to(matrix.dtype)


def kth_of_rows(rows: Tensor, ranks: Sequence[int]) -> list[float]:
    """Return the exact rank-th smallest x (rank from 1) of each row of (T, …); short rows are sorted."""
    flat = rows.reshape(len(rows), -1)
    if flat.shape[1] > SHORT:
        return kth_values(lambda: (flat,), ranks)
    ranked = flat.sort(dim=1).values
    return [float(row[rank - 1]) for row, rank in zip(ranked, ranks, strict=True)]


def kth_magnitudes(rows: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[float]:
    """Return, for each of T vectors, the exact rank-th smallest |x| (rank from 1); see `kth_values`."""
    return kth_values(lambda: (piece.abs() for piece in rows()), ranks)


def kth_values(rows: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[float]:
    """Return, for each of T vectors, the exact rank-th smallest x (rank from 1), without sorting.

    `rows()` goes through pieces (T, …) of the vectors and is called up to four times. A sample tells between which
    two numbers the value lies; then what is below is counted and what lies between is sorted. Where that fails,
    histograms count. Memory does not grow with the vectors.
    """
    return _selected(rows, ranks) or _counted(rows, ranks)


def _selected(rows: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[float] | None:
    """Find the values between bounds from a sample; None where one is not there, or too much is.

    What equals a bound is counted, not held: differences of bfloat16 numbers have few values.
    """
    bounds = _bounds(rows, ranks)
    counts = np.zeros((len(ranks), 3), dtype=np.int64)  # below the lower bound, equal to it, equal to the upper one
    between = [_Held(1, HELD) for _ in ranks]
    for piece in rows():
        for number, (row, (low, high)) in enumerate(zip(piece.reshape(len(piece), -1), bounds, strict=True)):
            values, least, most = row.cpu().numpy(), np.float32(low), np.float32(high)  # several times faster in numpy
            outer = [np.count_nonzero(which) for which in (values < least, values == least, values == most)]
            counts[number] += outer
            places = np.flatnonzero((values > least) & (values < most))
            if not between[number].add(torch.from_numpy(values[places]).view(1, -1)):
                return None
    found = [
        _ranked(rank - int(below), int(low), held.numbers()[0], int(high), pair)
        for rank, (below, low, high), held, pair in zip(ranks, counts, between, bounds, strict=True)
    ]
    values = [value for value in found if value is not None]
    return values if len(values) == len(found) else None


def _ranked(rank: int, low: int, inside: Tensor, high: int, bounds: tuple[float, float]) -> float | None:
    """Return the rank-th of: the lower bound `low` times, what is inside, the upper bound `high` times."""
    if bounds[0] == bounds[1]:
        high = 0  # the same ones were counted twice
    if not 1 <= rank <= low + len(inside) + high:
        return None
    if rank <= low:
        return bounds[0]
    rank -= low
    return float(inside.sort().values[rank - 1]) if rank <= len(inside) else bounds[1]


class _Held:
    """Rows of numbers that grow in one place: small pieces kept between large ones would tear the heap apart."""

    def __init__(self, rows: int, most: int) -> None:
        self._room = torch.empty(rows, most)
        self.taken = 0

    def add(self, more: Tensor) -> bool:
        """Append columns; False where they do not fit."""
        end = self.taken + more.shape[1]
        if end > self._room.shape[1]:
            return False
        self._room[:, self.taken : end] = more
        self.taken = end
        return True

    def numbers(self) -> Tensor:
        """Return what was added."""
        return self._room[:, : self.taken]

    def halve(self) -> None:
        """Keep every other column."""
        kept = self.numbers()[:, ::2].clone()
        self.taken = kept.shape[1]
        self._room[:, : self.taken] = kept


def _bounds(rows: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[tuple[float, float]]:
    """Return two numbers for each vector between which its rank lies, as far as a sample can tell."""
    held = _Held(len(ranks), 2 * SAMPLES)
    step, seen = SAMPLED, 0
    for piece in rows():
        flat = piece.reshape(len(piece), -1)
        for start in range(0, flat.shape[1], SAMPLES):
            part = flat[:, start : start + SAMPLES]
            held.add(part[:, -seen % step :: step])
            seen += part.shape[1]
            if held.taken > SAMPLES:
                held.halve()
                step *= 2
    taken = held.taken
    found: list[tuple[float, float]] = []
    for row, rank in zip(held.numbers().sort(dim=1).values, ranks, strict=True):
        share = rank / seen
        middle, spread = share * taken, 6.0 * (taken * share * (1.0 - share)) ** 0.5 + 8.0
        first, last = int(middle - spread), int(middle + spread)
        low = -float("inf") if middle < spread else float(row[first])
        found.append((low, float("inf") if last >= taken else float(row[last])))
    return found


def _counted(rows: Callable[[], Iterable[Tensor]], ranks: Sequence[int]) -> list[float]:
    """Find the values by counting.

    Read as integers, floats are in the order of their values: one histogram of the upper 16 bits finds the bin, and
    a second one, of the lower 16 bits of what is in that bin, the value.
    """
    wanted = np.asarray(ranks, dtype=np.int64)
    upper = np.zeros((len(ranks), 1 << 16), dtype=np.int64)
    for piece in rows():
        for row, keys in enumerate(_keys(piece)):
            _count(upper[row], keys >> 16)
    before = np.cumsum(upper, axis=1)
    bins = (before < wanted[:, None]).sum(axis=1)
    left = wanted - [counts[chosen - 1] if chosen else 0 for counts, chosen in zip(before, bins, strict=True)]
    lower = np.zeros((len(ranks), 1 << 16), dtype=np.int64)
    for piece in rows():
        for row, keys in enumerate(_keys(piece)):
            _count(lower[row], keys[keys >> 16 == bins[row]] & 0xFFFF)
    found = (np.cumsum(lower, axis=1) < left[:, None]).sum(axis=1)
    return _floats(bins.astype(np.uint32) << 16 | found.astype(np.uint32))


def _count(counts: npt.NDArray[np.int64], found: npt.NDArray[np.uint32]) -> None:
    """Add how often each of 65,536 numbers was found; few are counted one by one."""
    if len(found) < len(counts) // 16:
        np.add.at(counts, found, 1)
    else:
        counts += np.bincount(found, minlength=len(counts))


def _keys(piece: Tensor) -> npt.NDArray[np.uint32]:
    """Return integers in the order of the floats, (T, n): flip all bits of negatives, the sign of others."""
    bits = piece.reshape(len(piece), -1).contiguous().cpu().numpy().view(np.int32)
    keys: npt.NDArray[np.uint32] = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
    return keys


def _floats(keys: npt.NDArray[np.uint32]) -> list[float]:
    """Turn keys back into the floats that they stand for."""
    bits = np.where(keys >> 31 == 1, keys ^ np.uint32(1 << 31), ~keys)
    return [float(value) for value in bits.astype(np.uint32).view(np.float32)]
