"""Our surrogate: predict the outputs of every sample, which are smooth in the coefficients, and read the metrics from
them.

Notation: u unit coefficients; B trials; per task s samples, c modelled columns (see reading.py), P = s c outputs.
R (B, P) modelled outputs minus their mean mu over trials; G = R R' (B, B).
k(u, u') = RQ_ARD(u, u') + linear (1 + <u - .3, u' - .3>) + nugget, one output covariance shared by all outputs.
mean(u) = mu + k(u, U) K^-1 R, blended over lengths sample by sample (blend.py);
sd(u)^2 = k(u, u) - k(u, U) K^-1 k(U, u), of the learned kernel.
Leave-one-out, closed form: r_b = [K^-1 R]_b / [K^-1]_bb, blended alike; s_b^2 = 1 / [K^-1]_bb, z_b = r_b / s_b.
Posterior samples: dev(u) = sd(u) sum_b w_b z_b / sqrt(B), w ~ N(0, 1): the samples' deviations stay correlated as the
residuals are, which an interval for their accuracy needs. A predicted metric is the mean over posterior samples, not
the metric of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surrogate.blend import Blend, alone, blend
from surrogate.errors import SurrogateError
from surrogate.kernel import Kernel, Posterior, learn
from surrogate.observations import Array, MetricFunction, Observations, check_points, need_trials
from surrogate.prediction import LeaveOneOut, Prediction
from surrogate.reading import Floats, Reading, margin_for, plan

DRAWS = 48
LOO_DRAWS = 32
CHUNK = 4_000_000
MOST_INFLATION = 4.0


@dataclass(frozen=True)
class Task:
    """One metric's outputs as the surrogate holds them, trials in canonical order.

    mu (c, s); R, Z (B, c, s) residuals and standardised leave-one-out residuals; field (DRAWS, c, s) posterior
    samples of the deviation in units of sd(u), in pairs of opposite sign; w (DRAWS, B) the draws behind them.
    """

    reading: Reading
    blend: Blend
    mu: Floats
    R: Floats
    Z: Floats
    field: Floats
    w: Array

    def mean(self, u: Array) -> tuple[Floats, Array]:
        """Predicted modelled outputs (k, c, s) and their standard deviation in units of the output scale (k,)."""
        residuals, sd = self.blend.residuals(u)
        return residuals + self.mu, sd

    def sampled(self, function: MetricFunction, u: Array, count: int, margin: bool) -> Array:
        """A metric at u for ``count`` posterior samples, (k, count)."""
        step = max(1, CHUNK // (count * self.mu.size))
        parts = []
        for start in range(0, len(u), step):
            mean, sd = self.mean(u[start : start + step])
            scale = sd.astype(np.float32)[:, None, None]
            if margin:
                parts.append(self.reading.read_sampled(function, mean, scale, self.field[:count]))
            else:
                outputs = mean[:, None] + scale[..., None] * self.field[None, :count]
                parts.append(self.reading.read(function, outputs, margin))
        return np.concatenate(parts) if parts else np.empty((0, count))

    def plain(self, function: MetricFunction, u: Array, margin: bool) -> Array:
        """The metric of the mean outputs, (k,)."""
        step = max(1, CHUNK // self.mu.size)
        parts = [self.reading.read(function, self.mean(u[i : i + step])[0], margin) for i in range(0, len(u), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def left_out(self, function: MetricFunction, margin: bool) -> Array:
        """The metric of each trial given the others, for LOO_DRAWS posterior samples made without it: (B,
        LOO_DRAWS)."""
        B = len(self.R)
        sd = self.blend.learned.loo_sd.astype(np.float32)
        out = np.empty((B, LOO_DRAWS))
        shrink = np.float32(np.sqrt(B) / np.sqrt(max(B - 1, 1)))
        for b in range(B):
            mean = self.mu + self.R[b] - sd[b] * self.Z[b]
            own = self.w[:LOO_DRAWS, b].astype(np.float32)[:, None, None] * (self.Z[b] / np.float32(np.sqrt(B)))
            out[b] = self.reading.read(function, mean + sd[b] * shrink * (self.field[:LOO_DRAWS] - own), margin)
        return out


@dataclass(frozen=True)
class LogitSurrogate:
    """Per-sample outputs by Gaussian processes that share a kernel; curved False makes them linear in the
    coefficients.

    One kernel per task from three coefficients, one for all tasks below.
    """

    name: str = "logits"
    title: str = "Per-sample logits"
    curved: bool = True

    def min_trials(self, d: int) -> int:
        """d + 2: a constant, a slope per coefficient and one trial to judge them by; one more for curvature."""
        return d + 3 if self.curved else d + 2

    def fit(self, observations: Observations, seed: int = 0) -> FittedLogits:
        """Raises SurrogateError below min_trials, and where a metric has no outputs or no callable to read it."""
        o = observations
        functions = [_functions(o, j) for j in range(o.m)]
        need_trials(self.title, o.d, self.min_trials(o.d), o.n)
        order = o.canonical()
        rows = order[np.sort(np.unique(o.X[order], axis=0, return_index=True)[1])]
        U = o.coordinates(o.X)[rows]
        readings, residuals = [], []
        for j in range(o.m):
            outputs, targets = o.outputs[j], o.targets[j]
            if outputs is None or targets is None:
                raise SurrogateError(f"Metric '{o.names[j]}' has no per-sample outputs.")
            readings.append(plan(outputs[rows], targets, functions[j]))
            residuals.append(readings[-1].model(outputs[rows]))
        mus = [F.mean(axis=0) for F in residuals]
        residuals = [F - mu for F, mu in zip(residuals, mus, strict=True)]
        w = paired_normals(DRAWS, len(U), seed)
        kernels = _kernels(U, residuals, self.curved)
        weighed = blend if o.ties is None else alone  # no gain was found with many coefficients that belong together
        tasks = tuple(
            _task(reading, weighed(Posterior(kernel, U), R), mu, R, w)
            for reading, kernel, mu, R in zip(readings, kernels, mus, residuals, strict=True)
        )
        return FittedLogits(o, tasks, rows, self.name)


@dataclass(frozen=True)
class FittedLogits:
    """The logit surrogate after its trials; see prediction.Fitted.

    level (m,): the largest sd(u) that leave-one-out has validated. inflation (m,) widens intervals until they cover;
    beyond the level far_inflation (m,), the same of the half of the trials that are farthest from the others, does,
    times the square of how often the level is exceeded.
    """

    observations: Observations
    tasks: tuple[Task, ...]
    rows: NDArray[np.intp]
    name: str = "logits"
    inflation: Array = field(init=False)
    far_inflation: Array = field(init=False)
    level: Array = field(init=False)
    left_out: LeaveOneOut = field(init=False, repr=False)

    def __post_init__(self) -> None:
        values = [t.left_out(_shown(self.observations, j), t.reading.margin) for j, t in enumerate(self.tasks)]
        truth = self.observations.Y[self.rows]
        near, far = [], []
        for task, v, y in zip(self.tasks, values, truth.T, strict=True):
            farthest = task.blend.learned.loo_sd >= np.median(task.blend.learned.loo_sd)
            near.append(_inflation(v, y))
            far.append(max(near[-1], _inflation(v[farthest], y[farthest])))
        object.__setattr__(self, "inflation", np.array(near))
        object.__setattr__(self, "far_inflation", np.array(far))
        prediction = self._summary(values, self.inflation)
        object.__setattr__(self, "level", self._validated(prediction, truth))
        back = np.argmax((self.observations.X[:, None] == self.observations.X[self.rows][None]).all(axis=2), axis=1)
        object.__setattr__(self, "left_out", LeaveOneOut(prediction.at(back), self.observations.Y))

    def predict(self, X: Array) -> Prediction:
        """Metrics (k, m): mean over posterior samples, 5 % and 95 % quantiles."""
        u = self._u(X)
        values = [t.sampled(_shown(self.observations, j), u, DRAWS, t.reading.margin) for j, t in enumerate(self.tasks)]
        beyond = self._beyond(u)
        factor = np.where(beyond > 1.0, self.far_inflation * beyond**2, self.inflation)
        return self._summary(values, factor)

    def read(self, X: Array, functions: Sequence[MetricFunction]) -> Prediction:
        """Any other metrics, one callable (outputs (..., s, C), targets) -> (...) per task, at X: (k, m)."""
        if len(functions) != len(self.tasks):
            raise SurrogateError(f"There are {len(functions)} callables for {len(self.tasks)} tasks.")
        u = self._u(X)
        margins = [
            outputs is not None and margin_for(task.reading, function, outputs[self.rows])
            for task, function, outputs in zip(self.tasks, functions, self.observations.outputs, strict=True)
        ]
        count = DRAWS if all(margins) else DRAWS // 4
        values = [
            task.sampled(function, u, count, margin)
            for task, function, margin in zip(self.tasks, functions, margins, strict=True)
        ]
        return self._summary(values, np.maximum(self._beyond(u), 1.0) ** 2, clip=False)

    def outputs_at(self, X: Array) -> tuple[Floats, ...]:
        """Predicted outputs of every sample, per metric (k, s, C), centred over classes where the metric allows
        it."""
        u = self._u(X)
        return tuple(t.reading.full(t.mean(u)[0]) for t in self.tasks)

    def objective(self, X: Array) -> Array:
        """The search objective of the mean outputs, (k, m)."""
        u = self._u(X)
        return np.stack(
            [t.plain(_searched(self.observations, j), u, t.reading.margin) for j, t in enumerate(self.tasks)], axis=1
        )

    def draws(self, X: Array, count: int) -> Array:
        """Posterior samples of the search objective, (count, k, m); count is at most 48."""
        if not 1 <= count <= DRAWS:
            raise SurrogateError(f"{count} posterior samples were asked for.", f"Allowed: 1 to {DRAWS}.")
        u = self._u(X)
        values = [
            t.sampled(_searched(self.observations, j), u, count, t.reading.margin) for j, t in enumerate(self.tasks)
        ]
        return np.moveaxis(np.stack(values, axis=2), 1, 0)

    def trusted(self, X: Array) -> NDArray[np.bool_]:
        """Where sd(u) of every task is at most the largest that leave-one-out has validated."""
        u = self._u(X)
        return np.asarray((self._beyond(u) <= 1.0).all(axis=1))

    def loo(self) -> LeaveOneOut:
        """Leave-one-out of the metrics, read from closed-form leave-one-out outputs."""
        return self.left_out

    def _u(self, X: Array) -> Array:
        o = self.observations
        return o.coordinates(check_points(X, o.d))

    def _beyond(self, u: Array) -> Array:
        """sd(u) of each task in units of its level, (k, m)."""
        sd = np.stack([task.blend.learned.weights(u)[1] for task in self.tasks], axis=1)
        return np.asarray(sd / (self.level * (1.0 + 1e-9)))

    def _summary(self, values: list[Array], factor: Array, clip: bool = True) -> Prediction:
        """Prediction from posterior samples of each metric, (k, draws) each; intervals widened by the factor."""
        V = np.stack(values, axis=2)
        mean = V.mean(axis=1)
        low, high = np.quantile(V, [0.05, 0.95], axis=1)
        low, high = mean - factor * np.maximum(mean - low, 0.0), mean + factor * np.maximum(high - mean, 0.0)
        if clip:
            ends = self.observations.links
            low = np.stack([link.clip(low[:, j]) for j, link in enumerate(ends)], axis=1)
            high = np.stack([link.clip(high[:, j]) for j, link in enumerate(ends)], axis=1)
        return Prediction(mean, factor * V.std(axis=1), low, high)

    def _validated(self, prediction: Prediction, truth: Array) -> Array:
        """Per task the largest leave-one-out sd at which the interval held or the error was under a point, (m,)."""
        held = (truth >= prediction.low) & (truth <= prediction.high) | (np.abs(truth - prediction.mean) < 0.01)
        level = []
        for j, task in enumerate(self.tasks):
            sd = task.blend.learned.loo_sd
            level.append(float(sd[held[:, j]].max()) if held[:, j].any() else float(np.median(sd)))
        return np.array(level)


def paired_normals(count: int, B: int, seed: int) -> Array:
    """Standard normals (count, B) in consecutive pairs of opposite sign, so that an even number of them has mean
    0."""
    half = np.random.default_rng(seed).standard_normal(((count + 1) // 2, B))
    return np.asarray(np.stack([half, -half], axis=1).reshape(-1, B)[:count])


def _task(reading: Reading, processes: Blend, mu: Floats, R: Floats, w: Array) -> Task:
    Z = (processes.left_out() / processes.learned.loo_sd[:, None, None]).astype(np.float32)
    deviation = ((w / np.sqrt(len(R))).astype(np.float32) @ Z.reshape(len(R), -1)).reshape(len(w), *mu.shape)
    return Task(reading, processes, mu, R, Z, deviation, w)


def _kernels(U: Array, residuals: list[Floats], curved: bool) -> list[Kernel]:
    # In float64: K^-1 multiplies the rounding of G by up to ten million.
    grams = [flat @ flat.T for flat in (R.reshape(len(R), -1).astype(np.float64) for R in residuals)]
    if U.shape[1] <= 2:
        return [learn(U, np.sum(grams, axis=0), curved)] * len(grams)
    return [learn(U, G, curved) for G in grams]


def _inflation(values: Array, truth: Array) -> float:
    """By how much intervals must widen for nine in ten leave-one-out values to fall inside, 1 to MOST_INFLATION."""
    mean = values.mean(axis=1)
    low, high = np.quantile(values, [0.05, 0.95], axis=1)
    half = np.where(truth < mean, mean - low, high - mean)
    ratio = np.abs(truth - mean) / np.maximum(half, 1e-4)
    return float(np.clip(np.quantile(ratio, 0.9), 1.0, MOST_INFLATION))


def _functions(o: Observations, j: int) -> list[MetricFunction]:
    shown, search = o.metrics[j], o.search[j]
    if o.outputs[j] is None or shown is None:
        raise SurrogateError(
            f"Metric '{o.names[j]}' has no per-sample outputs to model.", "Use the quadratic or the Gaussian process."
        )
    return [shown] if search is None else [shown, search]


def _shown(o: Observations, j: int) -> MetricFunction:
    return _functions(o, j)[0]


def _searched(o: Observations, j: int) -> MetricFunction:
    return _functions(o, j)[-1]
