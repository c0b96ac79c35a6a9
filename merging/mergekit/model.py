"""References to models in mergekit's YAML."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from merging.errors import MergingError, nearest


@dataclass(frozen=True)
class Model:
    """A reference to a model: the path of a checkpoint, and of an adapter on it."""

    path: str
    lora: str | None = None

    def __str__(self) -> str:
        return f"{self.path}+{self.lora}" if self.lora else self.path


def short_names(paths: Iterable[str]) -> list[str]:
    """Name paths by their last part; the second of a name gets -2."""
    names: list[str] = []
    for path in paths:
        stem = PurePosixPath(path).name.removesuffix(".safetensors")
        stem = "".join("-" if mark in ",=+\\ " else mark for mark in stem).strip("-") or "model"
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


def known(data: object, allowed: Iterable[str], where: str) -> Mapping[str, Any]:
    """Return a mapping that has only allowed keys. Raises MergingError with the nearest right one."""
    if not isinstance(data, dict):
        raise MergingError(f"mergekit: {where} is {data!r}.", "It must be a mapping.")
    names = tuple(allowed)
    for key in data:
        if key not in names:
            raise MergingError(
                f"{where} has no key '{key}' in mergekit, which would ignore it.", nearest(str(key), names)
            )
    return data


def read_model(value: object, where: str) -> Model:
    """Read `path`, `path+adapter` or {model, lora}. Raises MergingError."""
    if isinstance(value, dict):
        known(value, ("model", "lora", "override_architecture"), where)
        if value.get("override_architecture") is not None:
            raise MergingError(f"mergekit: {where} overrides the architecture.", "Remove that: it is not needed here.")
        lora = value.get("lora")
        return Model(_path(value.get("model"), where), None if lora is None else _path(lora, f"lora of {where}"))
    text = _path(value, where)
    if text.count("+") == 1:
        path, lora = text.split("+")
        return Model(_path(path, where), _path(lora, f"lora of {where}"))
    return Model(text)


def _path(value: object, where: str) -> str:
    if isinstance(value, dict):
        known(value, ("path", "revision"), where)
        if value.get("revision") is not None:
            raise MergingError(f"mergekit: {where} names a revision on the Hub.", "Download it and give its folder.")
        value = value.get("path")
    if not isinstance(value, str) or not value.strip():
        raise MergingError(f"mergekit: {where} is {value!r}.", "It must be the path of a checkpoint.")
    return value
