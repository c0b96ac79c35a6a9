"""Which outputs of a task are modelled, and how a metric is read from modelled outputs.

Metrics such as accuracy and soft accuracy depend on each sample's margin alone: the output of the true class and the
best of the others. For them only classes that are ever among a sample's two best, and its true class, are modelled,
and the metric is given two columns, true and best other. Whether a metric is of that kind, and whether it ignores a
shift of all classes, is not asked but tested on the trials: it must come out the same.
Memory layout of modelled outputs: (..., c, s), samples last; metrics see the view (..., s, c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate.observations import Array, MetricFunction, Outputs

Floats = NDArray[np.float32]
MODELLED_CLASSES = 32
NEAR = 100_000  # numbers of which a handful of arrays stay in a processor's cache


@dataclass(frozen=True)
class Reading:
    """How one task's outputs are modelled.

    classes (s, c): which class each modelled column is (true class first when margin); everywhere (s, C): mean of the
    (centred) outputs over trials, what classes that are not modelled keep; targets (s,); centred: outputs have their
    mean over classes taken off; margin: the metrics planned for may be read from the margin alone.
    """

    classes: NDArray[np.intp]
    everywhere: Floats
    targets: NDArray[Any]
    centred: bool
    margin: bool

    def model(self, outputs: Outputs) -> Floats:
        """The modelled columns of raw outputs (n, s, C): (n, c, s)."""
        raw = _centre(outputs) if self.centred else outputs.astype(np.float32)
        picked = np.take_along_axis(raw, self.classes[None], axis=2)
        return np.ascontiguousarray(np.moveaxis(picked, 2, 1))

    def full(self, modelled: Floats) -> Floats:
        """All classes (..., s, C) from modelled columns (..., c, s)."""
        lead = modelled.shape[:-2]
        if self.classes.shape[1] == self.everywhere.shape[1] and not self.margin:
            return np.moveaxis(modelled, -2, -1)
        out = np.broadcast_to(self.everywhere, lead + self.everywhere.shape).copy()
        index = np.broadcast_to(self.classes, lead + self.classes.shape)
        np.put_along_axis(out, index, np.moveaxis(modelled, -2, -1), axis=-1)
        return out

    def read(self, function: MetricFunction, modelled: Floats, margin: bool) -> Array:
        """A metric of modelled outputs (..., c, s): (...)."""
        if margin:
            return self._read_margin(function, modelled[..., 0, :], modelled[..., 1:, :].max(axis=-2))
        return np.asarray(function(self.full(modelled), self.targets), dtype=np.float64)

    def read_sampled(self, function: MetricFunction, mean: Floats, scale: Floats, field: Floats) -> Array:
        """A metric, read from margins, of mean (k, c, s) + scale (k, 1, 1) times field (draws, c, s): (k, draws)."""
        step = max(1, NEAR // (len(field) * mean.shape[-1]))
        parts = []
        for start in range(0, len(mean), step):
            some = slice(start, start + step)
            parts.append(self._read_margin(function, *_sampled_margin(mean[some], scale[some], field)))
        return np.concatenate(parts)

    def _read_margin(self, function: MetricFunction, true: Floats, best: Floats) -> Array:
        pair = np.moveaxis(np.stack([true, best]), 0, -1)
        return np.asarray(function(pair, np.zeros(len(self.targets), dtype=np.int64)), dtype=np.float64)


def _sampled_margin(mean: Floats, scale: Floats, field: Floats) -> tuple[Floats, Floats]:
    """The outputs of the true class and of the best other one, (k, draws, s) each.

    Class by class, so that the numbers stay in the cache.
    """
    true, best = (mean[:, None, c] + scale * field[None, :, c] for c in (0, 1))
    other = np.empty_like(best)
    for c in range(2, mean.shape[1]):
        np.multiply(scale, field[None, :, c], out=other)
        other += mean[:, None, c]
        np.maximum(best, other, out=best)
    return true, best


def plan(outputs: Outputs, targets: NDArray[Any], functions: Sequence[MetricFunction]) -> Reading:
    """Decides from the trials (n, s, C) what is modelled for these metrics."""
    C = outputs.shape[2]
    raw = outputs.astype(np.float32)
    truth = [np.asarray(f(raw, targets), dtype=np.float64) for f in functions]
    shifted = _centre(outputs)
    centred = C > 1 and all(_same(f, shifted, targets, t) for f, t in zip(functions, truth, strict=True))
    values = shifted if centred else raw
    everywhere = values.mean(axis=0)
    whole = np.broadcast_to(np.arange(C), everywhere.shape)
    if not _are_classes(targets, C) or C < 3:
        return Reading(np.array(whole, dtype=np.intp), everywhere, targets, centred, False)
    margin = centred and all(_is_margin(f, raw, targets, t) for f, t in zip(functions, truth, strict=True))
    live = margin or C > MODELLED_CLASSES
    classes = live_classes(values, targets) if live else np.array(whole, dtype=np.intp)
    return Reading(classes, everywhere, targets, centred, margin)


def live_classes(values: Floats, targets: NDArray[Any]) -> NDArray[np.intp]:
    """Per sample the true class, then those ever among its two best, then the next best on average: (s, c).

    c is the largest number that any sample needs, and at least 2.
    """
    n, s, C = values.shape
    live = np.zeros((s, C), dtype=bool)
    best = np.argpartition(values, C - 2, axis=2)[:, :, C - 2 :]
    for row in best:
        np.put_along_axis(live, row, True, axis=1)
    live[np.arange(s), targets] = True
    count = max(2, int(live.sum(axis=1).max()))
    mean = values.mean(axis=0)
    width = float(np.ptp(mean)) + 1.0
    rank = mean + width * live
    rank[np.arange(s), targets] += 2.0 * width
    return np.argsort(-rank, axis=1, kind="stable")[:, :count]


def margin_for(reading: Reading, function: MetricFunction, outputs: Outputs) -> bool:
    """Whether this metric too may be read from the margin alone, tested on the trials' outputs (n, s, C)."""
    if not reading.margin:
        return False
    raw = outputs.astype(np.float32)
    return _is_margin(function, raw, reading.targets, np.asarray(function(raw, reading.targets), dtype=np.float64))


def _is_margin(function: MetricFunction, raw: Floats, targets: NDArray[Any], truth: Array) -> bool:
    at = np.arange(len(targets))
    others = raw.copy()
    others[:, at, targets] = -np.inf
    pair = np.stack([raw[:, at, targets], others.max(axis=2)], axis=2)
    return _same(function, pair, np.zeros(len(targets), dtype=np.int64), truth)


def _same(function: MetricFunction, outputs: Floats, targets: NDArray[Any], truth: Array) -> bool:
    """Whether a metric comes out as it should; a metric that cannot live with these outputs does not."""
    try:
        value = np.asarray(function(outputs, targets), dtype=np.float64)
    except (ValueError, IndexError):
        return False
    return value.shape == truth.shape and bool(np.allclose(value, truth, rtol=1e-4, atol=2e-5))


def _centre(outputs: Outputs) -> Floats:
    raw = outputs.astype(np.float32)
    return np.asarray(raw - raw.mean(axis=2, keepdims=True), dtype=np.float32)


def _are_classes(targets: NDArray[Any], C: int) -> bool:
    return bool(np.issubdtype(targets.dtype, np.integer) and (targets >= 0).all() and (targets < C).all())
