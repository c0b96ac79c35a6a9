"""Measurements: the same every time, whatever the batch; memory, cancelling and broken weights."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from evaluation.device import available, first_batch_size, pick_device
from evaluation.errors import Cancelled, EvaluationError
from evaluation.evaluate import evaluate, load_task, resident_inputs
from evaluation.metric import metric
from evaluation.models.binding import bind
from evaluation.models.head import Head
from evaluation.precision import Halved
from evaluation.task import TaskSpec

CPU = torch.device("cpu")


class Linear:
    """A real network of one layer whose device has room for `room` samples at a time."""

    name, device, width, preprocessing = "linear", CPU, 8, "linear"

    def __init__(self, room: int = 10**9, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.module = nn.Linear(3 * 32 * 32, 8)
        nn.init.normal_(self.module.weight, generator=torch.Generator().manual_seed(0))
        nn.init.zeros_(self.module.bias)
        self.room, self.error, self.sizes = room, error, []

    headless = False

    def bind(self, entries, buffer, others):
        bind(self.name, self.module, entries, buffer, others)

    def preprocess(self, samples):
        return np.stack([np.asarray(each, dtype=np.float32).reshape(-1) / 255 for each in samples])

    def head(self, classes, templates):
        weight = torch.randn(len(classes), 8, generator=torch.Generator().manual_seed(1))
        return Head(weight)

    def forward(self, inputs, head):
        self.sizes.append(len(inputs))
        if len(inputs) > self.room:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return head(self.module(inputs))


@pytest.fixture
def task(model, layout, spec, tmp_path):
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    return load_task(spec, model, 0, tmp_path / "cache")


def test_task_is_what_was_asked_for(task, model):
    assert {name: len(split) for name, split in task.splits.items()} == {
        "calibration": 8,
        "validation": 40,
        "test": 50,
    }
    assert task.classes == ("red", "green", "blue") and task.head.weight.shape == (3, model.width)
    expected = model.head(task.classes, ("a photo of a {} square.", "something {}."))
    assert torch.equal(task.head.weight, expected.weight)
    split = task.split("validation")
    pictures = [task.source.read(each) for each in split.ids[:3]]
    assert (model.preprocess(pictures) == split.inputs[:3]).all()
    with pytest.raises(EvaluationError, match="has no split 'train'; it has calibration, validation, test"):
        task.split("train")


def test_measurement_is_the_metric_of_the_outputs(task, model):
    measurement, outputs = evaluate(model, task, "validation", CPU)
    targets = task.split("validation").targets
    assert outputs.shape == (40, 3) and outputs.dtype == np.float32
    assert measurement.value == metric("accuracy")(outputs, targets)
    assert measurement.stderr == metric("accuracy").stderr(outputs, targets)
    assert (measurement.task, measurement.metric, measurement.split) == ("colours", "accuracy", "validation")
    assert measurement.n == measurement.batch_size == 40 and measurement.seconds > 0


def test_two_runs_give_the_same_bits(task, model, spec, tmp_path):
    first = evaluate(model, task, "test", CPU)[1]
    assert (evaluate(model, task, "test", CPU)[1] == first).all()
    again = load_task(spec, model, 0, tmp_path / "cache")
    fresh = load_task(spec, model, 0, tmp_path / "elsewhere")
    for other in (again, fresh):
        assert other.split("test").fingerprint == task.split("test").fingerprint
        assert (evaluate(model, other, "test", CPU)[1] == first).all()


@pytest.mark.parametrize("size", [1, 7, 25, 1000])
def test_batch_size_changes_rounding_only(task, model, size):
    expected = evaluate(model, task, "test", CPU)[1]
    measurement, outputs = evaluate(model, task, "test", CPU, batch_size=size)
    assert measurement.batch_size == min(size, 50)
    assert outputs == pytest.approx(expected, abs=1e-4)


def test_writing_the_buffer_is_all_a_trial_needs(task, model, layout):
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    before = evaluate(model, task, "validation", CPU)[1]
    original = buffer.clone()
    buffer.mul_(1.05)
    assert (evaluate(model, task, "validation", CPU)[1] != before).any()
    buffer.copy_(original)
    assert (evaluate(model, task, "validation", CPU)[1] == before).all()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_batch_size_halves_until_it_fits(spec, tmp_path, caplog, error):
    model = Linear(room=6, error=error)
    task = load_task(spec, model, 0, tmp_path)
    with caplog.at_level(logging.WARNING):
        measurement, outputs = evaluate(model, task, "test", CPU)
    assert measurement.batch_size == 6 and model.sizes == [50, 25, 12] + [6] * 8 + [2]
    assert "batch size is now 6" in caplog.messages[-1] and len(caplog.messages) == 3
    # Begun at that size, the outputs have the same bits.
    assert (evaluate(Linear(), task, "test", CPU, batch_size=6)[1] == outputs).all()


def test_memory_for_not_even_one(spec, tmp_path):
    model = Linear(room=0)
    task = load_task(spec, model, 0, tmp_path)
    with pytest.raises(EvaluationError, match="'cpu' has too little memory for a single sample of task 'col"):
        evaluate(model, task, "test", CPU)


def test_other_errors_pass(spec, tmp_path):
    class Broken(Linear):
        def forward(self, inputs, head):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    task = load_task(spec, Linear(), 0, tmp_path)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        evaluate(Broken(), task, "test", CPU)


def test_broken_outputs_are_counted(task, model, layout):
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    buffer.fill_(float("nan"))
    with pytest.raises(EvaluationError, match=r"^Task 'colours' \(test\): 50 of 50 samples got NaN or infinite"):
        evaluate(model, task, "test", CPU)


def test_cancelling_stops_between_batches(spec, tmp_path):
    model = Linear()
    task = load_task(spec, model, 0, tmp_path)
    with pytest.raises(Cancelled):
        evaluate(model, task, "test", CPU, batch_size=10, should_stop=lambda: len(model.sizes) >= 3)
    assert model.sizes == [10, 10, 10]


def test_impossible_batch_size(task, model):
    with pytest.raises(EvaluationError, match="Batch size 0 is not possible"):
        evaluate(model, task, "test", CPU, batch_size=0)


def test_inputs_travel_once(task):
    split = task.split("test")
    assert resident_inputs(split, CPU) is resident_inputs(split, CPU)
    assert resident_inputs(split, CPU).data_ptr() == split.inputs.ctypes.data


def test_only_asked_splits_are_preprocessed_but_stay_disjoint(spec, tmp_path):
    task = load_task(spec, Linear(), 0, tmp_path, splits=("validation",))
    assert list(task.splits) == ["validation"]
    assert len(list((tmp_path / "colours").glob("*.npy"))) == 1
    whole = load_task(spec, Linear(), 0, tmp_path)
    assert whole.split("validation").ids == task.split("validation").ids


def test_copies_are_noted(tmp_path, colours):
    images, labels = colours.tiles(30)
    path = colours.sheet(tmp_path / "s", images + images[:1] * 10, labels + labels[:1] * 10)
    task = load_task(TaskSpec("c", "C", path, samples={"validation": 30}), Linear(), 0, tmp_path / "cache")
    # The tenth copy was not reached: 30 distinct samples were complete before it.
    assert task.notes == ("9 exact copies of other samples were left out of 'c'.",)


def test_classes_may_be_renamed_or_reordered(spec, tmp_path):
    first = load_task(spec, Linear(), 0, tmp_path)
    plain = load_task(dataclasses.replace(spec, classes=("rot", "grün", "blau")), Linear(), 0, tmp_path)
    turned = load_task(dataclasses.replace(spec, classes=("blue", "green", "red")), Linear(), 0, tmp_path)
    targets = first.split("test").targets
    assert plain.classes == ("rot", "grün", "blau") and (plain.split("test").targets == targets).all()
    assert (turned.split("test").targets == 2 - targets).all()
    with pytest.raises(EvaluationError, match="names 2 classes; '.*' has 3. Name every class once"):
        load_task(dataclasses.replace(spec, classes=("a", "b")), Linear(), 0, tmp_path)
    with pytest.raises(EvaluationError, match="has classes .* Give at least 2, all different"):
        dataclasses.replace(spec, classes=("a", "b", "b"))


def test_head_from_a_file(spec, tmp_path, model):
    path = tmp_path / "head.safetensors"
    save_file({"weight": torch.ones(3, 16), "bias": torch.arange(3.0)}, path)
    task = load_task(dataclasses.replace(spec, head=path), model, 0, tmp_path)
    outputs = evaluate(model, task, "test", CPU)[1]
    assert outputs[:, 2] - outputs[:, 0] == pytest.approx(2.0, abs=1e-5)
    save_file({"weight": torch.ones(4, 16)}, path)
    with pytest.raises(EvaluationError, match=r"has shape \(4, 16\); 3 classes and model '.*' need \(3, 16\)"):
        load_task(dataclasses.replace(spec, head=path), model, 0, tmp_path)


def test_devices():
    assert pick_device("cpu") == CPU and available()[0] == "cpu"
    assert pick_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "tpu", "gpu", ""):
        with pytest.raises(EvaluationError, match=f"This machine has no device '{name}'. It has: cpu"):
            pick_device(name)
    assert first_batch_size(CPU) == 125 and first_batch_size(torch.device("cuda")) == 512


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(config, bpe, layout, spec, tmp_path):
    from evaluation.models.opening import open_model

    device = pick_device(None)
    here, there = open_model(config, bpe, CPU), open_model(config, bpe, device)
    entries, buffer, others = layout(here)
    here.bind(entries, buffer, others)
    there.bind(entries, buffer.to(device), others)
    expected = evaluate(here, load_task(spec, here, 0, tmp_path), "test", CPU)[1]
    task = load_task(spec, there, 0, tmp_path)
    outputs = evaluate(there, task, "test", device)[1]
    assert outputs == pytest.approx(expected, abs=1e-2)
    assert (evaluate(there, task, "test", device)[1] == outputs).all()
    assert resident_inputs(task.split("test"), device).is_cuda
    assert evaluate(Halved(there), task, "test", device)[1] == pytest.approx(expected, abs=0.2)
