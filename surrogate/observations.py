"""What a surrogate is given: done trials as arrays, checked once.

Letters: d coefficients, m metrics, n trials, k query points, s samples, C classes. X is (n, d) in coefficient units,
Y is (n, m) and always maximised; the caller flips metrics that are minimised once, on the way in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.link import Link
from surrogate.ties import CENTRE, Ties

Array = NDArray[np.float64]
Outputs = NDArray[Any]
MetricFunction = Callable[[NDArray[Any], NDArray[Any]], Any]


@dataclass(frozen=True)
class Observations:
    """Done trials as arrays; failed trials are simply not among them.

    X (n, d) coefficients; Y (n, m) metrics, maximised; noise (n, m) sampling variance of Y, 0 where unknown;
    low, high (d,) the box that is searched; names m metric names; links one per metric.
    outputs: per metric the per-sample outputs (n, s, C) it was read from, or None; targets: per metric (s,), or None;
    metrics: per metric the callable (outputs (..., s, C), targets (s,)) -> (...), maximised, or None;
    search: like metrics, what the search maximises instead (soft accuracy); empty means the metrics themselves.
    ties: which coefficients belong together and how much each matters, where that is known beforehand.

    Raises SurrogateError for shapes that disagree and for any number that is not finite, by name.
    """

    X: Array
    Y: Array
    noise: Array
    low: Array
    high: Array
    names: tuple[str, ...]
    links: tuple[Link, ...]
    outputs: tuple[Outputs | None, ...] = ()
    targets: tuple[NDArray[Any] | None, ...] = ()
    metrics: tuple[MetricFunction | None, ...] = ()
    search: tuple[MetricFunction | None, ...] = ()
    ties: Ties | None = None

    def __post_init__(self) -> None:
        for name in ("X", "Y", "noise", "low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        m = len(self.names)
        for name in ("outputs", "targets", "metrics", "search"):
            if not getattr(self, name):
                object.__setattr__(self, name, (None,) * m)
        check_shapes(self)
        check_values(self)
        if self.ties is not None and len(self.ties.owner) != self.d:
            raise SurrogateError(f"The ties are of {len(self.ties.owner)} coefficients, X has {self.d}.")

    @property
    def n(self) -> int:
        """Number of trials."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of coefficients."""
        return int(self.X.shape[1])

    @property
    def m(self) -> int:
        """Number of metrics."""
        return int(self.Y.shape[1])

    @property
    def unit(self) -> Array:
        """X mapped so that the box is the unit box, (n, d)."""
        return to_unit(self.X, self.low, self.high)

    def coordinates(self, X: Array) -> Array:
        """Points (k, d) as the logit surrogate's kernel sees them: of the unit box, stretched by what each matters."""
        u = to_unit(X, self.low, self.high)
        return u if self.ties is None else CENTRE + (u - CENTRE) * self.ties.scale

    @property
    def searches_otherwise(self) -> bool:
        """Whether the search maximises something other than the metrics that are shown."""
        return any(f is not None for f in self.search)

    def rows(self, index: Sequence[int] | NDArray[Any]) -> Observations:
        """The same observations with only these trials, in this order."""
        at = np.asarray(index)
        outputs = tuple(None if o is None else o[at] for o in self.outputs)
        return replace(self, X=self.X[at], Y=self.Y[at], noise=self.noise[at], outputs=outputs)

    def only(self, columns: Sequence[int]) -> Observations:
        """The same trials with only these metrics, in this order."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[j] for j in columns)

        at = list(columns)
        return Observations(
            self.X,
            self.Y[:, at],
            self.noise[:, at],
            self.low,
            self.high,
            pick(self.names),
            pick(self.links),
            pick(self.outputs),
            pick(self.targets),
            pick(self.metrics),
            pick(self.search),
            self.ties,
        )

    def canonical(self) -> NDArray[np.intp]:
        """An order of the trials that depends on their values only, so that results do not depend on row order."""
        keys = np.concatenate([self.X, self.Y], axis=1)
        return np.lexsort(keys.T[::-1])

    def for_search(self) -> Observations:
        """The same trials with Y read from the outputs by the search callables where there are any."""
        if not self.searches_otherwise:
            return self
        Y = self.Y.copy()
        metrics = list(self.metrics)
        for j, function in enumerate(self.search):
            outputs, targets = self.outputs[j], self.targets[j]
            if function is not None and outputs is not None and targets is not None:
                Y[:, j] = np.asarray(function(outputs.astype(np.float32), targets), dtype=np.float64)
                metrics[j] = function
        return replace(self, Y=Y, metrics=tuple(metrics), search=(None,) * self.m)


def together(parts: Sequence[Observations]) -> Observations:
    """Trials of one problem (same box, metrics, samples) as one; outputs are kept where every part has them."""
    first = parts[0]
    outputs = []
    for own in zip(*(part.outputs for part in parts), strict=True):
        known = [one for one in own if one is not None]
        outputs.append(np.concatenate(known) if len(known) == len(own) else None)
    X, Y, noise = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "Y", "noise"))
    return replace(first, X=X, Y=Y, noise=noise, outputs=tuple(outputs))


def to_unit(X: Array, low: Array, high: Array) -> Array:
    """Coefficients (k, d) mapped so that the box [low, high] becomes the unit box."""
    return np.asarray((np.atleast_2d(np.asarray(X, dtype=np.float64)) - low) / (high - low), dtype=np.float64)


def check_points(X: Array, d: int) -> Array:
    """X as a finite (k, d) array, or a SurrogateError that says what it is."""
    points = np.atleast_2d(np.asarray(X, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != d:
        raise SurrogateError(f"Points have shape {points.shape}, the surrogate was fitted to d = {d} coefficients.")
    if not np.isfinite(points).all():
        raise SurrogateError(f"Coefficients of point {int(np.argwhere(~np.isfinite(points))[0, 0])} are not finite.")
    return points


def need_trials(title: str, d: int, needed: int, n: int, cure: str = "") -> None:
    """Raises SurrogateError naming both numbers when n < needed."""
    if n < needed:
        raise SurrogateError(
            f"{title} over d = {d} coefficients needs at least {needed} done trials; there are {n}.",
            cure or f"Measure {needed - n} more.",
        )


def check_box(low: Array, high: Array, d: int) -> None:
    """Raises SurrogateError unless low < high, finite, d numbers each."""
    if low.shape != (d,) or high.shape != (d,):
        raise SurrogateError(f"The box has {low.size} lower and {high.size} upper bounds for d = {d} coefficients.")
    bad = ~(np.isfinite(low) & np.isfinite(high) & (low < high))
    if bad.any():
        i = int(np.argmax(bad))
        raise SurrogateError(f"Bounds of coefficient {i} are [{low[i]:g}, {high[i]:g}].", "The lower must be below.")


def check_shapes(o: Observations) -> None:
    """Raises SurrogateError where the arrays of the observations disagree."""
    if o.X.ndim != 2 or o.X.shape[1] < 1:
        raise SurrogateError(f"X must be (trials, coefficients), got shape {o.X.shape}.")
    n, m = o.X.shape[0], len(o.names)
    check_box(o.low, o.high, o.X.shape[1])
    for name, value in (("Y", o.Y), ("noise", o.noise)):
        if value.shape != (n, m):
            raise SurrogateError(f"{name} has shape {value.shape}, X and the names ask for ({n}, {m}).")
    for name in ("links", "outputs", "targets", "metrics", "search"):
        if len(getattr(o, name)) != m:
            raise SurrogateError(f"There are {len(getattr(o, name))} {name} for {m} metrics.")
    for name, outputs, targets in zip(o.names, o.outputs, o.targets, strict=True):
        if outputs is None:
            continue
        if outputs.ndim != 3 or outputs.shape[0] != n:
            raise SurrogateError(f"Outputs of '{name}' have shape {outputs.shape}, expected ({n}, samples, classes).")
        if targets is None or targets.shape != (outputs.shape[1],):
            raise SurrogateError(f"Targets of '{name}' do not match its {outputs.shape[1]} samples.")


def check_values(o: Observations) -> None:
    """Raises SurrogateError at the first number that is not finite, naming the metric and the trial."""
    if not np.isfinite(o.X).all():
        row, column = np.argwhere(~np.isfinite(o.X))[0]
        raise SurrogateError(f"Coefficient {column} of trial {row} is {o.X[row, column]}.", "Leave that trial out.")
    for label, values in (("", o.Y), ("The noise of ", o.noise)):
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            what = f"{label}'{o.names[column]}'"
            raise SurrogateError(
                f"{what} of trial {row} is {values[row, column]}, a number is needed.",
                "Leave that trial out, or measure it again.",
            )
    if (o.noise < 0).any():
        row, column = np.argwhere(o.noise < 0)[0]
        raise SurrogateError(f"The noise of '{o.names[column]}' of trial {row} is negative.")
    for name, outputs in zip(o.names, o.outputs, strict=True):
        if outputs is not None and not np.isfinite(outputs).all():
            row = int(np.argwhere(~np.isfinite(outputs))[0, 0])
            raise SurrogateError(f"Outputs of '{name}' of trial {row} are not finite.", "Leave that trial out.")
