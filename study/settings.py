"""`study.yaml`: what the person chose, validated with line, field, value and what would be right."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from study.errors import StudyError

FILE = "study.yaml"
LARGEST = 200_000  # bytes; a hand-written study is a few kB, so more is a mistake or an attack

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


class TaskChoice(Strict):
    """One task: where its samples are, which metric is read from a model, how many samples."""

    name: Name
    data: str = Field(min_length=1)
    metric: str = "accuracy"
    samples: Samples = Samples()
    title: Title | None = None
    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    head: str | None = None
    unreadable: Literal["stop", "skip"] | None = None


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
    tasks: tuple[TaskChoice, ...] = Field(min_length=1)
    methods: tuple[Annotated[MethodChoice, BeforeValidator(_named)], ...] = Field(min_length=1)
    bounds: tuple[float, float] = (0.0, 1.0)
    groups: Annotated[int | Literal["slope"] | None, BeforeValidator(_groups)] = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    screening: Annotated[Screening | None, BeforeValidator(_counted)] = None
    dtype: Literal["as base", "float32", "float16", "bfloat16"] = "as base"
    compile: Annotated[Literal[True] | None, BeforeValidator(_chosen)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        _check_bounds(self.bounds)
        for what, chosen in (("expert", self.experts), ("task", self.tasks)):
            names = [item.name for item in chosen]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {what}s are called '{twice[0]}'; every {what} needs a name of its own")
        return self


class _Loader(yaml.SafeLoader):
    """Plain data only, every value written out: a few aliases can stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias: Any = self
            mark = alias.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias (*name); write the value out in full", mark)
        return super().compose_node(parent, index)


def parse(text: str, where: str = FILE) -> Settings:
    """Read the text of a study file.

    Raises:
        StudyError: one line with the line number, the field, the value and what would be right.
    """
    if len(text.encode()) > LARGEST:
        raise StudyError(f"{where} is larger than {LARGEST:,} bytes.", "A study file is a few lines of YAML.")
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        value = None if tree is None else loader.construct_document(tree)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        deep = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        problem = getattr(error, "problem", None) or deep
        raise StudyError(f"{where}{line}: not valid YAML: {problem}.", "Mend that line.") from error
    if not isinstance(value, dict):
        raise StudyError(
            f"{where} is empty or not a mapping.", "It needs at least name, base, experts, tasks, methods."
        )
    try:
        return Settings.model_validate(value)
    except ValidationError as error:
        raise _explain(error, tree, where) from error


def _explain(error: ValidationError, tree: yaml.Node | None, where: str) -> StudyError:
    first = error.errors(include_url=False)[0]
    path = [part for part in first["loc"] if part not in ("BaseValidator", "function-before[_named(), MethodChoice]")]
    field = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in path) or "study"
    place = f"{where}, line {_line(tree, path)}, {field}"
    more = len(error.errors()) - 1
    rest = f" ({more} more such line{'s' if more > 1 else ''} after this one.)" if more else ""
    if first["type"] == "extra_forbidden":
        return StudyError(f"{place}: unknown field.", _nearest_field(path) + rest)
    if first["type"] == "missing":
        return StudyError(f"{place}: missing.", f"Add '{path[-1]}:' there.{rest}")
    if first["type"] == "value_error" and not path:
        return StudyError(f"{where}: {first['ctx']['error']}.", rest.strip())
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return StudyError(f"{place}: {first['msg'].removeprefix('Value error, ')}; got {shown}.", rest.strip())


def _line(tree: yaml.Node | None, path: list[Any]) -> int:
    """The line of the deepest part of the path that the file has, counted from 1."""
    line = 1
    node = tree
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _nearest_field(path: list[Any]) -> str:
    owners: dict[str, type[BaseModel]] = {
        "base": BaseChoice,
        "experts": ExpertChoice,
        "tasks": TaskChoice,
        "samples": Samples,
        "methods": MethodChoice,
        "screening": Screening,
    }
    parents = [part for part in path[:-1] if isinstance(part, str)]
    model = owners.get(parents[-1], Settings) if parents else Settings
    allowed = list(model.model_fields)
    nearest = difflib.get_close_matches(str(path[-1]), allowed, n=1)
    hint = f"Did you mean '{nearest[0]}'? " if nearest else ""
    return f"{hint}Allowed: {', '.join(allowed)}."


def read(folder: Path) -> Settings:
    """Read `study.yaml` in a folder.

    Raises:
        StudyError: the folder or the file is missing, unreadable or wrong.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise StudyError(f"There is no study folder '{folder}'.", "Make the built-in one: python -m study demo DIR.")
    if not path.is_file():
        raise StudyError(
            f"'{folder}' has no {FILE}, so it is not a study.",
            "Make the built-in one: python -m study demo DIR.",
        )
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read: {error}.", "It must be a readable UTF-8 text file.") from error


def dump(settings: Settings) -> str:
    """The YAML text of settings; reading it back gives equal settings."""
    value = settings.model_dump(mode="json", exclude_none=True)
    plain = [{key: item for key, item in one.items() if item} for one in value["methods"]]
    value["methods"] = [one["name"] if set(one) == {"name"} else one for one in plain]
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
