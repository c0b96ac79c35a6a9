"""Recipes: what rebuilds one merged checkpoint byte for byte."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merging.checkpoint import Checkpoint, reference
from merging.combining.directions import needs_samples
from merging.combining.stream import DType, OpenRecipe
from merging.errors import MergingError, nearest
from merging.files.plain_yaml import read_yaml
from merging.groups import names_of
from merging.method import Method, ordered
from merging.method import method as make_method
from merging.threads import pool

VERSIONS = ("torch", "numpy", "safetensors")


class Part(BaseModel):
    """A base or an expert in a recipe; `path` is relative to the recipe's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    path: str
    fingerprint: str | None = None


class Reference(BaseModel):
    """A paper to cite for the merged checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    arxiv: str
    title: str
    year: int
    authors: str = ""


class Prepared(BaseModel):
    """What a method has learned from samples: the file of its directions, relative to the recipe's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    fingerprint: str | None = None


class Recipe(BaseModel):
    """All that one merged checkpoint depends on; read and written as YAML.

    >>> base, expert = Part(name="base", path="b.safetensors"), Part(name="a", path="a.safetensors")
    >>> recipe = Recipe(base=base, experts=(expert,), method="task_arithmetic", coefficients={"a": 0.4})
    >>> Recipe.from_yaml(recipe.to_yaml()) == recipe
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    base: Part
    experts: tuple[Part, ...] = Field(min_length=1)
    method: str
    settings: dict[str, float | int | str | bool] = Field(default_factory=dict)
    coefficients: dict[str, float]
    groups: int | Literal["slope"] | None = None
    prepared: Prepared | None = None
    exact: bool = False
    dtype: DType = "as base"
    versions: dict[str, str] = Field(default_factory=dict)
    papers: tuple[Reference, ...] = ()

    def to_yaml(self) -> str:
        """Write the recipe as YAML, fields in their order."""
        return yaml.safe_dump(self._plain(), sort_keys=False, allow_unicode=True, width=1000)

    @classmethod
    def from_yaml(cls, text: str) -> "Recipe":
        """Read a recipe.

        Raises:
            MergingError: not YAML, an unknown or missing field, a wrong value; names the field.
        """
        return cls.from_mapping(read_yaml(text))

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Recipe":
        """Read a recipe from plain data. Raises MergingError like `from_yaml`."""
        try:
            return cls.model_validate(_tidied(data))
        except ValidationError as error:
            raise _explained(error) from error

    def identity(self) -> str:
        """Return the recipe as JSON without paths and versions: what stands inside the merged file."""
        data = self._plain()
        del data["versions"]
        for part in (data["base"], *data["experts"], *([data["prepared"]] if "prepared" in data else [])):
            del part["path"]
        return json.dumps(data, sort_keys=True, ensure_ascii=False)

    def _plain(self) -> dict[str, Any]:
        data = self.model_dump(mode="json")
        for name in ("groups", "prepared"):  # recipes that have none stay as they were
            if data[name] is None:
                del data[name]
        return data

    def learned(self, folder: Path) -> Path | None:
        """Return the file of the learned directions, or None for a method without data.

        Raises:
            MergingError: the recipe names none, it is not there, or it has changed since the recipe.
        """
        method = self.made()
        if not method.needs:
            return None
        if self.prepared is None:
            raise needs_samples(method)
        path = Path(folder) / self.prepared.path
        if not path.is_file():
            raise MergingError(
                f"What '{self.method}' learned from samples is not at '{self.prepared.path}'.",
                "Put the study's file back, or let the study learn it again and export anew.",
            )
        if self.prepared.fingerprint not in (None, file_hash(path)):
            raise MergingError(f"'{self.prepared.path}' is not the file of the recipe: its contents have changed.")
        return path

    def made(self) -> Method:
        """Return the method with its settings. Raises MergingError for a wrong one."""
        return make_method(self.method, self.settings)

    def checkpoints(self, folder: Path) -> tuple[Checkpoint, tuple[Checkpoint, ...]]:
        """Find, read and fingerprint base and experts; paths are relative to `folder`.

        Raises:
            MergingError: a missing or unreadable checkpoint, or one that has changed since the recipe.
        """
        parts = (self.base, *self.experts)
        with pool(min(len(parts), torch.get_num_threads())) as executor:
            base, *experts = executor.map(lambda part: _referenced(part, folder), parts)
        return base, tuple(experts)

    def opened(self, folder: Path) -> OpenRecipe:
        """Find and read all that the recipe names; paths are relative to `folder`.

        Raises:
            MergingError: as `made`, `checkpoints` and `learned`.
        """
        method, (base, experts) = self.made(), self.checkpoints(folder)
        learned = self.learned(folder)
        return OpenRecipe(method, base, experts, self.coefficients, self.dtype, self.exact, learned, self.groups)


def new_recipe(opened: OpenRecipe, folder: Path) -> Recipe:
    """Return the complete recipe of a merge, with paths relative to `folder`.

    Raises:
        MergingError: coefficients that the method cannot take.
    """
    method, experts, groups = opened.method, opened.experts, opened.groups
    names = names_of([expert.name for expert in experts], groups)
    values = ordered(method, names, opened.coefficients, None if groups is None else len(experts))
    return Recipe(
        base=_part(opened.base, folder),
        experts=tuple(_part(expert, folder) for expert in experts),
        method=method.name,
        settings=method.settings,
        coefficients=dict(zip(names, values.tolist(), strict=True)),
        groups=groups,
        prepared=_prepared(method, opened.prepared, folder),
        exact=opened.exact,
        dtype=opened.dtype,
        versions=versions(),
        papers=(Reference(**asdict(method.paper)),),
    )


def versions() -> dict[str, str]:
    """Return the versions that the bytes of a merge may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}}


def _prepared(method: Method, path: Path | None, folder: Path) -> Prepared | None:
    if not method.needs:
        return None
    if path is None:
        raise needs_samples(method)
    place = os.path.relpath(path.resolve(), Path(folder).resolve())
    return Prepared(path=Path(place).as_posix(), fingerprint=file_hash(path))


def file_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _part(checkpoint: Checkpoint, folder: Path) -> Part:
    path = os.path.relpath(os.path.abspath(checkpoint.path), Path(folder).resolve())
    return Part(name=checkpoint.name, path=Path(path).as_posix(), fingerprint=checkpoint.fingerprint)


def _referenced(part: Part, folder: Path) -> Checkpoint:
    found = reference(part.name, Path(folder) / part.path)
    if part.fingerprint is not None and part.fingerprint != found.fingerprint:
        raise MergingError(
            f"'{part.name}' at '{part.path}' is not the checkpoint of the recipe: its fingerprint is "
            f"{found.fingerprint[:12]}…, the recipe has {part.fingerprint[:12]}….",
            "Put the original back, or remove the fingerprint to accept this one.",
        )
    return found


def _tidied(data: Mapping[str, Any]) -> dict[str, Any]:
    """Name unknown fields with the nearest right one, before pydantic does it less clearly."""
    for name in data:
        if name not in Recipe.model_fields:
            raise MergingError(f"A recipe has no field '{name}'.", nearest(name, Recipe.model_fields))
    return dict(data)


def _explained(error: ValidationError) -> MergingError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "recipe"
    return MergingError(
        f"Recipe, field '{where}': {first['msg'].lower()} (given: {str(first['input'])[:80]}).",
        f"A recipe has the fields {', '.join(Recipe.model_fields)}.",
    )
