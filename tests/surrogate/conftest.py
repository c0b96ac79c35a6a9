"""A small true-to-life bed: multilayer perceptrons on scikit-learn's digits, fine-tuned to variants, merged and
measured.

Everything is made here in a few seconds with numpy: a base trained on a mixture, one expert per variant (hidden
layers only, the head stays frozen as a text head does), task vectors, and per-sample logits at any coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_softmax
from sklearn.datasets import load_digits

from surrogate.link import Link
from surrogate.observations import Observations

Array = NDArray[Any]
HIDDEN = 32


def accuracy(outputs: Array, targets: Array) -> Array:
    return np.asarray((outputs.argmax(-1) == targets).mean(-1))


def soft_accuracy(outputs: Array, targets: Array) -> Array:
    """Mean sigmoid(margin), margin = output of the true class minus the best other."""
    index = np.broadcast_to(targets[:, None], outputs.shape[:-1] + (1,))
    true = np.take_along_axis(outputs, index, -1)[..., 0]
    others = np.where(np.arange(outputs.shape[-1]) == targets[:, None], -np.inf, outputs)
    return np.asarray(expit(true - others.max(-1)).mean(-1))


def log_likelihood(outputs: Array, targets: Array) -> Array:
    logs = log_softmax(outputs, axis=-1)
    index = np.broadcast_to(targets[:, None], outputs.shape[:-1] + (1,))
    return np.asarray(np.take_along_axis(logs, index, -1)[..., 0].mean(-1))


def worst_recall(outputs: Array, targets: Array) -> Array:
    right = outputs.argmax(-1) == targets
    return np.asarray(np.min([right[..., targets == k].mean(-1) for k in np.unique(targets)], axis=0))


METRICS: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": accuracy,
    "soft": soft_accuracy,
    "likelihood": log_likelihood,
    "worst": worst_recall,
}


def variants(images: Array) -> list[Array]:
    """Eight tasks of the same digits: as they are, turned, mirrored, dark, shuffled ..."""
    order = np.random.default_rng(5).permutation(64)
    turned = np.rot90(images, 1, (1, 2))
    half = images.copy()
    half[:, :4] = half[:, :4][:, ::-1]
    rolled = np.roll(images, 3, axis=2)
    flat = [images, turned, 1.0 - images, images[:, :, ::-1], half, rolled, 1.0 - turned]
    return [v.reshape(len(v), 64) for v in flat] + [images.reshape(len(images), 64)[:, order]]


def forward(weights: list[Array], x: Array) -> tuple[list[Array], Array]:
    layers = [x]
    for i in range(0, 4, 2):
        layers.append(np.tanh(layers[-1] @ weights[i] + weights[i + 1]))
    return layers, layers[-1] @ weights[4] + weights[5]


def train(weights: list[Array], x: Array, y: Array, steps: int, rate: float, head: bool, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    weights = [w.copy() for w in weights]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for step in range(1, steps + 1):
        rows = rng.integers(len(x), size=64)
        layers, outputs = forward(weights, x[rows])
        p = np.exp(log_softmax(outputs, axis=-1))
        p[np.arange(64), y[rows]] -= 1.0
        delta = p / 64
        gradients: list[Array] = [np.zeros(0)] * 6
        for i in (4, 2, 0):
            gradients[i], gradients[i + 1] = layers[i // 2].T @ delta, delta.sum(0)
            delta = (delta @ weights[i].T) * (1.0 - layers[i // 2] ** 2)
        for i in range(6 if head else 4):
            first[i] = 0.9 * first[i] + 0.1 * gradients[i]
            second[i] = 0.999 * second[i] + 0.001 * gradients[i] ** 2
            step_size = rate / (np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
            weights[i] = weights[i] - step_size * first[i] / (1 - 0.9**step)
    return weights


@dataclass(frozen=True)
class Bed:
    """A base, T task vectors, and T tasks of s samples."""

    base: list[Array]
    deltas: list[list[Array]]
    inputs: list[Array]
    targets: list[Array]

    def outputs(self, X: Array, tasks: int) -> tuple[Array, ...]:
        """Logits of the merged models at X (n, d) on the first tasks: per task (n, s, 10)."""
        merged = [
            [w + sum(c[t] * self.deltas[t][i] for t in range(len(c))) for i, w in enumerate(self.base)] for c in X
        ]
        return tuple(np.stack([forward(w, self.inputs[t])[1] for w in merged]).astype(np.float32) for t in range(tasks))

    def measure(self, X: Array, soft: bool = False, name: str = "accuracy", high: float = 1.0) -> Observations:
        """Observations at X (n, d), one task per coefficient, box [0, high]^d; soft: searched by soft accuracy."""
        metric = METRICS[name]
        X = np.atleast_2d(X)
        d = X.shape[1]
        outputs = self.outputs(X, d)
        targets = tuple(self.targets[:d])
        Y = np.stack([metric(o, t) for o, t in zip(outputs, targets, strict=True)], axis=1)
        share = np.clip(Y, 0.02, 0.98) if name != "likelihood" else np.full(Y.shape, 0.5)
        bounded = name != "likelihood"
        link = Link("logit", 0.0, 1.0) if bounded else Link("softplus", high=0.0)
        return Observations(
            X,
            Y,
            share * (1 - share) / len(targets[0]),
            np.zeros(d),
            np.full(d, high),
            tuple("abcdefgh"[:d]),
            (link,) * d,
            outputs,
            targets,
            (metric,) * d,
            (soft_accuracy,) * d if soft else (),
        )


def make_bed(seed: int = 0, samples: int = 300) -> Bed:
    digits = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    images, y = digits.images[order] / 16.0, digits.target[order]
    tasks = variants(images)
    cut = len(y) - samples
    sizes = [(64, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 10)]
    weights: list[Array] = []
    for a, b in sizes:
        weights += [rng.standard_normal((a, b)) / np.sqrt(a), np.zeros(b)]
    small = slice(0, 300)
    x0, y0 = np.concatenate([t[small] for t in tasks]), np.concatenate([y[small]] * len(tasks))
    base = train(weights, x0, y0, 250, 3e-3, True, seed)
    deltas = []
    for t, x in enumerate(tasks):
        tuned = train(base, x[:cut], y[:cut], 300, 1e-3, False, seed + t)
        deltas.append([after - before for after, before in zip(tuned, base, strict=True)])
    return Bed(base, deltas, [t[cut:] for t in tasks], [y[cut:]] * len(tasks))


@pytest.fixture(scope="session")
def bed() -> Bed:
    return make_bed()


def smooth_observations(d: int, n: int, seed: int = 0, soft: bool = False) -> Observations:
    """Made-up trials without a network: d tasks of 40 samples and 4 classes, logits bending smoothly with X.

    Task t gains with coefficient t and loses a little with the others; X are seeded uniform points, the corners
    first.
    """
    rng = np.random.default_rng(seed)
    X = np.concatenate([np.zeros((1, d)), np.eye(d), rng.random((max(n, d + 1), d))])[:n]
    outputs, targets = [], []
    for t in range(d):
        labels = np.random.default_rng(100 + t).integers(4, size=40)
        fixed = np.random.default_rng(200 + t)
        start, bend, turn = fixed.normal(size=(40, 4)), fixed.normal(size=(d, 40, 4)), fixed.normal(size=(d, 160))
        own = np.tanh(2.0 * X[:, t])[:, None, None] * 2.0 * np.eye(4)[labels]
        wave = np.sin(X @ turn).reshape(len(X), 40, 4)
        outputs.append((start + own + 0.5 * np.einsum("nd,dsc->nsc", X, bend) + 0.3 * wave).astype(np.float32))
        targets.append(labels)
    Y = np.stack([accuracy(o, t) for o, t in zip(outputs, targets, strict=True)], axis=1)
    share = np.clip(Y, 0.02, 0.98)
    names = tuple(f"task {t}" for t in range(d))
    return Observations(
        X,
        Y,
        share * (1 - share) / 40,
        np.zeros(d),
        np.ones(d),
        names,
        (Link("logit", 0.0, 1.0),) * d,
        tuple(outputs),
        tuple(targets),
        (accuracy,) * d,
        (soft_accuracy,) * d if soft else (),
    )


@pytest.fixture(scope="session")
def smooth() -> Callable[..., Observations]:
    return smooth_observations
