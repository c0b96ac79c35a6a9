"""`study.yaml`: read and written; what is wrong in it is said with line, field, value and what would be right."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from study.errors import StudyError
from study.settings import (
    AxisChoice,
    BaseChoice,
    CorruptionChoice,
    ExpertChoice,
    MethodChoice,
    Samples,
    Screening,
    Settings,
    TaskChoice,
)

FILE = "study.yaml"
LARGEST = 200_000  # bytes; a hand-written study is a few kB, so more is a mistake or an attack


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
        "corruption": CorruptionChoice,
        "axes": AxisChoice,
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
