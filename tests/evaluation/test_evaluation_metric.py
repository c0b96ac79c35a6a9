"""Every metric against scikit-learn or a plain loop, and what must hold for any outputs."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn import metrics as sklearn

from evaluation.errors import EvaluationError
from evaluation.formulas import probabilities
from evaluation.metric import class_recall, metric, metrics
from tests.conftest import ROOT

NAMES = list(metrics())
CLASSES = 7


def _case(seed: int, n: int = 60, models: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, CLASSES, n)
    lift = 1.5 * (targets[:, None] == np.arange(CLASSES))
    return generator.normal(size=(*models, n, CLASSES)) + lift, targets


def _ece(outputs: np.ndarray, targets: np.ndarray) -> float:
    chance = probabilities(outputs)
    sure, right = chance.max(1), chance.argmax(1) == targets
    error = 0.0
    for low in range(15):
        inside = (sure > low / 15) & (sure <= (low + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return float(error)


def _soft(outputs: np.ndarray, targets: np.ndarray, tau: float) -> float:
    total = 0.0
    for row, target in zip(outputs, targets, strict=True):
        margin = row[target] - np.delete(row, target).max()
        total += 1 / (1 + np.exp(-margin / tau))
    return total / len(targets)


REFERENCE = {
    "accuracy": lambda o, t: sklearn.accuracy_score(t, o.argmax(1)),
    "soft_accuracy": lambda o, t: _soft(o, t, 1.0),
    "soft_accuracy_half": lambda o, t: _soft(o, t, 0.5),
    "top5": lambda o, t: sklearn.top_k_accuracy_score(t, o, k=5, labels=range(CLASSES)),
    "balanced_accuracy": lambda o, t: sklearn.balanced_accuracy_score(t, o.argmax(1)),
    "worst_class": lambda o, t: sklearn.recall_score(t, o.argmax(1), average=None).min(),
    "macro_f1": lambda o, t: sklearn.f1_score(t, o.argmax(1), average="macro"),
    "nll": lambda o, t: sklearn.log_loss(t, probabilities(o), labels=range(CLASSES)),
    "brier": lambda o, t: np.square(probabilities(o) - np.eye(CLASSES)[t]).sum(1).mean(),
    "ece": _ece,
    "auroc": lambda o, t: sklearn.roc_auc_score(t, probabilities(o), multi_class="ovr", average="macro"),
    "matthews": lambda o, t: sklearn.matthews_corrcoef(t, o.argmax(1)),
    "spearman": lambda o, t: spearmanr(probabilities(o) @ np.arange(CLASSES), t).statistic,
}
NOTHING_TO_TELL_APART = {"auroc": 0.5, "matthews": 0.0, "spearman": 0.0}


def test_every_metric_has_a_reference():
    assert list(REFERENCE) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_value_equals_the_reference(name, seed):
    outputs, targets = _case(seed)
    assert metric(name)(outputs, targets) == pytest.approx(REFERENCE[name](outputs, targets), abs=1e-12)


def test_brier_equals_scikit_learn_where_both_mean_the_same():
    outputs, targets = _case(0)
    theirs = sklearn.brier_score_loss(targets, probabilities(outputs), labels=list(range(CLASSES)), scale_by_half=False)
    assert metric("brier")(outputs, targets) == pytest.approx(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_leading_axes_are_models(name):
    outputs, targets = _case(1, models=(2, 3))
    values, errors = metric(name)(outputs, targets), metric(name).stderr(outputs, targets)
    assert values.shape == errors.shape == (2, 3)
    for place in np.ndindex(2, 3):
        assert values[place] == pytest.approx(float(metric(name)(outputs[place], targets)))
        assert errors[place] == pytest.approx(float(metric(name).stderr(outputs[place], targets)))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_untouched_and_metrics_travel_by_name(name):
    outputs, targets = _case(2)
    before = outputs.copy(), targets.copy()
    metric(name)(outputs, targets)
    metric(name).stderr(outputs, targets)
    assert (outputs == before[0]).all() and (targets == before[1]).all()
    assert pickle.loads(pickle.dumps(metric(name))) is metric(name)


@pytest.mark.parametrize("name", ["ece", "macro_f1", "matthews"])
def test_closed_jackknife_equals_leaving_each_sample_out(name):
    outputs, targets = _case(3)
    n = len(targets)
    left_out = [metric(name)(np.delete(outputs, i, 0), np.delete(targets, i)) for i in range(n)]
    expected = np.sqrt((n - 1) / n * np.square(left_out - np.mean(left_out)).sum())
    assert metric(name).stderr(outputs, targets) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "worst_class"])
def test_stderr_is_near_the_bootstrap(name):
    outputs, targets = _case(4, n=400)
    rows = np.random.default_rng(0).integers(0, 400, (300, 400))
    spread = np.std([metric(name)(outputs[each], targets[each]) for each in rows])
    assert metric(name).stderr(outputs, targets) == pytest.approx(spread, rel=0.35)


def test_accuracy_error_is_binomial():
    outputs = np.array([[2.0, 1.0]] * 3 + [[0.0, 1.0]])
    targets = np.zeros(4, dtype=int)
    assert metric("accuracy")(outputs, targets) == 0.75
    assert metric("accuracy").stderr(outputs, targets) == pytest.approx(np.sqrt(0.75 * 0.25 / 4))


def test_worst_class_error_is_that_class_alone():
    outputs = np.array([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 3)
    targets = np.array([0] * 4 + [1] * 5)
    assert metric("worst_class")(outputs, targets) == pytest.approx(0.6)
    assert metric("worst_class").stderr(outputs, targets) == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    assert class_recall(outputs, targets).tolist() == pytest.approx([1.0, 0.6])


def test_class_without_samples_is_left_out():
    outputs = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    targets = np.array([0, 1])
    assert metric("balanced_accuracy")(outputs, targets) == 0.5
    assert metric("macro_f1")(outputs, targets) == 0.5
    assert np.isnan(class_recall(outputs, targets)[2])


@pytest.mark.parametrize("name", NAMES)
def test_one_sample_and_huge_logits_are_fine(name):
    value = metric(name)(np.array([[1e4, -1e4, 0.0]], dtype=np.float32), np.array([0]))
    error = metric(name).stderr(np.array([[1e4, -1e4, 0.0]], dtype=np.float32), np.array([0]))
    best = NOTHING_TO_TELL_APART.get(name, 1.0 if metric(name).direction == "max" else 0.0)
    assert value == pytest.approx(best) and error == 0


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 30), spread=st.sampled_from([0.01, 1.0, 50.0]))
def test_invariances(name, seed, n, spread):
    """In range; the order of samples, a shift of all logits, and renaming the classes change nothing."""
    generator = np.random.default_rng(seed)
    outputs, targets = generator.normal(size=(n, 4)) * spread, generator.integers(0, 4, n)
    one = metric(name)
    value = float(one(outputs, targets))
    assert one.low <= value <= one.high + 1e-12
    assert one.stderr(outputs, targets) >= 0
    order, names = generator.permutation(n), generator.permutation(4)
    assert one(outputs[order], targets[order]) == pytest.approx(value)
    assert one(outputs + generator.normal(size=(n, 1)), targets) == pytest.approx(value)
    if name != "spearman":  # for grades in order
        assert one(outputs[:, names], np.argsort(names)[targets]) == pytest.approx(value)


def test_area_for_two_classes_is_the_usual_one():
    outputs, targets = _case(6, n=80)
    outputs, targets = outputs[:, :2], targets % 2
    expected = sklearn.roc_auc_score(targets, outputs[:, 1] - outputs[:, 0])
    assert metric("auroc")(outputs, targets) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_soft_accuracy_tends_to_accuracy(seed):
    generator = np.random.default_rng(seed)
    outputs, targets = generator.normal(size=(20, 4)), generator.integers(0, 4, 20)
    assert metric("soft_accuracy")(1e9 * outputs, targets) == metric("accuracy")(outputs, targets)


def test_float32_and_lists_are_welcome():
    outputs, targets = _case(5)
    narrow = metric("nll")(outputs.astype(np.float32), targets.astype(np.int32))
    assert narrow == pytest.approx(float(metric("nll")(outputs, targets)), rel=1e-5)
    assert metric("accuracy")([[2, 1], [0, 1]], [0, 0]) == 0.5


@pytest.mark.parametrize(
    ("outputs", "targets", "text"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), "outputs of shape (3, 2) and targets of shape (2,)"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one"),
        (np.zeros((2, 2)), np.array([0, 2]), "targets from 0 to 2"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "whole numbers from 0 to 1"),
        (np.zeros((2, 1)), np.array([0, 0]), "outputs with 1 class"),
    ],
)
def test_wrong_arrays_are_named(outputs, targets, text):
    with pytest.raises(EvaluationError) as caught:
        metric("accuracy")(outputs, targets)
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_name_has_its_nearest():
    with pytest.raises(EvaluationError, match="^Unknown metric 'acuracy'. Nearest: 'accuracy'.$") as caught:
        metric("acuracy")
    assert caught.value.cure == "Nearest: 'accuracy'."


def test_import_without_torch():
    code = (
        "import importlib, sys\n"
        "for name in ('metric', 'task', 'samples', 'data.sheet', 'data.folder'):\n"
        "    importlib.import_module(f'evaluation.{name}')\n"
        "    assert 'torch' not in sys.modules, f'evaluation.{name} loads torch'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
