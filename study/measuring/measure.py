"""Where merging and evaluation meet: coefficients in, measurements and per-sample outputs out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

import merging
from evaluation.data.opening import open_source
from evaluation.data.source import Source
from evaluation.device import pick_device
from evaluation.evaluate import evaluate, load_task
from evaluation.models.code import CodeModel
from evaluation.models.model import Model
from evaluation.task import Task
from merging import Directions, Method
from merging.combining.narrow import DTYPES as HALVES
from merging.combining.narrow import narrowed
from study.errors import StudyError
from study.folder.layers import keep_importance
from study.folder.trial import Measured
from study.measuring.calibration import Calibration
from study.measuring.checkpoints import references
from study.measuring.learned import DIRECTIONS
from study.measuring.network import open_network, refuse_unread_heads
from study.measuring.passes import measuring
from study.measuring.properties import distance, measured_properties, megabytes
from study.measuring.samples import FOLDER as SAMPLES
from study.measuring.samples import specs
from study.settings import MethodChoice
from study.study import Study

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Say = Callable[[str, int, int], None]
Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Result:
    """One merge measured on one split: by task the number and the outputs (n, C); seconds by part."""

    measured: dict[str, Measured]
    outputs: dict[str, NDArray[np.float32]]
    seconds: dict[str, float]


class Measurer:
    """Base, experts, model and samples in memory once; a trial then costs its forward passes.

    Use it in a with block. ``say`` is told (phase, done, total) while things are loaded.
    """

    def __init__(
        self,
        study: Study,
        device: str | None = None,
        say: Say = lambda phase, done, total: None,
        splits: Sequence[str] = ("validation",),
        sources: Mapping[str, Source] | None = None,
        narrow: bool = True,
    ) -> None:
        """Load the model, the frozen heads and the samples of these splits of all tasks.

        ``sources``: the tasks' data, where they are not to be opened here. ``narrow``: directions in the study's half
        precision, if it has one; an export reads the full ones.
        """
        self.study = study
        self._narrow = narrow
        self.device = pick_device(device)
        self._say = say
        self._stack = ExitStack()
        settings = study.settings
        say("reading checkpoints", 0, 1 + len(settings.experts))
        base, experts = references(study)
        self.vectors = self._stack.enter_context(merging.task_vectors(base, experts))
        say("loading the model", 0, 1)
        self.model = model = open_network(study, self.device, bool(self.vectors.own_heads))
        refuse_unread_heads(study, self.vectors.own_heads, self.model.headless)
        self.buffer = self.vectors.base().to(self.device)
        entries = [(entry.name, entry.shape, entry.offset) for entry in self.vectors.layout.entries]
        self.model.bind(entries, self.buffer, {name: self.vectors.other(name) for name in self.vectors.others})
        self.tasks: dict[str, Task] = {}
        self.sources: dict[str, Source] = {}
        if not isinstance(model, CodeModel):
            self._load(model, sources or {}, splits)
        if settings.compile:
            say("compiling the model", 0, 1)
        self.measuring = model if isinstance(model, CodeModel) else measuring(study, model, self.tasks)
        self.prepared: dict[str, Directions] = {}
        self._resident: tuple[Directions, Directions] | None = None
        self._whole = any(axis.kind == "distance" for axis in settings.axes or ())

    def __enter__(self) -> Measurer:
        """Nothing more to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the checkpoint files."""
        self._stack.close()

    def _load(self, model: Model, given: Mapping[str, Source], splits: Sequence[str]) -> None:
        """Open every task's data, unless they are given, and prepare the samples of these splits."""
        for number, spec in enumerate(specs(self.study)):
            self._say("preparing samples", number, len(self.study.tasks))
            source = self.sources[spec.name] = given[spec.name] if spec.name in given else open_source(spec.data)
            seed, folder = self.study.settings.seed, self.study.folder / SAMPLES
            self.tasks[spec.name] = load_task(spec, model, seed, folder, splits, source=source)

    def method(self, choice: MethodChoice) -> Method:
        """The method with its settings."""
        return merging.method(choice.name, choice.settings)

    def directions(self, choice: MethodChoice, should_stop: Callable[[], bool] = lambda: False) -> Directions:
        """What a method prepares once per study; cached in the study folder.

        Raises:
            Cancelled: ``should_stop`` said so while a method was learning.
        """
        key = json.dumps([choice.name, choice.settings], sort_keys=True)
        if key not in self.prepared:
            method = self.method(choice)
            try:
                prepared = merging.prepare(
                    method,
                    self.vectors,
                    self.study.folder / DIRECTIONS,
                    lambda done, total: self._say("preparing the method", done, total),
                    self._access(method, should_stop) if method.needs else None,
                )
            finally:
                if method.needs:  # what no forward pass reads must be the base's again
                    self.buffer.copy_(self.vectors.base())
            narrow = self.study.settings.directions if self._narrow else None
            self.prepared[key] = narrowed(prepared, narrow) if narrow in HALVES else prepared
            self._weigh(choice, prepared)
        return self.prepared[key]

    def forget(self, choice: MethodChoice) -> None:
        """Drop what a method prepared, from memory and from the study folder."""
        prepared = self.prepared.pop(json.dumps([choice.name, choice.settings], sort_keys=True), None)
        self._resident = None
        if prepared is not None and prepared.path is not None:
            for path in (prepared.path, prepared.path.with_suffix(".json")):
                path.unlink(missing_ok=True)

    def _weigh(self, choice: MethodChoice, directions: Directions) -> None:
        """Keep how much each coefficient of a layer group moves what a forward pass reads."""
        groups = self.study.settings.groups
        if groups is None or self.study.importance(choice) is not None:
            return
        layout = directions.layout
        names = [entry.name for entry in layout.entries]
        sizes = np.zeros((len(directions.names), len(names)))
        for column, entry in enumerate(layout.entries):
            if self._measured(entry.name):
                moved = layout.view(directions.matrix, entry).reshape(len(directions.names), -1)
                sizes[:, column] = torch.linalg.vector_norm(moved, dim=1, dtype=torch.float64).numpy()
        found = merging.importance(sizes, names, groups)
        keep_importance(self.study.folder, self.study.prepared(choice), found.tolist())

    def _access(self, method: Method, should_stop: Callable[[], bool]) -> Calibration:
        """Model and samples for a method that learns; the model is bound to the base meanwhile."""
        if isinstance(self.model, CodeModel):
            raise StudyError(f"Method '{method.name}' learns from samples; a Python model has none.", "Choose another.")
        self.buffer.copy_(self.vectors.base())
        heads = {name: task.head for name, task in self.tasks.items()}
        return Calibration(
            self.study,
            method,
            self.model,
            self.buffer,
            self.vectors.layout,
            heads,
            self.sources,
            self._say,
            should_stop,
        )

    def default(self, choice: MethodChoice) -> float:
        """The published coefficient of a method for this number of experts."""
        return self.method(choice).default(len(self.study.experts))

    def merge(
        self, choice: MethodChoice, coefficients: Mapping[str, float], exact: bool = False, dtype: str | None = None
    ) -> None:
        """Write the merged weights that a forward pass reads into the model, rounded to the dtype of an export."""
        directions = self._here(self.directions(choice))
        merging.combine_into(
            self.buffer, directions, coefficients, exact=exact, only=self._measured, groups=self.study.settings.groups
        )
        layout = self.vectors.layout
        for entry in layout.entries:
            if self._measured(entry.name):
                _round(layout.view(self.buffer, entry), self._dtype(dtype, entry.name))

    def _here(self, directions: Directions) -> Directions:
        """Directions where the model is: those of one method at a time, copied there once."""
        if self.device.type == "cpu":
            return directions
        if self._resident is None or self._resident[0] is not directions:
            self._resident = None  # make room first
            self._resident = directions, directions.to(self.device)
        return self._resident[1]

    def _measured(self, name: str) -> bool:
        """Whether a measurement reads the tensor; frozen heads leave a text tower idle, a distance reads all."""
        return self._whole or not self.model.idle(name)

    def _dtype(self, wanted: str | None, name: str) -> torch.dtype:
        return DTYPES.get(wanted or self.study.settings.dtype, self.vectors.dtype(name))

    def measure(
        self,
        choice: MethodChoice,
        coefficients: Mapping[str, float],
        split: str = "validation",
        exact: bool = False,
        dtype: str | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        first: int | None = None,
        tasks: Sequence[str] | None = None,
        again: bool = False,
    ) -> Result:
        """Merge and measure one set of coefficients on every task (or some), on all samples or the ``first`` so many.

        ``again``: the call before made this very merge; its weights are measured once more, on another split.

        Raises:
            EvaluationError: the merged model's outputs are not finite; names task and count.
            Cancelled: ``should_stop`` said so between two batches.
        """
        self.directions(choice, should_stop)  # prepared once per study: not a cost of this trial
        begun = time.perf_counter()
        if not again:
            self.merge(choice, coefficients, exact, dtype)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        merged = time.perf_counter()
        measured, outputs = self._forward(split, should_stop, first, tasks)
        forward = sum(one.seconds for one in measured.values())
        measured |= measured_properties(
            self.study.settings.axes or (),
            measured,
            lambda: distance(self.buffer, self.directions(choice).base),
            lambda: megabytes(self.vectors, lambda name: self._dtype(dtype, name)),
        )
        total = time.perf_counter() - begun
        seconds = {"merge": merged - begun, "forward": forward, "other": total - forward - (merged - begun)}
        return Result(measured, outputs, seconds)

    def _forward(
        self, split: str, should_stop: Callable[[], bool], first: int | None, tasks: Sequence[str] | None
    ) -> tuple[dict[str, Measured], Outputs]:
        """What passes through the model: the tasks' samples, or what somebody's own code does with it."""
        measured: dict[str, Measured] = {}
        outputs: Outputs = {}
        if isinstance(self.measuring, CodeModel):
            return self._own_numbers(self.measuring, split), outputs
        for name in self.tasks if tasks is None else tasks:
            task = self.tasks[name]
            one, outputs[name] = evaluate(self.measuring, task, split, self.device, None, should_stop, first)
            measured[name] = Measured(one.metric, one.value, one.stderr, one.n, one.seconds)
        return measured, outputs

    def _own_numbers(self, model: CodeModel, split: str) -> dict[str, Measured]:
        wanted = [axis.name for axis in self.study.settings.axes or () if axis.kind == "code"]
        begun = time.perf_counter()
        found = model.metrics(split, self.study.settings.seed)
        seconds = (time.perf_counter() - begun) / len(wanted)
        lacking = [name for name in wanted if name not in found]
        if lacking:
            raise StudyError(
                f"metrics in '{model.name}' gives no '{lacking[0]}'; it gives {', '.join(found)}.",
                "Name the study's axes of kind code as its metrics are named.",
            )
        return {name: Measured(name, *found[name], 1, seconds) for name in wanted}

    def targets(self, split: str) -> dict[str, NDArray[np.int64]]:
        """The true classes of a split by task."""
        return {name: np.asarray(task.splits[split].targets) for name, task in self.tasks.items()}


def _round(values: torch.Tensor, dtype: torch.dtype) -> None:
    """Give float32 values the precision of another dtype, in place."""
    if dtype not in (torch.float32, torch.float64):
        values.copy_(values.to(dtype))
