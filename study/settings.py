"""What a person chooses for a study, field by field: what `study.yaml` holds."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from evaluation.data.corruption import Corruption

CODE = "code"  # the base's model is a Python file that a person names on the command line, never in here

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")]
# Titles are shown and written into tables: no line breaks, and nothing that a spreadsheet would take for a formula.
Title = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^=+@\-\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def title_of(text: str) -> str | None:
    """What a person typed as a title that a study file may hold, if anything is left of it."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return kept.strip().lstrip("=+-@ ")[:120] or None


class Strict(BaseModel):
    """Unknown fields are errors, values are never changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class BaseChoice(Strict):
    """The base: an architecture (open_clip name or a path to its description) and its weights."""

    model: str = Field(min_length=1)
    weights: str = Field(min_length=1)
    tokenizer: str | None = None


class ExpertChoice(Strict):
    """One expert: a name for the coefficients and a path to its weights."""

    name: Name
    weights: str = Field(min_length=1)
    title: Title | None = None


class Samples(Strict):
    """How many samples each split of a task holds; the splits never share a sample."""

    calibration: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    validation: Count = 400
    test: Count = 500


class CorruptionChoice(Strict):
    """How the samples of a task are spoiled: a kind (noise, blur, contrast, …) and a severity from 1 to 5."""

    kind: str
    severity: int = 3

    @model_validator(mode="after")
    def _known(self) -> CorruptionChoice:
        Corruption(self.kind, self.severity)
        return self


def _kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class TaskChoice(Strict):
    """One task: where its samples are, which metric is read from a model, how many samples.

    expert: whose classifier reads it, where that is not the expert of its own name. corruption: it is a corrupted copy.
    """

    name: Name
    data: str = Field(min_length=1)
    metric: str = "accuracy"
    samples: Samples = Samples()
    title: Title | None = None
    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    head: str | None = None
    expert: Name | None = None
    unreadable: Literal["stop", "skip"] | None = None
    corruption: Annotated[CorruptionChoice, BeforeValidator(_kind)] | None = None


class AxisChoice(Strict):
    """One more number of every mix that is traded off and that no samples of a task give.

    kind: distance (from the base), megabytes (of the checkpoint), milliseconds (per sample), or code: what the metrics
    of a Python model are called there. Direction, unit and range are for code; the others have their own.
    """

    name: Name
    kind: Literal["distance", "megabytes", "milliseconds", "code"]
    title: Title | None = None
    direction: Literal["max", "min"] | None = None
    unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    range: tuple[float | None, float | None] | None = None

    @model_validator(mode="after")
    def _whole(self) -> AxisChoice:
        given = [name for name in ("direction", "unit", "range") if getattr(self, name) is not None]
        if self.kind != "code" and given:
            raise ValueError(f"axis '{self.name}' of kind {self.kind} has its own {given[0]}; leave that out")
        low, high = self.range or (None, None)
        if low is not None and high is not None and not low < high:
            raise ValueError(f"axis '{self.name}' has the range [{low:g}, {high:g}]; the lower number comes first")
        return self


class MethodChoice(Strict):
    """One merging method and its settings (what is fixed; coefficients are what is searched)."""

    name: str = Field(min_length=1)
    settings: dict[str, bool | int | float | str] = {}
    bounds: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> MethodChoice:
        if self.bounds is not None:
            _check_bounds(self.bounds)
        return self


class Screening(Strict):
    """A search that sees few samples: how many validation samples per task, and how many of the merges it found best
    are then measured on all of them."""

    samples: Count
    finalists: Annotated[int, Field(ge=1, le=1000)] = 8


def _counted(value: Any) -> Any:
    return {"samples": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _chosen(value: Any) -> Any:
    return None if value is False else value  # not wished for is the same as not written


def _check_bounds(bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bounds must be two finite numbers, the lower one first; got [{low:g}, {high:g}]")


def _groups(value: Any) -> Any:
    if value in (None, "slope") or (isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 16):
        return value
    raise ValueError("groups must be slope or a whole number from 2 to 16")


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Settings(Strict):
    """Everything in `study.yaml`."""

    name: str = Field(min_length=1, max_length=200)
    base: BaseChoice
    experts: tuple[ExpertChoice, ...] = Field(min_length=1)
    tasks: tuple[TaskChoice, ...] = ()
    axes: tuple[AxisChoice, ...] | None = None
    methods: tuple[Annotated[MethodChoice, BeforeValidator(_named)], ...] = Field(min_length=1)
    bounds: tuple[float, float] = (0.0, 1.0)
    groups: Annotated[int | Literal["slope"] | None, BeforeValidator(_groups)] = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    screening: Annotated[Screening | None, BeforeValidator(_counted)] = None
    dtype: Literal["as base", "float32", "float16", "bfloat16"] = "as base"
    compile: Annotated[Literal[True] | None, BeforeValidator(_chosen)] = None
    precision: Literal["float32", "bfloat16"] | None = None
    directions: Literal["float32", "float16", "bfloat16"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        _check_bounds(self.bounds)
        axes: tuple[ExpertChoice | TaskChoice | AxisChoice, ...] = (*self.tasks, *(self.axes or ()))
        for what, chosen in (("expert", self.experts), ("task", self.tasks), ("axis", axes)):
            names = [item.name for item in chosen]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                many = "axes" if what == "axis" else f"{what}s"
                raise ValueError(f"two {many} are called '{twice[0]}'; every {what} needs a name of its own")
        known = {expert.name for expert in self.experts}
        for task in self.tasks:
            if task.expert is not None and task.expert not in known:
                raise ValueError(f"task '{task.name}' names the expert '{task.expert}'; there are {sorted(known)}")
        if not axes:
            raise ValueError("there is nothing to measure; give at least one task (or, for a Python model, one axis)")
        own = [axis.name for axis in self.axes or () if axis.kind == "code"]
        if self.base.model == CODE and (self.tasks or not own):
            raise ValueError("a Python model (model: code) has no tasks; give axes of kind code, named as its metrics")
        if own and self.base.model != CODE:
            raise ValueError(f"axis '{own[0]}' is of kind code; only a Python model (model: code) has such")
        return self
