"""From weights to measurements: the forward pass over one split, and the loading that goes before it."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.data.corruption import corrupted
from evaluation.data.opening import open_source
from evaluation.data.source import Source
from evaluation.device import first_batch_size, picture_layout
from evaluation.errors import Cancelled, EvaluationError
from evaluation.metric import metric, unfit
from evaluation.models.head import Head, read_head
from evaluation.models.model import Model
from evaluation.samples import Drawn, Samples, preprocessed, recorded
from evaluation.task import SPLITS, TEMPLATES, Measurement, Split, Task, TaskSpec

logger = logging.getLogger(__name__)

# Inputs stay on a CUDA device when they take at most this share of its free memory.
RESIDENT_SHARE = 0.25
# Metrics that say nothing where all samples are of one class.
COMPARING = frozenset({"auroc", "matthews", "spearman"})


def load_task(
    spec: TaskSpec,
    model: Model,
    seed: int,
    cache: Path,
    splits: Sequence[str] = SPLITS,
    progress: Callable[[int, int], None] | None = None,
    source: Source | None = None,
) -> Task:
    """The task of `spec`: samples drawn (or read from their record), preprocessed (or mapped from the cache).

    The head is made from the weights that `model` has at this moment: bind the base first. `splits` limits
    what is preprocessed; all are drawn together, so they stay disjoint. progress(done, total) counts samples.
    source: the data, where they are open already.
    Raises: EvaluationError naming the task's data, sample or class that is wrong.
    """
    source = source or open_source(spec.data)
    classes, order = classes_of(spec, source)
    samples = recorded(spec, source, seed, cache)
    check_metric(spec, classes, samples)
    source = corrupted(source, spec.corruption, seed)
    loaded = {}
    for name, drawn in samples.splits.items():
        if name in splits:
            inputs = preprocessed(spec, name, drawn, source, model, cache, progress)
            drawn = replace(drawn, targets=tuple(order[target] for target in drawn.targets))
            loaded[name] = _split(name, drawn, inputs)
    head = make_head(spec, classes, source, model)
    return Task(spec, classes, loaded, head, metric(spec.metric), source, samples.notes(spec.name))


def make_head(spec: TaskSpec, classes: Sequence[str], source: Source, model: Model) -> Head:
    """The task's frozen head: its file, or what the model makes of the class names with its weights of this moment.

    Raises: EvaluationError when it has not one row per class, or not the model's width.
    """
    path = spec.head or (spec.expert if model.headless else None)
    if path is not None:
        head = read_head(path, model.device).in_order(tuple(classes))
    else:
        head = model.head(classes, spec.templates or source.templates or TEMPLATES)
    if (len(head.weight), head.width) != (len(classes), model.width):
        raise EvaluationError(
            f"The head of task '{spec.name}' has shape {(len(head.weight), head.width)}; {len(classes)} classes "
            f"and model '{model.name}' need {(len(classes), model.width)}.",
        )
    return head


def evaluate(
    model: Model,
    task: Task,
    split: str,
    device: torch.device,
    batch_size: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    first: int | None = None,
) -> tuple[Measurement, NDArray[np.float32]]:
    """Measure the weights bound to `model` on one split; outputs (n, C) are the logits, in the split's order.

    first: see only so many samples, from the split's beginning, where its classes are in proportion too.
    batch_size: None chooses by device, or the one that this split was found to fit in. It is halved while memory
    runs out, the split starting over each time so that all outputs come from one size; the size used is in the
    measurement. `should_stop` is asked before every batch. seconds covers the forward pass and the way back, not
    the first transfer of the inputs.
    Raises: Cancelled; EvaluationError for NaN or infinite outputs, or when one sample does not fit in memory.
    """
    samples = task.split(split)
    count = len(samples) if first is None else min(first, len(samples))
    size = min(samples.sizes.get(str(device), first_batch_size(device)) if batch_size is None else batch_size, count)
    if size < 1:
        raise EvaluationError(f"Batch size {batch_size} is not possible.", "Give a whole number from 1 on.")
    inputs = resident_inputs(samples, device)[:count]
    while True:
        begun = time.perf_counter()
        outputs = _forward(model, task.head, inputs, device, size, should_stop)
        seconds = time.perf_counter() - begun
        if outputs is not None:
            break
        if size == 1:
            raise EvaluationError(
                f"Device '{device}' has too little memory for a single sample of task '{task.name}'.",
                "Free memory on it, or use another device.",
            )
        size = max(1, size // 2)
        samples.sizes[str(device)] = size
        logger.warning("Out of memory on '%s' in task '%s': batch size is now %d.", device, task.name, size)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return measured(task, split, outputs, seconds, size), outputs


def measured(task: Task, split: str, outputs: NDArray[np.float32], seconds: float, batch_size: int) -> Measurement:
    """Read the task's metric from outputs (n, C) of the split's first n samples. Raises: EvaluationError when some are
    not finite."""
    broken = int((~np.isfinite(outputs)).any(axis=1).sum())
    if broken:
        raise EvaluationError(
            f"Task '{task.name}' ({split}): {broken} of {len(outputs)} samples got NaN or infinite outputs.",
            "The weights hold NaN or numbers too large to compute with.",
        )
    targets = task.split(split).targets[: len(outputs)]
    return Measurement(
        task=task.name,
        metric=task.metric.name,
        split=split,
        value=float(task.metric(outputs, targets)),
        stderr=float(task.metric.stderr(outputs, targets)),
        n=len(targets),
        seconds=seconds,
        batch_size=batch_size,
    )


def resident_inputs(samples: Split, device: torch.device) -> Tensor:
    """The split's inputs (n, ...) on the device, moved there once; kept off it where they crowd it."""
    kept: Tensor | None = samples.resident.get(str(device))
    if kept is not None:
        return kept
    inputs = torch.from_numpy(samples.inputs)
    if device.type == "cpu":
        # Read every page now, so that the first trial is not charged for the disk.
        flat = samples.inputs.reshape(-1)
        flat[:: max(1, 4096 // flat.itemsize)].sum()
    elif device.type != "cuda" or inputs.nbytes <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        inputs = inputs.to(device)
    else:
        inputs = inputs.pin_memory()
    samples.resident[str(device)] = inputs
    return inputs


def _forward(
    model: Model,
    head: Head,
    inputs: Tensor,
    device: torch.device,
    size: int,
    should_stop: Callable[[], bool],
) -> NDArray[np.float32] | None:
    """Logits (n, C) of every input, or None when memory ran out. The device is awaited once, at the end."""
    try:
        with torch.inference_mode():
            classes = len(head.weight)
            layout = picture_layout(model.module) if inputs.ndim == 4 else torch.contiguous_format
            outputs = torch.empty(len(inputs), classes, device=device)
            for start in range(0, len(inputs), size):
                if should_stop():
                    raise Cancelled
                batch = inputs[start : start + size].to(device, non_blocking=True, memory_format=layout)
                outputs[start : start + size] = model.forward(_trimmed(batch), head)
            return outputs.cpu().numpy()
    except torch.OutOfMemoryError:
        return None
    except RuntimeError as error:
        # The CPU's allocator, and some CUDA libraries, have no class of their own for this.
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            return None
        raise


def _trimmed(batch: Tensor) -> Tensor:
    """Texts (n, 2, L) without the padding that the whole batch shares: it would cost as much as words.

    Only on a CPU: elsewhere asking for the longest text would wait for the device.
    """
    if batch.is_floating_point() or batch.ndim != 3 or batch.device.type != "cpu":
        return batch
    return batch[:, :, : max(1, int(batch[:, 1].sum(dim=1).max()))]


def check_metric(spec: TaskSpec, classes: Sequence[str], samples: Samples) -> None:
    """Raise EvaluationError where the task's metric cannot be read from its classes, or from the samples drawn."""
    reason = unfit(spec.metric, classes, spec.classes is not None)
    if reason is not None:
        raise EvaluationError(f"Task '{spec.name}': metric '{spec.metric}' {reason[0]}.", reason[1])
    if spec.metric not in COMPARING:
        return
    for split in SPLITS[1:]:
        targets = samples.splits[split].targets if split in samples.splits else ()
        if len(set(targets)) == 1:
            raise EvaluationError(
                f"Task '{spec.name}': metric '{spec.metric}' compares classes, and all {len(targets)} {split} samples "
                "are of one.",
                f"Raise samples.{split}, or choose accuracy.",
            )


def classes_of(spec: TaskSpec, source: Source) -> tuple[tuple[str, ...], Sequence[int]]:
    """Names of the classes, and the number each class of the source gets among them."""
    own = source.classes
    if spec.classes is None or spec.classes == own:
        return own, range(len(own))
    if len(spec.classes) != len(own):
        raise EvaluationError(
            f"Task '{spec.name}' names {len(spec.classes)} classes; '{spec.data}' has {len(own)}.",
            "Name every class once, or leave classes out.",
        )
    if set(spec.classes) == set(own):
        return spec.classes, [spec.classes.index(name) for name in own]
    return spec.classes, range(len(own))


def _split(name: str, drawn: Drawn, inputs: NDArray[np.generic]) -> Split:
    return Split(name, drawn.ids, inputs, np.array(drawn.targets, dtype=np.int64), drawn.fingerprint)
