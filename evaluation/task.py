"""Tasks, their samples, and what is measured on them. No torch at import."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import EvaluationError, nearest
from evaluation.metric import Metric, metric

if TYPE_CHECKING:
    from evaluation.data.corruption import Corruption
    from evaluation.data.source import Source
    from evaluation.models.head import Head

SPLITS = ("calibration", "validation", "test")
TEMPLATES = ("a photo of a {}.",)


@dataclass(frozen=True)
class TaskSpec:
    """What a person asks for: which data, how many samples of each split, and the number to read.

    samples: how many for "calibration" (methods that need data), "validation" (what a search sees) and "test"
    (what an export reports); a split left out has none. templates: prompts with {} for the class name; empty
    means the data's own, else "a photo of a {}.". classes: names instead of the data's own, in its order, or
    its own names in another order. head: a safetensors file with weight (C, D) and maybe bias (C,), or a checkpoint
    with a classifier, used instead of prompts. expert: the checkpoint of the task's own expert, whose classifier is
    the head where the model is a bare encoder and no head is given. unreadable: "skip" leaves out samples that cannot
    be read, and counts them; otherwise the first one is an error. corruption: the samples are spoiled in this way;
    which ones are drawn does not change.
    Raises: EvaluationError naming the field.
    """

    name: str
    title: str
    data: Path
    metric: str = "accuracy"
    samples: Mapping[str, int] = field(default_factory=lambda: {"validation": 400, "test": 1000})
    templates: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    head: Path | None = None
    expert: Path | None = None
    unreadable: Literal["stop", "skip"] | None = None
    corruption: "Corruption | None" = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise EvaluationError("A task has no name.")
        metric(self.metric)
        for split, count in self.samples.items():
            if split not in SPLITS:
                raise EvaluationError(
                    f"Task '{self.name}' has samples for an unknown split '{split}'.", nearest(split, SPLITS)
                )
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise EvaluationError(
                    f"Task '{self.name}' has samples.{split} = {count!r}.", "Give a whole number from 0 on."
                )
        if not any(self.samples.values()):
            raise EvaluationError(f"Task '{self.name}' asks for no samples.", "Give samples.validation.")
        if self.classes is not None and len(set(self.classes)) < max(2, len(self.classes)):
            raise EvaluationError(
                f"Task '{self.name}' has classes {list(self.classes)}.", "Give at least 2, all different."
            )
        for template in self.templates:
            if "{}" not in template:
                raise EvaluationError(
                    f"Task '{self.name}' has the template {template!r} without a place for the class name.",
                    "Write {} where the class name goes.",
                )

    @property
    def folder(self) -> str:
        """The name as a folder name."""
        return re.sub(r"[^A-Za-z0-9._-]+", "_", self.name).strip(".") or "task"


@dataclass(frozen=True, eq=False)
class Split:
    """Samples in a fixed order. ids (n,), inputs (n, ...) preprocessed and memory-mapped, targets (n,) int64.

    `fingerprint` is a SHA-256 over what the samples show and their targets: wherever the files lie, equal
    fingerprints mean equal measurements of equal weights.
    """

    name: str
    ids: tuple[str, ...]
    inputs: NDArray[Any]
    targets: NDArray[np.int64]
    fingerprint: str
    # Device name -> inputs already there, so that they travel once per study and not once per trial.
    resident: dict[str, Any] = field(default_factory=dict, repr=False)
    # Device name -> batch size that fitted after memory ran out, so that no later trial runs out of it again.
    sizes: dict[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Task:
    """A named, seeded, fixed set of samples with the frozen head that reads the shared encoder's features."""

    spec: TaskSpec
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    head: "Head"
    metric: Metric
    source: "Source"
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that trials and screens know it by."""
        return self.spec.name

    def split(self, name: str) -> Split:
        """The split called `name`. Raises: EvaluationError naming those there are."""
        try:
            return self.splits[name]
        except KeyError:
            have = ", ".join(self.splits)
            raise EvaluationError(
                f"Task '{self.name}' has no split '{name}'; it has {have}.", f"Ask for samples.{name}."
            ) from None


@dataclass(frozen=True)
class Measurement:
    """One metric of one model on one task: value and standard error in the metric's unit, over n samples.

    seconds: wall time of the forward pass alone; batch_size: the one it ended with.
    """

    task: str
    metric: str
    split: str
    value: float
    stderr: float
    n: int
    seconds: float
    batch_size: int
