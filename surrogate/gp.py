"""A Gaussian process per metric on the link scale, and its acquisition: BoTorch, loaded only when it is used.

For studies that keep metrics alone (scores of a language-model harness): SingleTaskGP with the known noise of the
measurement (delta method), qLogNEHVI up to four metrics and qLogNParEGO above (arXiv 2310.20708). The reference point
is fixed from the measured trials: inferring it anew on the observed front gives no reward to its ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.front import reference_point
from surrogate.link import Link
from surrogate.observations import Array, Observations, check_points, need_trials, to_unit
from surrogate.prediction import LeaveOneOut, Prediction

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

Z90 = 1.6448536269514722
MANY = 4
MARGIN = 0.005


@dataclass(frozen=True)
class GaussianProcess:
    """BoTorch's SingleTaskGP per metric on its link scale, noise known from the measurements."""

    name: str = "gp"
    title: str = "Gaussian process (BoTorch)"

    def min_trials(self, d: int) -> int:
        """d + 2."""
        return d + 2

    def fit(self, observations: Observations, seed: int = 0) -> FittedProcess:
        """Raises SurrogateError below min_trials, with both numbers."""
        o = observations
        need_trials(self.title, o.d, self.min_trials(o.d), o.n)
        order = o.canonical()
        with seeded(seed):
            models = tuple(_model(o.unit[order], *_warped(o, order, j)) for j in range(o.m))
        search = self.fit(o.for_search(), seed) if o.searches_otherwise else None
        return FittedProcess(o, models, seed, search)


@dataclass(frozen=True)
class FittedProcess:
    """A Gaussian process that has seen its trials; see prediction.Fitted."""

    observations: Observations
    models: tuple[SingleTaskGP, ...]
    seed: int
    search: FittedProcess | None = field(default=None, repr=False)
    name: str = "gp"

    def predict(self, X: Array) -> Prediction:
        """Metrics (k, m), noise of the measurement not included."""
        return _prediction(self.observations.links, *self._latent(X))

    def objective(self, X: Array) -> Array:
        """The search objective at the posterior median, (k, m)."""
        return self.search.objective(X) if self.search is not None else self.predict(X).mean

    def draws(self, X: Array, count: int) -> Array:
        """Joint posterior samples (count, k, m) of the search objective, seeded."""
        if self.search is not None:
            return self.search.draws(X, count)
        import torch

        u = torch.as_tensor(self._u(X))
        out = []
        with seeded(self.seed), torch.no_grad():
            for link, model in zip(self.observations.links, self.models, strict=True):
                z = model.posterior(u).rsample(torch.Size([count]))[..., 0].numpy()
                out.append(link.inverse(z))
        return np.stack(out, axis=2)

    def trusted(self, X: Array) -> NDArray[np.bool_]:
        """Where the deviation is at most the largest that leave-one-out has met."""
        _, sd = self._latent(X)
        top = [np.sqrt(_left_out(model)[1].max()) for model in self.models]
        return np.asarray((sd <= np.array(top) + 1e-12).all(axis=1))

    def loo(self) -> LeaveOneOut:
        """Closed-form leave-one-out with the fitted hyper-parameters (Rasmussen & Williams 2006, Eq. 5.12)."""
        back = np.argsort(self.observations.canonical())
        parts = [_left_out(model) for model in self.models]
        z = np.stack([p[0] for p in parts], axis=1)
        sd = np.sqrt(np.stack([p[1] for p in parts], axis=1))
        return LeaveOneOut(_prediction(self.observations.links, z, sd).at(back), self.observations.Y)

    def acquire(self, count: int, low: Array, high: Array, pending: Array | None = None) -> Array:
        """``count`` points (count, d) inside [low, high] by qLogNEHVI (m <= 4) or qLogNParEGO."""
        import torch
        from botorch.acquisition.multi_objective import logei
        from botorch.models.model_list_gp_regression import ModelListGP
        from botorch.optim.optimize import optimize_acqf
        from botorch.sampling.normal import SobolQMCNormalSampler

        # Otherwise BoTorch compiles a C++ kernel on first use: minutes without a word, and other bits per machine.
        logei._load_attempted = True
        fitted = self.search or self
        o = fitted.observations
        order = o.canonical()
        bounds = torch.as_tensor(np.concatenate([self._u(low[None]), self._u(high[None])]))
        waiting = None if pending is None or len(pending) == 0 else torch.as_tensor(self._u(pending))
        model = ModelListGP(*fitted.models)
        known = torch.as_tensor(o.unit[order])
        sampler = SobolQMCNormalSampler(torch.Size([64]), seed=self.seed)
        with seeded(self.seed):
            if o.m > MANY:
                return self._scalarised(model, known, bounds, waiting, count, low, high)
            Z = np.stack([_warped(o, order, j)[0] for j in range(o.m)], axis=1)
            gain = logei.qLogNoisyExpectedHypervolumeImprovement(
                model, reference_point(Z).tolist(), known, sampler, X_pending=waiting, prune_baseline=True
            )
            found, _ = optimize_acqf(gain, bounds, count, 3, 64, options={"maxiter": 60}, sequential=True)
        return np.clip(o.low + found.detach().numpy() * (o.high - o.low), low, high)

    def _scalarised(
        self, model: Any, known: Any, bounds: Any, waiting: Any, count: int, low: Array, high: Array
    ) -> Array:
        """qLogNParEGO: a fresh random scalarisation for every point of the batch, the earlier ones pending."""
        import torch
        from botorch.acquisition.multi_objective.parego import qLogNParEGO
        from botorch.optim.optimize import optimize_acqf

        found = torch.empty(0, bounds.shape[1], dtype=bounds.dtype) if waiting is None else waiting
        for _ in range(count):
            gain = qLogNParEGO(model, known, X_pending=found if len(found) else None)
            point, _ = optimize_acqf(gain, bounds, 1, 3, 64, options={"maxiter": 60})
            found = torch.cat([found, point.detach()])
        o = self.observations
        return np.clip(o.low + found[-count:].numpy() * (o.high - o.low), low, high)

    def _u(self, X: Array) -> Array:
        o = self.observations
        return to_unit(check_points(X, o.d), o.low, o.high)

    def _latent(self, X: Array) -> tuple[Array, Array]:
        """Mean and standard deviation on the link scale, (k, m) each."""
        import torch

        u = torch.as_tensor(self._u(X))
        with torch.no_grad():
            posteriors = [model.posterior(u) for model in self.models]
            mean = np.concatenate([p.mean.numpy() for p in posteriors], axis=1)
            variance = np.concatenate([p.variance.numpy() for p in posteriors], axis=1)
        return mean, np.sqrt(np.maximum(variance, 0.0))


