"""The formulas behind the metrics, for one model or thousands at once.

Letters and shapes as in `metric.py`: outputs (..., n, C) are logits, targets (n,) class numbers, results
(...) per model or (..., n) per sample. Nothing is checked here; `Metric` does that.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Targets = NDArray[np.integer]
Formula = Callable[[Array, Targets], Array]

BINS = 15


def predictions(outputs: Array) -> Targets:
    """Class numbers (..., n) with the largest logit; the first of equals."""
    if outputs.shape[-1] == 2:  # what numpy's argmax says too, NaN included, at a tenth of the time
        first, second = outputs[..., 0], outputs[..., 1]
        return np.asarray((first == first) & ~(first >= second), dtype=np.intp)
    winners: Targets = np.argmax(outputs, axis=-1)
    return winners


def probabilities(outputs: Array) -> Array:
    """Softmax over the classes, safe for large logits; shape (..., n, C)."""
    odds = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    chances: Array = odds / odds.sum(axis=-1, keepdims=True)
    return chances


def margins(outputs: Array, targets: Targets) -> Array:
    """Logit of the right class minus the largest other logit, shape (..., n); positive means correct."""
    if outputs.shape[-1] == 2:
        return true_logits(outputs, targets) - true_logits(outputs, 1 - targets)
    # Classes first: numpy takes a maximum over few, far-apart numbers three times faster than over a short last axis.
    wrong = np.moveaxis(outputs, -1, 0).copy()
    wrong[targets, ..., np.arange(len(targets))] = -np.inf
    gap: Array = true_logits(outputs, targets) - wrong.max(axis=0)
    return gap


def true_logits(outputs: Array, targets: Targets) -> Array:
    picked: Array = outputs[..., np.arange(len(targets)), targets]
    return picked


def mean(values: Array | NDArray[np.bool_]) -> Array:
    average: Array = np.mean(values, axis=-1, dtype=np.float64)
    return average


def sample_error(values: Array) -> Array:
    """Sample standard deviation over sqrt(n); NaN-free: one sample has error 0."""
    n = values.shape[-1]
    if n == 1:
        return np.zeros(values.shape[:-1])
    spread: Array = np.std(values, axis=-1, ddof=1, dtype=np.float64) / np.sqrt(n)
    return spread


def binomial_error(correct: NDArray[np.bool_]) -> Array:
    """sqrt(p (1 - p) / n), the usual error of a share."""
    share = mean(correct)
    error: Array = np.sqrt(share * (1 - share) / correct.shape[-1])
    return error


def jackknife(left_out: Array) -> Array:
    """Delete-one jackknife over the last axis: sqrt((n - 1) / n * sum (v_i - mean v)^2).

    Efron and Stein 1981, Annals of Statistics 9(3), eq. 1.4. `left_out[..., i]` lacks sample i.
    """
    n = left_out.shape[-1]
    centred = left_out - left_out.mean(axis=-1, keepdims=True)
    error: Array = np.sqrt((n - 1) / n * np.square(centred).sum(axis=-1))
    return error


def correct(outputs: Array, targets: Targets) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = predictions(outputs) == targets
    return right


def in_top5(outputs: Array, targets: Targets) -> NDArray[np.bool_]:
    true = true_logits(outputs, targets)[..., None]
    earlier = np.arange(outputs.shape[-1]) < targets[:, None]
    rank = (outputs > true).sum(axis=-1) + ((outputs == true) & earlier).sum(axis=-1)
    inside: NDArray[np.bool_] = rank < 5
    return inside


def surprise(outputs: Array, targets: Targets) -> Array:
    """Negative log-likelihood of each sample, in nats."""
    top = outputs.max(axis=-1, keepdims=True)
    total = np.log(np.exp(outputs - top).sum(axis=-1)) + top[..., 0]
    lost: Array = total - true_logits(outputs, targets)
    return lost


def squares(outputs: Array, targets: Targets) -> Array:
    """Brier score of each sample, summed over classes: between 0 and 2 (Brier 1950, eq. 2)."""
    chance = probabilities(outputs)
    chance[..., np.arange(len(targets)), targets] -= 1
    squared: Array = np.square(chance).sum(axis=-1)
    return squared


def soft(tau: float) -> Formula:
    def sigmoid_margin(outputs: Array, targets: Targets) -> Array:
        scaled = margins(outputs, targets) / tau
        # Written with tanh, which cannot overflow.
        smooth: Array = 0.5 * (1 + np.tanh(0.5 * scaled))
        return smooth

    return sigmoid_margin


def _gaps(outputs: Array, targets: Targets) -> tuple[NDArray[np.intp], Array]:
    """Bin of each sample's confidence, and its (correct - confidence); both (..., n)."""
    confidence = probabilities(outputs).max(axis=-1).astype(np.float64)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)
    return bins, correct(outputs, targets) - confidence


