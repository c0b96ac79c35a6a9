"""Links: from a bounded metric to an unbounded scale on which a regression is honest, and back.

Notation: y is a metric (maximised), z its value on the link scale, slope = dz/dy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from surrogate.errors import SurrogateError

Array = NDArray[np.float64]
Kind = Literal["identity", "logit", "softplus", "square"]
NEAR = 1e-3  # a distance below this has the slope of this: at 0 the square root is infinitely steep


@dataclass(frozen=True)
class Link:
    """How one metric is warped before it is regressed on (MAP, arXiv 2406.07529, three cases of its surrogate).

    ``logit`` needs both bounds finite, ``softplus`` exactly one (the metric stays on its side of it), ``identity``
    none. ``square`` is for a distance from exactly one bound: the square of ‖Σ c δ‖ is a quadratic in c, itself is not.
    MAP's published code warps onto (0, 1) whatever the bounds; here low and high are used.
    """

    kind: Kind = "identity"
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        finite = int(math.isfinite(self.low)) + int(math.isfinite(self.high))
        needed = {"identity": (0, 1, 2), "logit": (2,), "softplus": (1,), "square": (1,)}.get(self.kind)
        if needed is None:
            raise SurrogateError(f"Unknown link '{self.kind}'.", "Allowed: identity, logit, softplus, square.")
        if finite not in needed:
            bounds = f"({self.low:g}, {self.high:g})"
            raise SurrogateError(
                f"Link '{self.kind}' cannot use the bounds {bounds}.",
                "logit needs two finite bounds, softplus and square exactly one; otherwise choose identity.",
            )
        if not self.low < self.high:
            raise SurrogateError(f"Link bounds must increase, got low {self.low:g} and high {self.high:g}.")

    def forward(self, y: Array, margin: float) -> Array:
        """y on the link scale; y is first kept ``margin`` (a share of the range, or metric units) off the bounds."""
        if self.kind == "logit":
            share = (y - self.low) / (self.high - self.low)
            return np.asarray(scipy.special.logit(np.clip(share, margin, 1.0 - margin)), dtype=np.float64)
        if self.kind == "softplus":
            gap = np.maximum(self._gap(y), margin)
            return np.asarray(gap + np.log(-np.expm1(-gap)), dtype=np.float64)
        if self.kind == "square":
            return np.asarray(np.square(np.maximum(self._gap(y), 0.0)), dtype=np.float64)
        return np.asarray(y, dtype=np.float64)

    def inverse(self, z: Array) -> Array:
        """The metric for a value on the link scale."""
        if self.kind == "logit":
            return np.asarray(self.low + (self.high - self.low) * scipy.special.expit(z), dtype=np.float64)
        if self.kind == "softplus":
            return self._from(np.logaddexp(0.0, z))
        if self.kind == "square":
            return self._from(np.sqrt(np.maximum(z, 0.0)))
        return np.asarray(z, dtype=np.float64)

    def slope(self, z: Array) -> Array:
        """|dy/dz| at z: what the delta method needs to carry a variance over."""
        if self.kind == "logit":
            p = scipy.special.expit(z)
            return np.asarray((self.high - self.low) * p * (1.0 - p), dtype=np.float64)
        if self.kind == "softplus":
            return np.asarray(scipy.special.expit(z), dtype=np.float64)
        if self.kind == "square":
            return np.asarray(0.5 / np.maximum(np.sqrt(np.maximum(z, 0.0)), NEAR), dtype=np.float64)
        return np.ones_like(z)

    def ascending(self) -> bool:
        """Whether the metric grows with z (false only for softplus and square hanging from an upper bound)."""
        return not (self.kind in ("softplus", "square") and not math.isfinite(self.low))

    def clip(self, y: Array) -> Array:
        """y kept inside the metric's own range."""
        return np.clip(y, self.low, self.high)

    def _gap(self, y: Array) -> Array:
        return y - self.low if math.isfinite(self.low) else self.high - y

    def _from(self, gap: Array) -> Array:
        return np.asarray(self.low + gap if math.isfinite(self.low) else self.high - gap, dtype=np.float64)


def link_for(low: float, high: float) -> Link:
    """The link a metric of this range gets: logit for two finite bounds, softplus for one, identity for none."""
    finite = int(math.isfinite(low)) + int(math.isfinite(high))
    kind: Kind = "logit" if finite == 2 else "softplus" if finite == 1 else "identity"
    return Link(kind, low, high)
