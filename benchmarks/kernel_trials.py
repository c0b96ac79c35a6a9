"""Would another kernel, or another way to learn it, predict better? The logit surrogate with each.

    python -m benchmarks.kernel_trials [--cache DIR] [--out benchmarks/results/kernel_trials.json]

Everything but the kernel and how it is learned is the product's own: readings, posterior samples, intervals, design.
Lengths of each sample's own (surrogate/blend.py) are a row of their own; elsewhere one kernel serves all samples.
Pools are those of `benchmarks.front_quality`; the ones kept aside for reporting are not touched.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from scipy.optimize import minimize

from benchmarks.front_quality import CACHE, LOADED, RESULTS
from benchmarks.quality.bed import Bed, bed
from benchmarks.quality.budgets import designed
from benchmarks.quality.pools import POOLS, Array, load
from benchmarks.quality.scores import errors
from benchmarks.quality.summary import BLENDED
from benchmarks.trial_cost import machine
from evaluation.metric import metric
from surrogate.blend import alone, blend
from surrogate.kernel import CENTRE, LENGTH, LINEAR, MIXTURE, NUGGET, Kernel, Posterior
from surrogate.logits import DRAWS, FittedLogits, _task, paired_normals
from surrogate.reading import plan

Prior = tuple[float, float, float, float]
Form = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
BUDGETS = (("two-a", 15), ("three-a", 12), ("three-a", 20))
SEEDS = 5


def log_prior(middle: float, width: float, bounds: tuple[float, float]) -> Prior:
    """A number on the logarithmic scale: normal about log(middle), and its bounds."""
    return float(np.log(middle)), width, float(np.log(bounds[0])), float(np.log(bounds[1]))


LENGTHS = log_prior(1.5, 1.0, LENGTH)
COMMON = [log_prior(1.0, 2.0, LINEAR), log_prior(2.0, 1.5, MIXTURE)]
NOISE = log_prior(1e-5, 3.0, NUGGET)


def lines(U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """1 + <u - .3, v - .3>."""
    return 1.0 + (U - CENTRE) @ (V - CENTRE).T


def square(U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """Squared distances, (k, n)."""
    return ((U[:, None] - V[None]) ** 2).sum(dim=2)


def bumps(r: torch.Tensor, t: torch.Tensor, d: int) -> torch.Tensor:
    """The rational quadratic of squared distances; t[d + 1] is the logarithm of its mixture."""
    alpha = torch.exp(t[d + 1])
    return (1.0 + r / (2.0 * alpha)) ** -alpha


def used(d: int) -> tuple[list[Prior], Form]:
    """What surrogate/kernel.py has."""

    def k(t: torch.Tensor, U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        s = torch.exp(-t[:d])
        return bumps(square(U * s, V * s), t, d) + torch.exp(t[d]) * lines(U, V)

    return [LENGTHS] * d + COMMON, k


def with_quadratic(d: int) -> tuple[list[Prior], Form]:
    """A quadratic trend beside the linear one (universal kriging with a prior on its coefficients)."""
    priors, k = used(d)
    more = [log_prior(1.0, 2.0, (1e-4, 50.0))]
    return priors + more, lambda t, U, V: k(t, U, V) + torch.exp(t[d + 2]) * lines(U, V) ** 2


def quadratic_instead(d: int) -> tuple[list[Prior], Form]:
    """A quadratic trend in place of the linear one."""
    priors, k = used(d)
    return priors, lambda t, U, V: k(t, U, V) + torch.exp(t[d]) * (lines(U, V) ** 2 - lines(U, V))


def matern(d: int) -> tuple[list[Prior], Form]:
    """Matérn 5/2 in place of the rational quadratic."""

    def k(t: torch.Tensor, U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        s = torch.exp(-t[:d])
        z = torch.sqrt(5.0 * square(U * s, V * s) + 1e-12)
        return (1.0 + z + z * z / 3.0) * torch.exp(-z) + torch.exp(t[d]) * lines(U, V)

    return [LENGTHS] * d + COMMON[:1], k


def additive(d: int) -> tuple[list[Prior], Form]:
    """prod_i (1 + a_i k_i(u_i, v_i)): main effects and interactions of every order (Duvenaud et al. 2011)."""

    def k(t: torch.Tensor, U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        out = torch.exp(t[d]) * lines(U, V)
        whole = torch.ones_like(out)
        for i in range(d):
            one = bumps(((U[:, None, i] - V[None, :, i]) * torch.exp(-t[i])) ** 2, t, d)
            whole = whole * (1.0 + torch.exp(t[d + 2 + i]) * one)
        return out + whole

    return [LENGTHS] * d + COMMON + [log_prior(1.0, 1.5, (1e-3, 1e3))] * d, k


def warped(d: int) -> tuple[list[Prior], Form]:
    """Each coefficient raised to a power that is learned."""

    def k(t: torch.Tensor, U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        s, p = torch.exp(-t[:d]), torch.exp(t[d + 2 :])
        return bumps(square((U + 1e-6) ** p * s, (V + 1e-6) ** p * s), t, d) + torch.exp(t[d]) * lines(U, V)

    return [LENGTHS] * d + COMMON + [log_prior(1.0, 0.4, (0.3, 3.0))] * d, k


def rotated(d: int) -> tuple[list[Prior], Form]:
    """Distances by a full metric exp(S), S symmetric, so that lengths need not lie along the coefficients."""
    rows, columns = np.tril_indices(d, -1)

    def k(t: torch.Tensor, U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        S = torch.zeros(d, d, dtype=t.dtype)
        S[rows, columns] = t[d + 2 :]
        root = torch.matrix_exp(0.5 * (torch.diag(-2.0 * t[:d]) + S + S.T))
        return bumps(square(U @ root, V @ root), t, d) + torch.exp(t[d]) * lines(U, V)

    return [LENGTHS] * d + COMMON + [(0.0, 0.5, -4.0, 4.0)] * len(rows), k


FORMS: dict[str, tuple[str, Callable[[int], tuple[list[Prior], Form]]]] = {
    "used": ("one kernel for all samples: rational quadratic, one length per coefficient, and lines", used),
    "with-quadratic": ("a quadratic trend added", with_quadratic),
    "quadratic-instead": ("a quadratic trend instead of lines", quadratic_instead),
    "matern": ("Matérn 5/2 instead of the rational quadratic", matern),
    "additive": ("additive, with interactions of every order", additive),
    "warped": ("coefficients warped by powers", warped),
    "rotated": ("lengths along rotated axes", rotated),
}
VARIANTS = (
    [("used", BLENDED)]
    + [(form, "likelihood") for form in FORMS]
    + [
        ("used", "leave-one-out"),
        ("used", "likelihood, a scale for each output"),
    ]
)


@dataclass(frozen=True)
class Trial(Kernel):
    """A form with its learned logarithms, to stand where surrogate.kernel.Kernel does."""

    form: Form = field(default=used(1)[1])
    theta: tuple[float, ...] = ()

    def between(self, U: Array, V: Array) -> Array:
        """Kernel without nugget, (k, n)."""
        with torch.no_grad():
            t = torch.tensor(self.theta, dtype=torch.float64)
            return np.asarray(self.form(t, torch.from_numpy(U), torch.from_numpy(V)).numpy())

    def own(self, U: Array) -> Array:
        """k(u, u) without nugget, (k,)."""
        return np.array([self.between(u[None], u[None])[0, 0] for u in U])


def learned(form: str, by: str, U: Array, R: Array) -> Trial:
    """The kernel of this form that fits the residuals R (B, P) best, by autograd from two length scales."""
    d, B = U.shape[1], len(U)
    priors, k = FORMS[form][1](d)
    middle, width, low, high = (np.array(part) for part in zip(*priors, NOISE, strict=True))
    points, outputs = torch.from_numpy(U), torch.from_numpy(R[:, R.std(axis=0) > 1e-6])
    G = outputs @ outputs.T / (outputs**2).sum()
    m, w = torch.from_numpy(middle), torch.from_numpy(width)

    def loss(x: Array) -> tuple[float, Array]:
        t = torch.tensor(x, requires_grad=True)
        K = k(t[:-1], points, points) + torch.exp(t[-1]) * torch.eye(B, dtype=torch.float64)
        L = torch.linalg.cholesky(K)
        half = torch.log(torch.diagonal(L)).sum()
        if by == "leave-one-out":
            A = torch.cholesky_inverse(L)
            own = torch.diagonal(A)
            fit = 0.5 * B * torch.log((torch.diagonal(A @ G @ A) / own).mean()) - 0.5 * torch.log(own).sum()
        elif by in ("likelihood", BLENDED):
            fit = 0.5 * B * torch.log(torch.trace(torch.cholesky_solve(G, L))) + half
        else:
            each = (torch.linalg.solve_triangular(L, outputs, upper=False) ** 2).sum(dim=0)
            fit = 0.5 * B * torch.log(each).mean() + half
        value = fit + 0.5 * (((t - m) / w) ** 2).sum()
        (slope,) = torch.autograd.grad(value, t)
        return float(value.detach()), np.asarray(slope.numpy())

    best, least = middle, np.inf
    for length in (1.0, 3.0):
        start = np.concatenate([np.full(d, np.log(length)), middle[d:]])
        bounds = list(zip(low, high, strict=True))
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
        if found.fun < least:
            best, least = found.x, float(found.fun)
    return Trial(np.exp(best[:d]), 1.0, float(np.exp(best[-1])), form=k, theta=tuple(best[:-1]))


def plain(kernel: Trial, d: int) -> Kernel:
    """A kernel of the form that is used, as surrogate/kernel.py writes it."""
    linear, mixture = np.exp(kernel.theta[d : d + 2])
    return Kernel(kernel.lengths, float(linear), kernel.nugget, float(mixture))


def fitted(one: Bed, rows: Any, form: str, by: str, seed: int) -> FittedLogits:
    """The product's logit surrogate with this kernel in it."""
    o = one.observations(rows, search="soft")
    functions = [metric("accuracy").function, metric("soft_accuracy").function]
    w = paired_normals(DRAWS, len(rows), seed)
    parts = []
    for outputs, targets in zip(one.outputs, one.targets, strict=True):
        seen = outputs[rows].astype(np.float32)
        reading = plan(seen, targets, functions)
        modelled = reading.model(seen)
        mu = modelled.mean(axis=0)
        parts.append((reading, mu, modelled - mu))
    flat = [R.reshape(len(rows), -1).astype(np.float64) for _, _, R in parts]
    if one.d <= 2:
        kernels = [learned(form, by, one.X[rows], np.concatenate(flat, axis=1))] * len(parts)
    else:
        kernels = [learned(form, by, one.X[rows], R) for R in flat]
    posteriors = [Posterior(kernel, one.X[rows]) for kernel in kernels]
    if by == BLENDED:  # kernels of the product's own form, whose lengths can be varied
        posteriors = [Posterior(plain(kernel, one.d), p.U) for kernel, p in zip(kernels, posteriors, strict=True)]
    blends = [blend(p, R) if by == BLENDED else alone(p, R) for (_, _, R), p in zip(parts, posteriors, strict=True)]
    tasks = tuple(_task(r, b, mu, R, w) for (r, mu, R), b in zip(parts, blends, strict=True))
    return FittedLogits(o, tasks, np.arange(len(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, default=RESULTS / "kernel_trials.json")
    chosen = parser.parse_args()
    raw = []
    for name, n in BUDGETS:
        one = bed(load(POOLS[name], chosen.cache))
        for form, by in VARIANTS:
            for seed in range(SEEDS):
                rows = designed(one, n, seed)
                found = errors(one, rows, fitted(one, rows, form, by, seed).predict(one.X))
                kept = {key: round(found[key], 5) for key in ("rmse", "coverage", "width")}
                raw.append({"pool": name, "n": n, "form": form, "by": by, "seed": seed, **kept})
            print(name, n, form, by, [row["rmse"] for row in raw[-SEEDS:]], flush=True)
    made = json.dumps({**machine(), "surrogate": LOADED})
    titles = json.dumps({form: title for form, (title, _) in FORMS.items()}, ensure_ascii=False)
    listed = ",\n".join("  " + json.dumps(row) for row in raw)
    chosen.out.write_text(f'{{\n "made": {made},\n "kernels": {titles},\n "raw": [\n{listed}\n ]\n}}\n')


if __name__ == "__main__":
    main()
