"""A study: one folder with what is merged, what is measured, and every trial."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.errors import StudyError
from study.folder.layers import coefficient_names, kept_importance
from study.folder.store import FILE as STORE
from study.folder.store import Store
from study.folder.study_file import FILE, dump, read
from study.folder.trial import Trial
from study.folder.writing import replace_text
from study.server import confined
from study.settings import ExpertChoice, MethodChoice, Screening, Settings, TaskChoice


@dataclass(frozen=True)
class Study:
    """An opened study folder; light: opening it loads no weights and no samples.

    code: the Python file of a study whose model is code, where a person has named one on the command line.
    """

    folder: Path
    settings: Settings
    code: Path | None = None

    @property
    def experts(self) -> tuple[ExpertChoice, ...]:
        """The experts, in the order of the coefficients."""
        return self.settings.experts

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """The names of what is searched, in their order: the experts, or EXPERT@GROUP with layer groups."""
        return coefficient_names([expert.name for expert in self.experts], self.settings.groups)

    def everywhere(self, numbers: Sequence[float]) -> list[float]:
        """One number per expert as coefficients: the same in each of the expert's layer groups."""
        groups = len(self.coefficients) // len(self.experts)
        return [float(number) for number in numbers for _ in range(groups)]

    @property
    def tasks(self) -> tuple[TaskChoice, ...]:
        """The tasks, in the order of the metrics."""
        return self.settings.tasks

    @cached_property
    def context(self) -> str:
        """A hash of what all comparable trials share: base, experts, tasks, samples, seed, dtype."""
        # Fields that are not given do not count, so that a field added in a later version changes no old study.
        unshared = {"name", "methods", "bounds", "screening"}
        shared = self.settings.model_dump(mode="json", exclude=unshared, exclude_none=True)
        for named in (*shared["experts"], *shared["tasks"], *shared.get("axes", ())):
            named.pop("title", None)
        return _hash(shared)[:12]

    @cached_property
    def store(self) -> Store:
        """The trials."""
        return Store(self.folder / STORE, self.context)

    def path(self, text: str) -> Path:
        """A path of the study file: relative ones are relative to the folder.

        Raises:
            StudyError: it leads outside the folders that this server allows.
        """
        # Links are kept: in the cache of a model hub the file behind one has a name that says nothing of its format.
        return confined(Path(os.path.abspath(self.folder / Path(text).expanduser())), self.folder)

    def method(self, name: str | None = None) -> MethodChoice:
        """A method of the study by name (default: the first); one the study does not list has default settings."""
        if name is None:
            return self.settings.methods[0]
        return next((one for one in self.settings.methods if one.name == name), MethodChoice(name=name))

    def bounds(self, method: MethodChoice) -> tuple[float, float]:
        """The box of a method's coefficients: its own, or the study's."""
        return method.bounds or self.settings.bounds

    @property
    def fidelity(self) -> int | None:
        """How many validation samples per task a search sees; None: all of them."""
        chosen = self.settings.screening
        if chosen is None or all(task.samples.validation <= chosen.samples for task in self.tasks):
            return None
        return chosen.samples

    def identity(self, method: MethodChoice, coefficients: Mapping[str, float], fidelity: int | None = None) -> str:
        """The id of a trial: the same merge measured on the same samples has the same one."""
        what: dict[str, object] = {
            "context": self.context,
            "method": method.name,
            "settings": method.settings,
            "coefficients": {name: float(coefficients[name]) for name in sorted(coefficients)},
        }
        return _hash(what if fidelity is None else {**what, "fidelity": fidelity})[:12]

    def importance(self, method: MethodChoice) -> NDArray[np.float64] | None:
        """How much each coefficient moves the weights, (d,); None without layer groups or before they were prepared."""
        if self.settings.groups is None:
            return None
        return kept_importance(self.folder, self.prepared(method))

    def prepared(self, method: MethodChoice) -> str:
        """The name of a method with its settings among what was prepared in this study."""
        return _hash({"context": self.context, "method": method.name, "settings": method.settings})[:12]

    def propose(
        self, method: MethodChoice, coefficients: Mapping[str, float], origin: str, fidelity: int | None = None
    ) -> str:
        """Add a proposed trial (nothing happens if it is there already); its id.

        Raises:
            StudyError: a coefficient is unknown, missing, not finite or outside its bounds.
        """
        checked = self.check(method, coefficients)
        identity = self.identity(method, checked, fidelity)
        self.store.propose(identity, method.name, method.settings, checked, origin, fidelity)
        return identity

    def check(self, method: MethodChoice, coefficients: Mapping[str, float]) -> dict[str, float]:
        """The coefficients as floats in their order, or a StudyError that names what is wrong.

        With layer groups an expert's own name stands for all its groups that are not named.
        """
        names, coefficients = self.coefficients, self._spelled_out(coefficients)
        whom = "experts" if self.settings.groups is None else "coefficients"
        for name in coefficients:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f" Nearest: '{near[0]}'." if near else ""
                raise StudyError(f"Unknown coefficient '{name}'.{hint}", f"The {whom} are: {', '.join(names)}.")
        missing = [name for name in names if name not in coefficients]
        if missing:
            cure = f"Give one for each {'expert' if whom == 'experts' else 'of these'}: {', '.join(names)}."
            raise StudyError(f"No coefficient for '{missing[0]}'.", cure)
        low, high = self.bounds(method)
        for name in names:
            value = coefficients[name]
            if not math.isfinite(value) or not low <= value <= high:
                raise StudyError(
                    f"Coefficient '{name}' = {value:g} is outside its bounds [{low:g}, {high:g}].",
                    f"Choose a value inside, or widen 'bounds' in {self.folder / FILE}.",
                )
        return {name: float(coefficients[name]) for name in names}

    def _spelled_out(self, coefficients: Mapping[str, float]) -> Mapping[str, float]:
        if self.settings.groups is None:
            return coefficients
        found: dict[str, float] = {}
        for expert in self.experts:
            if expert.name in coefficients:
                found |= dict.fromkeys(
                    coefficient_names([expert.name], self.settings.groups), coefficients[expert.name]
                )
        experts = {expert.name for expert in self.experts}
        return found | {name: value for name, value in coefficients.items() if name not in experts}

    def done(self, method: str | None = None, partial: bool = False) -> list[Trial]:
        """Finished trials, oldest first; of one method if named. Those that saw only part of the samples are left out
        unless ``partial``: their values are not to be compared with the others'."""
        return [
            trial
            for trial in self.store.trials()
            if trial.state == "done" and method in (None, trial.method) and (partial or trial.fidelity is None)
        ]

    def screened(self, samples: int | None, finalists: int | None) -> Study:
        """The same study with another screening: ``samples`` per task (0: none) or ``finalists``; None: as it is.

        Raises:
            StudyError: a negative number, or finalists where nothing is screened.
        """
        if samples is None and finalists is None:
            return self
        own = self.settings.screening
        count = samples if samples is not None else own.samples if own else 0
        last = finalists if finalists is not None else own.finalists if own else Screening(samples=1).finalists
        if count < 0 or not 1 <= last <= 1000 or (count == 0 and finalists is not None):
            raise StudyError(
                f"A search on {count} samples per task with {last} finalists is not possible.",
                "Give --screening a number from 1 (0: search on all samples), --finalists one from 1 to 1000.",
            )
        chosen = Screening(samples=count, finalists=last) if count else None
        return replace(self, settings=self.settings.model_copy(update={"screening": chosen}))

    def save(self) -> None:
        """Write `study.yaml` (atomically)."""
        replace_text(self.folder / FILE, dump(self.settings))