def _warped(o: Observations, order: NDArray[np.intp], j: int) -> tuple[Array, Array]:
    """Metric j on its ascending link scale (n,) and the variance of its noise there (n,)."""
    link = o.links[j]
    z = link.forward(o.Y[order, j], MARGIN if link.kind == "logit" else 1e-9)
    variance = o.noise[order, j] / np.maximum(link.slope(z), 1e-6) ** 2
    floor = 1e-6 * max(float(np.var(z)), 1e-8)
    return (z if link.ascending() else -z), np.maximum(variance, floor)


def _model(u: Array, z: Array, variance: Array) -> SingleTaskGP:
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    outcome = Standardize(m=1)
    model = SingleTaskGP(
        torch.as_tensor(u), torch.as_tensor(z)[:, None], torch.as_tensor(variance)[:, None], outcome_transform=outcome
    )
    if float(np.ptp(z)) > 1e-9:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    model.eval()
    return model


def _left_out(model: SingleTaskGP) -> tuple[Array, Array]:
    """Mean and variance (noise included) of each trial given the others, on the link scale."""
    import torch

    with torch.no_grad():
        u = model.train_inputs[0]
        y = model.train_targets.numpy()
        K = model.covar_module(u).to_dense().numpy() + np.diag(model.likelihood.noise.numpy())
        inverse = np.linalg.inv(K)
        residual = y - model.mean_module(u).numpy()
        z = y - (inverse @ residual) / np.diag(inverse)
        variance = 1.0 / np.diag(inverse)
    transform: Any = model.outcome_transform
    scale, shift = float(transform.stdvs.squeeze()), float(transform.means.squeeze())
    return z * scale + shift, variance * scale**2


def _prediction(links: tuple[Link, ...], z: Array, sd: Array) -> Prediction:
    ends = []
    for value in (z, z - Z90 * sd, z + Z90 * sd):
        columns = [link.inverse(value[:, j] if link.ascending() else -value[:, j]) for j, link in enumerate(links)]
        ends.append(np.stack(columns, axis=1))
    mean, low, high = ends
    return Prediction(mean, (high - low) / (2.0 * Z90), low, high)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A seeded generator inside, the caller's generator untouched outside; BoTorch's own warnings are not the
    caller's."""
    import torch

    if seed < 0:
        raise SurrogateError(f"The seed is {seed}.", "It must not be negative.")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        yield
