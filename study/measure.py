"""Where merging and evaluation meet: coefficients in, measurements and per-sample outputs out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import merging
from evaluation.compiling import compiled
from evaluation.data.source import Source
from evaluation.device import first_batch_size, pick_device
from evaluation.evaluate import evaluate, load_task, resident_inputs
from evaluation.models.model import Model
from evaluation.models.opening import open_model
from evaluation.task import Task
from merging import Checkpoint, Directions, Method
from study.calibration import Calibration
from study.errors import StudyError
from study.layers import keep_importance
from study.learned import DIRECTIONS
from study.samples import FOLDER as SAMPLES
from study.samples import specs
from study.server import refuse_hub
from study.settings import MethodChoice
from study.study import Study
from study.trial import Measured
from study.writing import replace_text

PINS = "fingerprints.json"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Result:
    """One merge measured on one split: by task the number and the outputs (n, C); seconds by part."""

    measured: dict[str, Measured]
    outputs: dict[str, NDArray[np.float32]]
    seconds: dict[str, float]


def references(study: Study) -> tuple[Checkpoint, list[Checkpoint]]:
    """The base and the experts as checked references.

    Raises:
        MergingError: a checkpoint is missing, unreadable, holds NaN, or could run code.
        StudyError: a checkpoint is not the one that earlier trials were measured with.
    """
    settings = study.settings
    base = merging.reference("base", study.path(settings.base.weights))
    experts = [merging.reference(expert.name, study.path(expert.weights)) for expert in settings.experts]
    _pin(study, {one.name: one.fingerprint for one in (base, *experts)})
    return base, experts


def _pin(study: Study, found: dict[str, str]) -> None:
    """Refuse weights that changed under a study; remember them the first time."""
    path = study.folder / PINS
    pinned = _pinned(path)
    changed = [name for name, value in found.items() if pinned.get(name, value) != value]
    if changed and study.done(partial=True):
        raise StudyError(
            f"The weights of '{changed[0]}' are not the ones that this study's trials were measured with.",
            "Put the old file back, or make a new study for the new weights.",
        )
    if pinned != found:
        replace_text(path, json.dumps(found, indent=1, sort_keys=True))


def _pinned(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        found = error
    if not isinstance(found, dict):
        raise StudyError(
            f"{path} is damaged: it is not a JSON object.",
            f"Set it aside: python -m study repair {path.parent}.",
        )
    return {str(name): str(value) for name, value in found.items()}


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
    ) -> None:
        """Load the model, the frozen heads and the samples of these splits of all tasks.

        ``sources``: the tasks' data, where they are not to be opened here.
        """
        self.study = study
        self.device = pick_device(device)
        self._say = say
        self._stack = ExitStack()
        settings = study.settings
        say("reading checkpoints", 0, 1 + len(settings.experts))
        base, experts = references(study)
        self.vectors = self._stack.enter_context(merging.task_vectors(base, experts))
        say("loading the model", 0, 1)
        tokenizer = study.path(settings.base.tokenizer) if settings.base.tokenizer else None
        bare = bool(self.vectors.own_heads)
        self.model = open_model(model_name(study), tokenizer, self.device, bare=bare)
        _refuse_unread_heads(study, self.vectors.own_heads, self.model.headless)
        self.buffer = self.vectors.base().to(self.device)
        entries = [(entry.name, entry.shape, entry.offset) for entry in self.vectors.layout.entries]
        self.model.bind(entries, self.buffer, {name: self.vectors.other(name) for name in self.vectors.others})
        self.tasks: dict[str, Task] = {}
        for number, spec in enumerate(specs(study)):
            say("preparing samples", number, len(study.tasks))
            given = (sources or {}).get(spec.name)
            self.tasks[spec.name] = load_task(
                spec, self.model, settings.seed, study.folder / SAMPLES, splits, source=given
            )
        # What learns from samples looks inside the network, and keeps the one that is not compiled.
        self._measuring = self._compiled() if settings.compile else self.model
        self._directions: dict[str, Directions] = {}

    def __enter__(self) -> Measurer:
        """Nothing more to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the checkpoint files."""
        self._stack.close()

    def _compiled(self) -> Model:
        self._say("compiling the model", 0, 1)
        task = next(iter(self.tasks.values()))
        inputs = resident_inputs(next(iter(task.splits.values())), self.device)
        return compiled(self.model, inputs[: first_batch_size(self.device)].to(self.device), task.head)

    def method(self, choice: MethodChoice) -> Method:
        """The method with its settings."""
        return merging.method(choice.name, choice.settings)

    def directions(self, choice: MethodChoice, should_stop: Callable[[], bool] = lambda: False) -> Directions:
        """What a method prepares once per study; cached in the study folder.

        Raises:
            Cancelled: ``should_stop`` said so while a method was learning.
        """
        key = json.dumps([choice.name, choice.settings], sort_keys=True)
        if key not in self._directions:
            method = self.method(choice)
            try:
                self._directions[key] = merging.prepare(
                    method,
                    self.vectors,
                    self.study.folder / DIRECTIONS,
                    lambda done, total: self._say("preparing the method", done, total),
                    self._access(method, should_stop) if method.needs else None,
                )
            finally:
                if method.needs:  # what no forward pass reads must be the base's again
                    self.buffer.copy_(self.vectors.base())
            self._weigh(choice, self._directions[key])
        return self._directions[key]

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
        directions = self.directions(choice)
        merging.combine_into(
            self.buffer, directions, coefficients, exact=exact, only=self._measured, groups=self.study.settings.groups
        )
        self._round(dtype or self.study.settings.dtype)

    def _measured(self, name: str) -> bool:
        """Whether a forward pass reads the tensor; frozen heads leave a text tower idle."""
        return not self.model.idle(name)

    def _round(self, wanted: str) -> None:
        layout = self.vectors.layout
        for entry in layout.entries:
            if self._measured(entry.name):
                _round(layout.view(self.buffer, entry), DTYPES.get(wanted, self.vectors.dtype(entry.name)))

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
    ) -> Result:
        """Merge and measure one set of coefficients on every task (or some), on all samples or the ``first`` so many.

        Raises:
            EvaluationError: the merged model's outputs are not finite; names task and count.
            Cancelled: ``should_stop`` said so between two batches.
        """
        self.directions(choice, should_stop)  # prepared once per study: not a cost of this trial
        begun = time.perf_counter()
        self.merge(choice, coefficients, exact, dtype)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        merged = time.perf_counter()
        measured: dict[str, Measured] = {}
        outputs: dict[str, NDArray[np.float32]] = {}
        for name in self.tasks if tasks is None else tasks:
            task = self.tasks[name]
            one, outputs[name] = evaluate(self._measuring, task, split, self.device, None, should_stop, first)
            measured[name] = Measured(one.metric, one.value, one.stderr, one.n, one.seconds)
        forward = sum(one.seconds for one in measured.values())
        total = time.perf_counter() - begun
        seconds = {"merge": merged - begun, "forward": forward, "other": total - forward - (merged - begun)}
        return Result(measured, outputs, seconds)

    @property
    def sources(self) -> dict[str, Source]:
        """The data of each task."""
        return {name: task.source for name, task in self.tasks.items()}

    def targets(self, split: str) -> dict[str, NDArray[np.int64]]:
        """The true classes of a split by task."""
        return {name: np.asarray(task.splits[split].targets) for name, task in self.tasks.items()}


def _round(values: torch.Tensor, dtype: torch.dtype) -> None:
    """Give float32 values the precision of another dtype, in place."""
    if dtype not in (torch.float32, torch.float64):
        values.copy_(values.to(dtype))


def model_name(study: Study) -> str | Path:
    """The architecture: a file or folder of the study if there is one of that name, else an open_clip name."""
    name = study.settings.base.model
    path = study.path(name)
    if not path.exists() and ("/" in name or ":" in name):
        refuse_hub()
    return path if path.exists() else name


def _refuse_unread_heads(study: Study, own: Mapping[str, Sequence[str]], headless: bool) -> None:
    """A classifier of an expert's own is read only by a bare encoder; any other model would leave it out in silence."""
    if own and not headless and not all(task.head for task in study.settings.tasks):
        expert, tensors = next(iter(own.items()))
        raise StudyError(
            f"Expert '{expert}' has tensors that the base lacks: {', '.join(tensors[:3])}. The model has its heads.",
            "Remove them from the file, or choose experts fine-tuned from the same base.",
        )
