"""Metrics: per-sample outputs and targets to one number, for one model or for thousands at once.

Letters: n samples, C classes. `outputs` has shape (..., n, C) and holds logits (any real numbers; a larger
one means more likely); `targets` has shape (n,) and holds class numbers. Results have shape (...), so a
surrogate can read a metric of every predicted model in one call. Where logits tie, the first class wins.
Numpy only: importing this module must stay cheap. NaN is refused by `evaluate`, not here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation import formulas, ranking
from evaluation.errors import EvaluationError, nearest
from evaluation.formulas import Array, Formula, Targets


@dataclass(frozen=True)
class Metric:
    """One number read from a model on a task: what it is called, and which way is better.

    `low` and `high` bound every possible value; `stderr` is the standard error of the value over samples.
    """

    name: str
    title: str
    unit: str
    direction: Literal["max", "min"]
    low: float
    high: float
    formula: Formula = field(repr=False, compare=False)
    error: Formula = field(repr=False, compare=False)

    def function(self, outputs: ArrayLike, targets: ArrayLike) -> Array:
        """Value of shape (...) from outputs (..., n, C) and targets (n,).

        Raises: EvaluationError when the shapes disagree or a target is no class.
        """
        return self.formula(*_checked(self.name, outputs, targets))

    def stderr(self, outputs: ArrayLike, targets: ArrayLike) -> Array:
        """Standard error of shape (...) of `function`; 0 is possible (an accuracy of exactly 0 or 1)."""
        return self.error(*_checked(self.name, outputs, targets))

    __call__ = function

    def __reduce__(self) -> tuple[Callable[[str], "Metric"], tuple[str]]:
        """Pickled by name, so that a worker process can be handed one."""
        return metric, (self.name,)


def metrics() -> dict[str, Metric]:
    """Every metric by name; accuracy, what most people ask for, comes first."""
    return dict(_METRICS)


def metric(name: str) -> Metric:
    """The metric called `name`.

    >>> metric("accuracy")([[2.0, 1.0], [0.0, 3.0]], [0, 0]).item()
    0.5

    Raises: EvaluationError with the nearest name.
    """
    try:
        return _METRICS[name]
    except KeyError:
        raise EvaluationError(f"Unknown metric '{name}'.", nearest(name, _METRICS)) from None


def unfit(name: str, classes: Sequence[str], in_order: bool) -> tuple[str, str] | None:
    """Why a metric says nothing of a task with these classes, and what to do; None where it suits.

    in_order: somebody has put the classes in this order on purpose.

    >>> unfit("top5", ["a", "b", "c"], False)
    ('is 1 for every model: the task has 3 classes', 'Choose accuracy.')
    """
    if name == "top5" and len(classes) <= 5:
        return f"is 1 for every model: the task has {len(classes)} classes", "Choose accuracy."
    if name == "spearman" and not in_order and not all(each.isdecimal() for each in classes):
        word = next(each for each in classes if not each.isdecimal())
        return (
            f"compares grades in order, and class '{word}' is no number",
            "List the classes from the lowest grade to the highest (classes: …), or choose accuracy.",
        )
    return None


def class_recall(outputs: ArrayLike, targets: ArrayLike) -> Array:
    """Share of each class's samples that is recognised, shape (..., C); NaN for a class without samples.

    >>> class_recall([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 1]).tolist()
    [1.0, 0.5]
    """
    logits, labels = _checked("class_recall", outputs, targets)
    found, counts = formulas.hits(logits, labels)
    with np.errstate(invalid="ignore"):
        return found / counts


def _checked(name: str, outputs: ArrayLike, targets: ArrayLike) -> tuple[Array, Targets]:
    logits, labels = np.asarray(outputs), np.asarray(targets)
    if not np.issubdtype(logits.dtype, np.floating):
        logits = logits.astype(np.float64)
    if logits.ndim < 2 or labels.ndim != 1 or logits.shape[-2] != len(labels) or not len(labels):
        raise EvaluationError(
            f"Metric '{name}' got outputs of shape {logits.shape} and targets of shape {labels.shape}.",
            "Give outputs (..., samples, classes) and as many targets, at least one.",
        )
    classes = logits.shape[-1]
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
        raise EvaluationError(
            f"Metric '{name}' got targets from {labels.min()} to {labels.max()} ({labels.dtype}).",
            f"Targets are whole numbers from 0 to {classes - 1}, the classes of the outputs.",
        )
    if classes < 2:
        raise EvaluationError(f"Metric '{name}' got outputs with {classes} class.", "It needs at least 2.")
    return logits, labels


def _share(name: str, title: str, correct: Callable[[Array, Targets], NDArray[np.bool_]]) -> Metric:
    """A metric that counts the samples for which `correct` holds."""

    def value(outputs: Array, targets: Targets) -> Array:
        return formulas.mean(correct(outputs, targets))

    def error(outputs: Array, targets: Targets) -> Array:
        return formulas.binomial_error(correct(outputs, targets))

    return Metric(name, title, "fraction", "max", 0.0, 1.0, value, error)


def _average(name: str, title: str, unit: str, direction: Literal["max", "min"], high: float, each: Formula) -> Metric:
    """A metric that is the mean of one number per sample, (..., n)."""

    def value(outputs: Array, targets: Targets) -> Array:
        return formulas.mean(each(outputs, targets))

    def error(outputs: Array, targets: Targets) -> Array:
        return formulas.sample_error(each(outputs, targets))

    return Metric(name, title, unit, direction, 0.0, high, value, error)


def _whole(name: str, title: str, direction: Literal["max", "min"], value: Formula, error: Formula) -> Metric:
    """A fraction that only the whole set has; no sample has one of its own."""
    return Metric(name, title, "fraction", direction, 0.0, 1.0, value, error)


def _correlation(name: str, title: str, value: Formula, error: Formula) -> Metric:
    """A number between -1 and 1 that only the whole set has."""
    return Metric(name, title, "correlation", "max", -1.0, 1.0, value, error)


_METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        _share("accuracy", "Accuracy", formulas.correct),
        _average("soft_accuracy", "Soft accuracy", "fraction", "max", 1.0, formulas.soft(1.0)),
        _average("soft_accuracy_half", "Soft accuracy (tau 0.5)", "fraction", "max", 1.0, formulas.soft(0.5)),
        _share("top5", "Top-5 accuracy", formulas.in_top5),
        _whole("balanced_accuracy", "Balanced accuracy", "max", formulas.balanced, formulas.balanced_error),
        _whole("worst_class", "Recall of the worst class", "max", formulas.worst, formulas.worst_error),
        _whole("macro_f1", "Macro F1", "max", formulas.macro_f1, formulas.macro_f1_error),
        _average("nll", "Negative log-likelihood", "nats", "min", float("inf"), formulas.surprise),
        _average("brier", "Brier score", "squared error", "min", 2.0, formulas.squares),
        _whole("ece", "Calibration error", "min", formulas.calibration, formulas.calibration_error),
        _whole("auroc", "Area under the ROC curve", "max", ranking.auroc, ranking.auroc_error),
        _correlation("matthews", "Matthews correlation", ranking.matthews, ranking.matthews_error),
        _correlation("spearman", "Spearman's rank correlation", ranking.spearman, ranking.spearman_error),
    )
}
