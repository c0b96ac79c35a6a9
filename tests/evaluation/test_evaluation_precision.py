"""Forward passes in half precision, on a CPU: what they change, and when they are refused."""

import pytest
import torch

from evaluation.evaluate import evaluate, load_task
from evaluation.models.opening import open_model
from evaluation.precision import Halved, faster_in_half

CPU = torch.device("cpu")


@pytest.fixture
def bound(config, bpe, layout):
    model = open_model(config, bpe, CPU)
    model.bind(*layout(model))
    return model


def test_features_are_rounded_and_logits_are_not(bound, spec, tmp_path):
    task = load_task(spec, bound, 0, tmp_path)
    exact = evaluate(bound, task, "test", CPU)[1]
    half = evaluate(Halved(bound), task, "test", CPU)[1]
    assert half.dtype == exact.dtype and (half != exact).any()
    assert half == pytest.approx(exact, abs=0.02 * float(exact.max() - exact.min()))
    assert {parameter.dtype for parameter in bound.module.parameters()} == {torch.float32}
    assert (evaluate(Halved(bound), task, "test", CPU)[1] == half).all()


class Slow:
    """A model that is slower, or another one, in half precision."""

    device = CPU

    def __init__(self, passes: int, shift: float) -> None:
        self.passes, self.shift = passes, shift

    def features(self, inputs):
        half = torch.is_autocast_enabled("cpu")
        for _ in range(self.passes if half else 1):
            inputs.square().sum()
        return inputs + self.shift if half else inputs

    def forward(self, inputs, head):
        return head(self.features(inputs))


def test_slower_or_different_passes_are_refused():
    inputs = torch.linspace(0, 1, 40000).view(100, 400)
    assert not faster_in_half(Slow(200, 0.0), inputs, lambda features: features)
    assert not faster_in_half(Slow(1, 0.5), inputs, lambda features: features)
    assert not faster_in_half(Slow(1, float("nan")), inputs, lambda features: features)
