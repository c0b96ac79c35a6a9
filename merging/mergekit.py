"""Reading mergekit's YAML as a recipe, where a recipe can say the same."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from merging.errors import MergingError, nearest
from merging.recipe import Recipe

MARKS = ("merge_method", "models", "slices", "modules", "base_model")
TOP = ("merge_method", "models", "base_model", "parameters", "dtype", "out_dtype")
MODEL = ("model", "parameters")
OURS = "Write it as a recipe of ours (`python -m merging --list` names the methods)."
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "linear": ("weight", "normalize"),
    "task_arithmetic": ("weight", "normalize", "lambda", "int8_mask"),
    "ties": ("weight", "density", "normalize", "lambda", "int8_mask"),
}
NORMALIZED = {"linear": True, "task_arithmetic": False, "ties": True}


def is_mergekit(data: Mapping[str, Any]) -> bool:
    """Tell mergekit's YAML from a recipe by its keys."""
    return any(mark in data for mark in MARKS) and "experts" not in data


def from_mergekit(data: Mapping[str, Any]) -> Recipe:
    """Turn a mergekit configuration into a recipe: linear, task_arithmetic or ties with scalar parameters.

    Sums are float32 whatever its `dtype`; the result is stored as `out_dtype` (or `dtype`). `ties` becomes
    its tensor-by-tensor variant, elected again with the given weights.

    Raises:
        MergingError: a key, method or value that a recipe cannot say, with the nearest right one.
    """
    method = _method(data)
    _known(data, TOP, "A mergekit configuration")
    shared = _parameters(data.get("parameters"), method, "parameters")
    base = data.get("base_model")
    rows: list[tuple[str, dict[str, Any]]] = []
    for number, row in enumerate(_models(data)):
        where = f"models[{number}]"
        path = _path(row.get("model"), f"{where}.model")
        if path != base or method == "linear":
            rows.append((path, {**shared, **_parameters(row.get("parameters"), method, where)}))
    if not rows:
        raise MergingError("The mergekit configuration has no model besides its base.", OURS)
    if base is None and method != "linear":
        raise MergingError(f"mergekit's '{method}' needs a base_model.", "Add `base_model: PATH`.")
    names = _names([path for path, _ in rows])
    weights = [_number(own.get("weight"), f"weight of '{path}'") for path, own in rows]
    experts = [{"name": name, "path": path} for name, (path, _) in zip(names, rows, strict=True)]
    said = _said(method, weights, [own for _, own in rows], shared)
    return Recipe.from_mapping(
        {
            "base": {"name": "base", "path": _path(base if base else rows[0][0], "base_model")},
            "experts": experts,
            "coefficients": dict(zip(names, said.pop("weights"), strict=True)),
            "dtype": data.get("out_dtype", data.get("dtype", "as base")),
            **said,
        }
    )


def _said(method: str, weights: list[float], own: list[dict[str, Any]], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Say method, settings and weights in our words."""
    normalize = _switch(shared.get("normalize", NORMALIZED[method]), "normalize")
    scale = _number(shared.get("lambda", 1.0), "lambda")
    if method == "linear":
        if not normalize:
            raise MergingError(
                "mergekit's 'linear' with normalize: false is not a merge on a base.",
                "Use task_arithmetic with a base_model.",
            )
        return {"method": "weighted_average", "weights": weights}
    if method == "task_arithmetic":
        total = sum(weights) if normalize else 1.0
        if abs(total) < 1e-8:
            raise MergingError("The weights sum to 0 and cannot be normalised.", "Set normalize: false.")
        return {"method": "task_arithmetic", "weights": [scale * weight / total for weight in weights]}
    densities = {_number(row.get("density", 1.0), "density") for row in own}
    if len(densities) > 1:
        raise MergingError("The models have different densities.", "TIES takes one density for all here.")
    settings = {
        "density": densities.pop(),
        "variant": "mergekit",
        "merge": "weighted" if normalize else "sum",
        "scale": scale,
    }
    return {"method": "ties", "weights": weights, "settings": settings, "exact": True}


def _method(data: Mapping[str, Any]) -> str:
    method = data.get("merge_method")
    if method not in PARAMETERS:
        hint = nearest(str(method), PARAMETERS) if method else "Add `merge_method`."
        raise MergingError(f"mergekit's merge_method '{method}' cannot be read here.", f"{hint} {OURS}")
    return str(method)


def _models(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    models = data.get("models")
    if not isinstance(models, list) or not models or not all(isinstance(row, dict) for row in models):
        raise MergingError("A mergekit configuration needs `models`: a list of {model, parameters}.", OURS)
    for number, row in enumerate(models):
        _known(row, MODEL, f"models[{number}]")
    return models


def _known(data: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in allowed:
            raise MergingError(f"{where} with '{key}' cannot be read here.", nearest(str(key), allowed))


def _parameters(data: object, method: str, where: str) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise MergingError(f"mergekit: the parameters of {where} are {data!r}, not a mapping.")
    _known(data, PARAMETERS[method], f"mergekit's '{method}' in {where}")
    return {str(key): value for key, value in data.items()}


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = "missing" if value is None else f"{value!r}"
        raise MergingError(
            f"mergekit: the {what} is {shown}.",
            "It must be one number; lists over layers and filters cannot be read here.",
        )
    return float(value)


def _switch(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise MergingError(f"mergekit: {what} is {value!r}.", "It must be true or false.")
    return value


def _path(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise MergingError(f"mergekit: {what} is {value!r}.", "It must be the path of a checkpoint.")
    return value


def _names(paths: list[str]) -> list[str]:
    """Name each model by its file or folder; the second of a name gets -2."""
    names: list[str] = []
    for path in paths:
        stem = PurePosixPath(path).name.removesuffix(".safetensors").replace(",", "-").replace("=", "-")
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names
