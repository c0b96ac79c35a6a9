"""What a method that learns may see: the model, and samples of the splits that it named. Nothing else is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import surrogate
from evaluation.data.source import Source
from evaluation.errors import Cancelled
from evaluation.evaluate import evaluate, load_task, resident_inputs
from evaluation.gradients import Gradients
from evaluation.models.head import Head
from evaluation.models.model import Model
from evaluation.samples import recorded
from evaluation.task import Task
from evaluation.uses import Uses, plain_attention
from merging import Layout, Method
from merging.access import Loss, See
from study.errors import StudyError
from study.measuring.samples import FOLDER, specs
from study.study import Study

BATCH = 16
SPLIT_OF = {"inputs": "calibration", "labels": "calibration", "validation": "validation", "test inputs": "test"}
Say = Callable[[str, int, int], None]


class _Enough(Exception):  # noqa: N818 - the rest of a forward pass is not needed
    pass


def splits_for(needs: Sequence[str]) -> tuple[str, ...]:
    """The splits that belong to what a method needs.

    >>> splits_for(("inputs", "validation"))
    ('calibration', 'validation')
    """
    return tuple(dict.fromkeys(SPLIT_OF[need] for need in needs))


class Calibration:
    """`merging.access.Access` for one method of a study; see there. Samples are loaded when first asked for."""

    def __init__(
        self,
        study: Study,
        method: Method,
        model: Model,
        buffer: Tensor,
        layout: Layout,
        heads: Mapping[str, Head],
        sources: Mapping[str, Source],
        say: Say,
        should_stop: Callable[[], bool],
    ) -> None:
        self.weights = buffer
        self._needs = method.needs
        self._learning = "test" if "test inputs" in self._needs else "calibration"
        self._study, self._model, self._heads, self._sources = study, model, heads, sources
        self._say, self._should_stop = say, should_stop
        self._entries = [(entry.name, entry.shape, entry.offset) for entry in layout.entries]
        self._specs = {spec.name: spec for spec in specs(study)}
        self._loaded: dict[str, Task] = {}
        self._gradients: Gradients | None = None
        self._threads = torch.get_num_threads()
        self._aims: dict[tuple[str, int], list[Tensor]] = {}
        for spec in self._specs.values():
            for split in splits_for(self._needs):
                if not spec.samples.get(split):
                    raise StudyError(
                        f"Method '{method.name}' learns from {split} samples, and task '{spec.name}' has none.",
                        f"Set samples.{split} of that task, for example to 64.",
                    )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the samples that may be seen, the inputs' preprocessing, the heads and the seed."""
        seed, folder = self._study.settings.seed, self._study.folder / FOLDER
        what: dict[str, object] = {"preprocessing": self._model.preprocessing, "seed": seed, "batch": BATCH}
        for name, spec in self._specs.items():
            splits = recorded(spec, self._sources[name], seed, folder).splits
            shown = {split: splits[split].fingerprint for split in splits_for(self._needs)}
            what[name] = [shown, _hash(self._heads[name]), spec.metric]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The study's tasks."""
        return tuple(self._specs)

    @property
    def gradient(self) -> Tensor:
        """Where gradients are added up."""
        return self._backward().flat

    def own(self, expert: str) -> tuple[str, ...]:
        """The task of the expert's name, or all."""
        return (expert,) if expert in self._specs else self.tasks

    def batches(self, task: str) -> int:
        """Batches of 16; the last one may be smaller."""
        return -(-len(self._inputs(task)) // BATCH)

    def watch(self, task: str, see: See) -> None:
        """Let every use of a tensor be seen, batch by batch."""

        def told(name: str, how: object, x: Tensor) -> None:
            if see(name, how, x):  # type: ignore[arg-type]
                raise _Enough

        for batch in range(self.batches(task)):
            inputs = self._batch(task, batch)
            with self._at_work(), torch.no_grad(), plain_attention(), Uses(self._entries, self.weights, told) as uses:
                uses.keep = _words(inputs)
                try:
                    self._model.forward(inputs, self._heads[task])
                except _Enough:
                    continue

    def remember(self, expert: str) -> None:
        """Keep logits and block outputs of the model at this moment on the expert's own samples."""
        for task in self.own(expert):
            for batch in range(self.batches(task)):
                with self._at_work():
                    self._aims[task, batch] = self._backward().remembered(self._batch(task, batch), self._heads[task])

    def slope(self, task: str, loss: Loss, batch: int, scale: float) -> float:
        """A loss on one batch; `scale` times its gradient is added."""
        aim = self._aims[task, batch] if loss == "expert" else self._targets(task, batch) if loss == "labels" else []
        with self._at_work():
            return self._backward().add(self._batch(task, batch), self._heads[task], loss, aim, scale)

    def squares(self, task: str) -> None:
        """Add the mean of the squared gradients of the log-probabilities."""
        share = 1.0 / len(self._inputs(task))
        for batch in range(self.batches(task)):
            with self._at_work():
                self._backward().add_squares(self._batch(task, batch), self._heads[task], share, self._pause)

    def score(self) -> dict[str, float]:
        """Every task's metric on the validation samples, turned so that more is better."""
        if "validation" not in self._needs:
            raise StudyError("This method may not see the validation samples.", "It has to name them in `needs_data`.")
        found = {}
        for name in self.tasks:
            task = self._task(name)
            with self._at_work():
                one, _ = evaluate(self._model, task, "validation", self._model.device, should_stop=self._should_stop)
            found[name] = one.value if task.metric.direction == "max" else -one.value
        return found

    def maximise(
        self,
        function: Callable[[list[float]], float],
        low: list[float],
        high: list[float],
        start: list[float],
        looks: int,
    ) -> list[tuple[list[float], float]]:
        """Bayesian optimisation, with the study's seed."""

        def looked(point: NDArray[np.float64]) -> float:
            self._pause()
            return function([float(value) for value in point])

        found = surrogate.maximise(
            looked, np.array(low), np.array(high), np.array(start), looks, self._study.settings.seed
        )
        return list(zip(found.X.tolist(), found.values.tolist(), strict=True))

    def tell(self, phase: str, done: int, of: int) -> None:
        """Say how far it is; raises Cancelled when somebody asked to stop."""
        self._pause()
        self._say(phase, done, of)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Use every thread: methods compute on one, so that their own bits never change."""
        self._pause()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(1)

    def _pause(self) -> None:
        if self._should_stop():
            raise Cancelled

    def _backward(self) -> Gradients:
        if self._gradients is None:
            self._gradients = Gradients(self._model, self.weights)
        return self._gradients

    def _task(self, name: str) -> Task:
        """A task with the splits that the method named, and no other."""
        if name not in self._loaded:
            seed, folder = self._study.settings.seed, self._study.folder / FOLDER
            task = load_task(
                self._specs[name], self._model, seed, folder, splits_for(self._needs), source=self._sources[name]
            )
            # The head of the base: the model may be bound to other weights by now.
            self._loaded[name] = replace(task, head=self._heads[name])
        return self._loaded[name]

    def _inputs(self, task: str) -> Tensor:
        return resident_inputs(self._task(task).split(self._learning), self._model.device)

    def _batch(self, task: str, number: int) -> Tensor:
        return self._inputs(task)[number * BATCH : (number + 1) * BATCH].to(self._model.device)

    def _targets(self, task: str, number: int) -> list[Tensor]:
        if "labels" not in self._needs:
            raise StudyError("This method may not see labels.", "It has to name them in `needs_data`.")
        targets = torch.from_numpy(self._task(task).split(self._learning).targets)
        return [targets[number * BATCH : (number + 1) * BATCH].to(self._model.device)]


def _hash(head: Head) -> str:
    found = hashlib.sha256(head.activation.encode())
    for tensor in head.tensors().values():
        found.update(tensor.detach().cpu().numpy().tobytes())
    return found.hexdigest()


def _words(inputs: Tensor) -> Tensor | None:
    """Which tokens are words and not padding, (n·L,), where inputs are texts (n, 2, L) with their masks."""
    if inputs.is_floating_point() or inputs.ndim != 3:
        return None
    return inputs[:, 1].reshape(-1).bool()
