"""Formulas behind the metrics that compare rankings or whole confusion tables: AUROC, Matthews, Spearman.

Shapes as in `formulas.py`: outputs (..., n, C), targets (n,), results (...).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.formulas import Array, Targets, jackknife, predictions, probabilities


def _ranks(values: NDArray[Any]) -> Array:
    """Ranks along the last axis from 1 on, ties their mean."""
    from scipy.stats import rankdata  # here: every command would wait for it otherwise

    return np.asarray(rankdata(values, axis=-1))


def _placements(outputs: Array, targets: Targets) -> tuple[Array, Array]:
    """Per class with samples inside and outside: its AUROC (..., K), and each sample's influence on their mean.

    A positive's placement is the share of negatives below it, a negative's the share of positives above it, ties half
    (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3), eq. 4 and 5).
    """
    scores = np.asarray(probabilities(outputs.astype(np.float64)))
    if outputs.shape[-1] == 2:
        # Probabilities near 1 tie; the difference of the logits keeps their order.
        gap = outputs[..., 1].astype(np.float64) - outputs[..., 0]
        scores = np.stack([-gap, gap], axis=-1)
    areas, influence = [], np.zeros(outputs.shape[:-1])
    classes = [c for c in range(outputs.shape[-1]) if 0 < (targets == c).sum() < len(targets)]
    for c in classes:
        inside = targets == c
        ranks = _ranks(scores[..., c])
        among = np.empty_like(ranks)
        among[..., inside] = _ranks(scores[..., inside, c])
        among[..., ~inside] = _ranks(scores[..., ~inside, c])
        others = np.where(inside, (~inside).sum(), inside.sum())
        placed = np.where(inside, (ranks - among) / others, 1 - (ranks - among) / others)
        area = placed[..., inside].mean(axis=-1)
        areas.append(area)
        influence += (placed - area[..., None]) / np.where(inside, inside.sum(), (~inside).sum()) / len(classes)
    return np.stack(areas, axis=-1) if areas else np.full((*outputs.shape[:-2], 1), 0.5), influence


def auroc(outputs: Array, targets: Targets) -> Array:
    """Area under the ROC curve: mean over the classes, each against the rest, by probability (two classes: the usual
    one). 0.5 where there is nothing to tell apart."""
    area: Array = _placements(outputs, targets)[0].mean(axis=-1)
    return area


def auroc_error(outputs: Array, targets: Targets) -> Array:
    """DeLong's standard error, from each sample's influence on the mean area."""
    error: Array = np.sqrt(np.square(_placements(outputs, targets)[1]).sum(axis=-1))
    return error


def _table(outputs: Array, targets: Targets) -> tuple[Targets, Array, NDArray[np.int64]]:
    """Predictions (..., n), how often each class was predicted (..., C), and how often it is true (C,)."""
    guesses = predictions(outputs)
    classes = outputs.shape[-1]
    predicted = np.stack([(guesses == c).sum(axis=-1) for c in range(classes)], axis=-1).astype(np.float64)
    return guesses, predicted, np.bincount(targets, minlength=classes).astype(np.int64)


def _correlation(right: Array, n: Array | int, both: Array, guessed: Array, true: Array) -> Array:
    """R_K from sums over the classes: right answers, p·t, p·p, t·t (Gorodkin 2004, Comput Biol Chem 28, eq. 8)."""
    spread = np.maximum(n * n - guessed, 0) * np.maximum(n * n - true, 0)
    correlation: Array = np.where(spread > 0, (right * n - both) / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)
    return correlation


def matthews(outputs: Array, targets: Targets) -> Array:
    """Matthews correlation, for any number of classes; 0 where all are predicted, or are, one class."""
    guesses, predicted, true = _table(outputs, targets)
    right = (guesses == targets).sum(axis=-1)
    n = len(targets)
    return _correlation(right, n, predicted @ true, np.square(predicted).sum(-1), np.square(true).sum())


def matthews_error(outputs: Array, targets: Targets) -> Array:
    """Jackknife in closed form: without a sample, its own row and column of the table lose one."""
    n = len(targets)
    if n == 1:
        return np.zeros(outputs.shape[:-2])
    guesses, predicted, true = _table(outputs, targets)
    hit = guesses == targets
    own_guessed = np.take_along_axis(predicted, guesses, -1)
    true_of_guess = true[guesses]
    guessed_of_true = predicted[..., targets]
    both = (predicted @ true)[..., None] - true_of_guess - guessed_of_true + hit
    guessed = np.square(predicted).sum(-1)[..., None] - 2 * own_guessed + 1
    squares = np.square(true).sum() - 2 * true[targets] + 1
    right = hit.sum(axis=-1)[..., None] - hit
    return jackknife(_correlation(right, n - 1, both, guessed, squares))


def spearman(outputs: Array, targets: Targets) -> Array:
    """Rank correlation of the expected class number with the true one, for classes that are grades in order.

    Ties share their mean rank; 0 where one side is constant.
    """
    expected = probabilities(outputs.astype(np.float64)) @ np.arange(outputs.shape[-1])
    ranks, true = _ranks(np.round(expected, 12)), _ranks(targets)
    ranks, true = ranks - ranks.mean(axis=-1, keepdims=True), true - true.mean()
    size = np.sqrt(np.square(ranks).sum(axis=-1) * np.square(true).sum())
    correlation: Array = np.where(size > 0, (ranks @ true) / np.where(size > 0, size, 1), 0.0)
    return np.clip(correlation, -1.0, 1.0)


def spearman_error(outputs: Array, targets: Targets) -> Array:
    """sqrt((1 + ρ²/2) / (n − 3)) of Fisher's z, brought back (Bonett and Wright 2000, Psychometrika 65(1))."""
    rho = spearman(outputs, targets)
    n = len(targets)
    if n == 1:
        return np.zeros(rho.shape)
    error: Array = (1 - rho**2) * np.sqrt((1 + rho**2 / 2) / max(n - 3, 1))
    return error
