"""A configuration as plain data and as mergekit's YAML."""

from collections.abc import Mapping
from typing import Any

import yaml

from merging.mergekit.model import Model
from merging.mergekit.parameters import Scope, Setting
from merging.mergekit.schema import Configuration, Slice, Source


def to_yaml(configuration: Configuration, paths: Mapping[str, str] | None = None) -> str:
    """Write a configuration as mergekit's YAML; `paths` replaces paths of models.

    The block `mergescape` holds what mergekit has no word for; mergekit ignores it.
    """
    return yaml.safe_dump(to_data(configuration, paths or {}), sort_keys=False, allow_unicode=True, width=1000)


def to_data(configuration: Configuration, paths: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration as the data of its YAML."""
    data: dict[str, Any] = {"merge_method": configuration.method}
    if configuration.base:
        data["base_model"] = _model(configuration.base, paths)
    if configuration.whole:
        data["models"] = [_source(source, paths) for source in configuration.slices[0].sources]
    else:
        data["slices"] = [_slice(part, paths) for part in configuration.slices]
    data |= _scope(configuration.parameters)
    for name in ("dtype", "out_dtype", "tokenizer", "template"):
        value = getattr(configuration, name)
        if value is not None:
            key = {"tokenizer": "tokenizer_source", "template": "chat_template"}.get(name, name)
            data[key] = paths.get(value, value) if name == "tokenizer" else value
    ours: dict[str, Any] = {"seed": configuration.seed} if configuration.seed else {}
    renamed = {str(model): _model(model, paths) for model in configuration.models}
    for key, found in (("names", configuration.own_names), ("fingerprints", configuration.fingerprints)):
        if found:
            ours[key] = {renamed.get(model, model): value for model, value in found.items()}
    return {**data, "mergescape": ours} if ours else data


def _model(model: Model, paths: Mapping[str, str]) -> str:
    path = paths.get(model.path, model.path)
    return f"{path}+{paths.get(model.lora, model.lora)}" if model.lora else path


def _source(source: Source, paths: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {"model": _model(source.model, paths)}
    if source.layers:
        data["layer_range"] = list(source.layers)
    return data | _scope(source.parameters)


def _slice(part: Slice, paths: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {"sources": [_source(source, paths) for source in part.sources]}
    if part.base:
        data["base_model"] = _model(part.base, paths)
    return data | _scope(part.parameters)


def _scope(scope: Scope) -> dict[str, Any]:
    return {"parameters": {name: _setting(setting) for name, setting in scope.items()}} if scope else {}


def _setting(setting: Setting) -> Any:
    if len(setting) == 1 and setting[0].filter is None:
        return _values(setting[0].values)
    rows = [(case.filter, _values(case.values)) for case in setting]
    return [{"value": value} if wanted is None else {"filter": wanted, "value": value} for wanted, value in rows]


def _values(values: tuple[float | bool, ...]) -> Any:
    return values[0] if len(values) == 1 else list(values)