def open_study(folder: str | Path, code: Path | None = None) -> Study:
    """Open a study folder; code: the Python file that builds and measures its model, which will be run.

    Raises:
        StudyError: no such folder, or its study.yaml is missing or wrong (line, field, value, what is right).
    """
    place = Path(folder).expanduser().resolve()
    return Study(place, read(place), code)


def create(folder: Path, settings: Settings) -> Study:
    """Make a new study folder with this study.yaml.

    Raises:
        StudyError: the folder holds a study already.
    """
    if (folder / FILE).exists():
        raise StudyError(f"'{folder}' already holds a study.", "Choose another folder, or go on with that one.")
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(folder.resolve(), settings)
    study.save()
    return study


def parse_at(text: str) -> dict[str, float]:
    """`A=0.3,B=0.7` as a mapping.

    Raises:
        StudyError: a part is not NAME=NUMBER, or a name stands twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        try:
            value = float(number)
        except ValueError:
            equals = ""
            value = math.nan
        if not equals or not name.strip():
            raise StudyError(f"'{part.strip()}' is not NAME=NUMBER.", "Write it like this: --at digits=0.3,signs=0.7.")
        if name.strip() in found:
            raise StudyError(f"'{name.strip()}' stands twice in '{text}'.", "Give each expert one number.")
        found[name.strip()] = value
    return found


def find_task(study: Study, task: str) -> TaskChoice:
    """A task of the study by name.

    Raises:
        StudyError: no such task; names the nearest.
    """
    names = [one.name for one in study.tasks]
    if task not in names:
        near = difflib.get_close_matches(task, names, n=1)
        hint = f" Nearest: '{near[0]}'." if near else ""
        raise StudyError(f"Unknown task '{task}'.{hint}", f"The tasks are: {', '.join(names)}.")
    return study.tasks[names.index(task)]


def vector(study: Study, coefficients: Mapping[str, float]) -> Sequence[float]:
    """Coefficients as numbers in their order."""
    return [coefficients[name] for name in study.coefficients]


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
