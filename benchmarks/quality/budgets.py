"""Who measures what: every rival spends the same number of real measurements; all of them count.

Each function gives pool rows in the order they were measured, so every smaller budget is a prefix.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.quality.bed import Bed, Rows
from benchmarks.quality.pools import Array
from benchmarks.quality.rivals import RIVALS, Model, least_squares, predicted_rows
from study.running.plan import BATCH, design_size
from surrogate import design, propose, surrogate
from surrogate.sobol import sobol

Spend = Callable[[Bed, int, int], Rows]


def designed(bed: Bed, count: int, seed: int) -> Rows:
    """The product's first points and nothing else: anchors, then I-optimal (N <= 3) or scaled simplex."""
    return bed.snap(design(bed.d, count, np.zeros(bed.d), np.ones(bed.d), seed=seed).X, _none())


def product_loop(bed: Bed, count: int, seed: int) -> Rows:
    """The product's own loop: design, then two points at a time that promise most hypervolume in soft accuracy."""
    return _loop(bed, count, seed, "chosen")


def acquisition_loop(bed: Bed, count: int, seed: int) -> Rows:
    """BoTorch on accuracies: same design, then qLogNEHVI (qLogNParEGO above four tasks), two points at a time."""
    return _loop(bed, count, seed, "gp")


def _loop(bed: Bed, count: int, seed: int, name: str) -> Rows:
    rows = designed(bed, min(count, design_size(bed.d)), seed)
    while len(rows) < count:
        fitted: Any = RIVALS[name].fit(bed, rows, seed)
        wanted = propose(fitted, min(BATCH, count - len(rows)), seed + len(rows)).X
        rows = np.concatenate([rows, bed.snap(wanted, rows)])
    return rows


def map_two_stages(bed: Bed, count: int, seed: int) -> Rows:
    """MAP: 60 % of the budget as a design, the mended quadratic fitted once, the rest verifies points of its front."""
    return _two_stages(
        bed, count, seed, lambda rows: surrogate("quadratic").fit(bed.observations(rows, "identity"), seed)
    )


def map_published(bed: Bed, count: int, seed: int) -> Rows:
    """The same with the published fit, least squares; a design alone while it has fewer trials than numbers."""
    return _two_stages(bed, count, seed, lambda rows: least_squares(bed, rows), (bed.d + 1) * (bed.d + 2) // 2)


def _two_stages(bed: Bed, count: int, seed: int, fit: Callable[[Rows], Model], least: int = 0) -> Rows:
    first = max(2 * bed.d + 1, least, round(0.6 * count))
    rows = designed(bed, min(first, count), seed)
    if len(rows) >= count:
        return rows
    fitted = fit(rows)
    front = predicted_rows(fitted, bed, count, "hard", seed, fitted.predict(bed.X).mean)
    fresh = np.array([row for row in front if row not in set(rows.tolist())], dtype=np.intp)[: count - len(rows)]
    rows = np.concatenate([rows, fresh])
    return np.concatenate([rows, bed.snap(sobol(bed.d, max(count - len(rows), 1), seed + 7), rows)])[:count]


def genetic(bed: Bed, count: int, seed: int) -> Rows:
    """NSGA-II (pymoo) on real measurements, generations of 10; a child that was measured already lands beside it."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    found: list[int] = []

    class Measured(Problem):  # type: ignore[misc]
        def _evaluate(self, x: Array, out: dict[str, Any], *args: object, **rest: object) -> None:
            rows = bed.snap(x, np.array(found, dtype=np.intp))
            found.extend(rows.tolist())
            out["F"] = -bed.hard[rows]

    problem = Measured(n_var=bed.d, n_obj=bed.hard.shape[1], xl=0.0, xu=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimize(problem, NSGA2(pop_size=10), ("n_eval", count), seed=seed, verbose=False)
    return np.array(found[:count], dtype=np.intp)


def sobol_box(bed: Bed, count: int, seed: int) -> Rows:
    """Scrambled Sobol points over the box."""
    return bed.snap(sobol(bed.d, count, seed), _none())


def simplex(bed: Bed, count: int, seed: int) -> Rows:
    """Coefficients that sum to 1, as soups and interpolations have them: even steps for two, else Dirichlet(1)."""
    if bed.d == 2:
        share = np.linspace(0.0, 1.0, count)
        return bed.snap(np.stack([share, 1.0 - share], axis=1), _none())
    e = -np.log(np.clip(sobol(bed.d, count, seed), 1e-6, 1.0 - 1e-6))
    return bed.snap(e / e.sum(axis=1, keepdims=True), _none())


def _none() -> Rows:
    return np.empty(0, dtype=np.intp)


SPENDERS: dict[str, tuple[str, Spend]] = {
    "product": ("Product loop (logits, two at a time)", product_loop),
    "qlognehvi": ("qLogNEHVI (BoTorch)", acquisition_loop),
    "map": ("MAP quadratic, 60 % design + 40 % verified", map_two_stages),
    "map-published": ("MAP as published (least squares)", map_published),
    "nsga2": ("NSGA-II on real measurements (pymoo)", genetic),
    "sobol": ("Sobol", sobol_box),
    "simplex": ("Simplex (sum of coefficients 1)", simplex),
}
NOT_PREFIXED = ("map", "map-published", "simplex")
