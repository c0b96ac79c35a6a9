"""Settings of a method: typed dataclass fields with a range and a sentence of help."""

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from merging.errors import MergingError, nearest

Value = float | int | str | bool
# What a setting says where a paper (or its authors' code) and mergekit define a method differently.
Variant = Literal["paper", "mergekit"]


@dataclass(frozen=True)
class Range:
    """Allowed numbers of a setting, both ends included, and what it does."""

    low: float
    high: float
    help: str


@dataclass(frozen=True)
class Choice:
    """What a setting with a fixed list of values (a Literal or a bool) does."""

    help: str


@dataclass(frozen=True)
class Text:
    """What a setting in free words does, and how it is written."""

    help: str
    form: str


@dataclass(frozen=True)
class Setting:
    """One setting of a method as data, for screens, the command line and documents."""

    name: str
    kind: Literal["float", "int", "choice", "bool", "text"]
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    form: str = ""

    @property
    def allowed(self) -> str:
        """Say in words what values are allowed."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind == "text":
            return self.form
        what = "whole numbers" if self.kind == "int" else "numbers"
        return f"{what} from {self.low:g} to {self.high:g}"


def settings_of(kind: type[Any]) -> tuple[Setting, ...]:
    """Read the settings of a method class from its annotated fields, in the order they are written."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_setting(field.name, hints[field.name], field.default) for field in fields(kind))


def _setting(name: str, hint: Any, default: Any) -> Setting:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"setting {name} needs Annotated[type, Range(...) or Choice(...)]")
    kind, note = get_args(hint)[0], get_args(hint)[1]
    if kind is bool and isinstance(note, Choice):
        return Setting(name, "bool", default, note.help)
    if get_origin(kind) is Literal and isinstance(note, Choice):
        return Setting(name, "choice", default, note.help, choices=get_args(kind))
    if kind is str and isinstance(note, Text):
        return Setting(name, "text", default, note.help, form=note.form)
    if kind in (float, int) and isinstance(note, Range):
        return Setting(name, "int" if kind is int else "float", default, note.help, note.low, note.high)
    raise TypeError(f"setting {name} has a type that no widget can show: {kind}")


def checked(method: str, settings: tuple[Setting, ...], given: Mapping[str, object]) -> dict[str, Value]:
    """Return the given settings with their right types.

    Raises:
        MergingError: an unknown name (with the nearest one), a wrong type or a value out of range.
    """
    known = {setting.name: setting for setting in settings}
    for name in given:
        if name not in known:
            raise MergingError(f"Method '{method}' has no setting '{name}'.", nearest(str(name), known))
    return {name: _value(method, known[name], value) for name, value in given.items()}


def _value(method: str, setting: Setting, value: object) -> Value:
    where = f"Method '{method}', setting '{setting.name}': {value!r} is not allowed."
    wrong = MergingError(where, f"Allowed: {setting.allowed}.")
    match setting.kind:
        case "bool":
            if not isinstance(value, bool):
                raise wrong
            return value
        case "choice" | "text":
            if not isinstance(value, str) or (setting.kind == "choice" and value not in setting.choices):
                raise wrong
            return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong
    if setting.low is None or setting.high is None or not setting.low <= value <= setting.high:
        raise wrong
    if setting.kind == "int":
        if value != int(value):
            raise wrong
        return int(value)
    return float(value)


NOTHING: Mapping[str, object] = types.MappingProxyType({})


def parsed(text: str, setting: str, form: str) -> dict[str, float]:
    """Read NAME=NUMBER,…, the words of the setting that takes them in this form.

    >>> parsed("a=0.3, b=1", "at", "EXPERT=NUMBER,…")
    {'a': 0.3, 'b': 1.0}

    Raises:
        MergingError: a part is something else.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise MergingError(
                f"'{part.strip()}' in the setting '{setting}' is not NAME=NUMBER.", f"Allowed: {form}."
            ) from None
    return found