def _bin_sums(bins: NDArray[np.intp], gaps: Array) -> Array:
    return np.stack([np.where(bins == b, gaps, 0.0).sum(axis=-1) for b in range(BINS)], axis=-1)


def calibration(outputs: Array, targets: Targets) -> Array:
    """Expected calibration error in 15 equal bins (arXiv 1706.04599, eq. 3).

    A bin's share times |accuracy - confidence| is |sum of its gaps| / n.
    """
    bins, gaps = _gaps(outputs, targets)
    error: Array = np.abs(_bin_sums(bins, gaps)).sum(axis=-1) / len(targets)
    return error


def calibration_error(outputs: Array, targets: Targets) -> Array:
    """Jackknife in closed form: without sample i only its own bin's sum changes."""
    if len(targets) == 1:
        return np.zeros(outputs.shape[:-2])
    bins, gaps = _gaps(outputs, targets)
    sums = _bin_sums(bins, gaps)
    own = np.take_along_axis(sums, bins, axis=-1)
    rest = np.abs(sums).sum(axis=-1, keepdims=True) - np.abs(own)
    return jackknife((rest + np.abs(own - gaps)) / (len(targets) - 1))


def hits(outputs: Array, targets: Targets) -> tuple[Array, Array]:
    """Correct samples per class (..., C), and samples per class (C,)."""
    onehot = (targets[:, None] == np.arange(outputs.shape[-1])).astype(np.float64)
    return correct(outputs, targets).astype(np.float64) @ onehot, onehot.sum(axis=0)


def _present_recall(outputs: Array, targets: Targets) -> tuple[Array, Array]:
    found, counts = hits(outputs, targets)
    present = counts > 0
    return found[..., present] / counts[present], counts[present]


def balanced(outputs: Array, targets: Targets) -> Array:
    """Mean recall over the classes that have samples."""
    return mean(_present_recall(outputs, targets)[0])


def balanced_error(outputs: Array, targets: Targets) -> Array:
    """Binomial per class, added as independent: sqrt(sum r (1 - r) / n_c) / K."""
    recall, counts = _present_recall(outputs, targets)
    error: Array = np.sqrt((recall * (1 - recall) / counts).sum(axis=-1)) / len(counts)
    return error


def worst(outputs: Array, targets: Targets) -> Array:
    """Least recall over the classes that have samples."""
    least: Array = _present_recall(outputs, targets)[0].min(axis=-1)
    return least


def worst_error(outputs: Array, targets: Targets) -> Array:
    """Binomial error of the class that is worst; says nothing of which class that is."""
    recall, counts = _present_recall(outputs, targets)
    least = recall.argmin(axis=-1)
    share = np.take_along_axis(recall, least[..., None], axis=-1)[..., 0]
    error: Array = np.sqrt(share * (1 - share) / counts[least])
    return error


def _confusion(outputs: Array, targets: Targets) -> tuple[Targets, Array, Array]:
    """Predictions (..., n), and per class: right (..., C), and predicted + true (..., C)."""
    guesses = predictions(outputs)
    predicted = np.stack([(guesses == c).sum(axis=-1) for c in range(outputs.shape[-1])], axis=-1)
    right, true = hits(outputs, targets)
    return guesses, right, predicted + true


def _f1(right: Array, total: Array) -> Array:
    return 2 * right / np.maximum(total, 1)


def macro_f1(outputs: Array, targets: Targets) -> Array:
    """Mean F1 over the classes that have samples, so that every model is averaged over the same classes."""
    _, right, total = _confusion(outputs, targets)
    return mean(_f1(right, total)[..., np.unique(targets)])


def macro_f1_error(outputs: Array, targets: Targets) -> Array:
    """Jackknife in closed form: without a sample only F1 of its true and of its predicted class change."""
    guesses, right, total = _confusion(outputs, targets)
    present = np.isin(np.arange(outputs.shape[-1]), targets)
    scores = np.where(present, _f1(right, total), 0.0)
    labels = np.broadcast_to(targets, guesses.shape)
    hit = guesses == labels

    def change(classes: Targets, removed: Array) -> Array:
        was, full = np.take_along_axis(right, classes, -1), np.take_along_axis(total, classes, -1)
        after = _f1(was - hit, full - removed) * present[classes]
        moved: Array = after - np.take_along_axis(scores, classes, -1)
        return moved

    # A hit leaves one class once with both its counts; a miss leaves two classes with one count each.
    moved = np.where(hit, change(labels, 1.0 + hit), change(labels, 1.0 + hit) + change(guesses, 1.0 + hit))
    return jackknife((scores.sum(axis=-1, keepdims=True) + moved) / present.sum())
