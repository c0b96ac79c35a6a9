"""Carrying out a mergekit configuration: weights, index, config.json, tokenizer and the configuration itself."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from merging.checkpoint import reference
from merging.errors import MergingError
from merging.files.writing import write, write_text
from merging.mergekit.companions import (
    CONFIG,
    TEMPLATE,
    adjusted_config,
    check_vocabularies,
    usual_template,
    with_tokenizer,
)
from merging.mergekit.model import read_model
from merging.mergekit.plan import Plan, open_plan
from merging.mergekit.schema import AUTO, Configuration
from merging.mergekit.writing import to_data, to_yaml
from merging.output.weights import (
    MERGEKIT,
    SHARD,
    Folder,
    Progress,
    companions,
    refuse_overwriting,
    reported,
    write_folder,
)
from merging.threads import pool


def merge_mergekit(
    configuration: Configuration,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    shard: int = SHARD,
) -> dict[str, str]:
    """Carry out a mergekit configuration; return SHA-256 (hex) by file name.

    Paths are looked for from the working directory, then from `folder`. The rest is as in `merging.merge`;
    the configuration, with seed and fingerprints, is written as mergekit_config.yml.

    Raises:
        MergingError: models that are missing, changed, or do not fit together; an `out` that holds something else.
    """
    out = Path(out)
    paths = located(configuration, folder)
    refuse_overwriting(out, list(paths.values()))
    full = replace(
        configuration,
        own_names={str(model): name for model, name in configuration.names.items()},
        fingerprints=_fingerprints(configuration, paths),
    )
    donor = paths[full.models[0].path]
    models = list(dict.fromkeys(paths[model.path] for model in full.models))
    source = _tokenizer_model(full)
    if full.tokenizer is not None:
        check_vocabularies([*models, paths[source]] if source else models, full.tokenizer)
    single = out.suffix == ".safetensors"
    home = (out.parent if single else out).resolve()
    near = {name: Path(os.path.relpath(os.path.abspath(path), home)).as_posix() for name, path in paths.items()}
    text = to_yaml(full, near)
    with open_plan(full, paths) as plan:
        metadata = {"format": "pt", "mergescape": _identity(full)}
        stream = reported(plan.stream(), plan.slots, progress)
        if not single:
            beside = with_tokenizer(companions(donor), paths[source]) if source else companions(donor)
            files = beside | _files(plan, donor, models, text)
            return write_folder(out, stream, plan.slots, metadata, Folder(files, donor), shard)
        name = out.with_suffix(".recipe.yaml")
        found = {out.name: write(out, stream, metadata, plan.slots)}
        return {**found, name.name: write_text(name, text)}


def located(configuration: Configuration, folder: Path) -> dict[str, Path]:
    """Find every path of a configuration: from the working directory, then from `folder`.

    Raises:
        MergingError: it is in neither place; models on the Hub are not downloaded.
    """
    found: dict[str, Path] = {}
    names = [name for model in configuration.models for name in (model.path, model.lora)]
    for name in (*names, _tokenizer_model(configuration)):
        if name is None:
            continue
        places = [place for place in (Path(name), Path(folder) / name) if os.path.exists(place)]
        if not places:
            raise MergingError(
                f"There is no model at '{name}', neither here nor in '{folder}'.",
                "Models on the Hub are not downloaded here: `hf download` it and give its folder.",
            )
        found[name] = places[0]
    return found


def _tokenizer_model(configuration: Configuration) -> str | None:
    """Return the path of the model whose tokenizer is wanted; None for the base's, which is carried along anyway."""
    source = configuration.tokenizer
    return None if source in (None, "union", "base") else read_model(source, "tokenizer source").path


def _fingerprints(configuration: Configuration, paths: Mapping[str, Path]) -> dict[str, str]:
    """Fingerprint every model (and adapter) and compare with those that the configuration names."""
    found: dict[str, str] = {}
    pairs = [
        (model, name, paths[each])
        for model, name in configuration.names.items()
        for each in (model.path, model.lora)
        if each is not None
    ]
    with pool(min(len(pairs), torch.get_num_threads())) as executor:
        read = list(executor.map(lambda pair: reference(pair[1], pair[2]).fingerprint, pairs))
    for model in configuration.names:
        own = (each for (other, _, _), each in zip(pairs, read, strict=True) if other == model)
        found[str(model)] = "+".join(own)
        wanted = configuration.fingerprints.get(str(model), found[str(model)])
        if wanted != found[str(model)]:
            raise MergingError(
                f"'{model}' is not the model of this configuration: its fingerprint is "
                f"{found[str(model)][:12]}…, the configuration has {wanted[:12]}….",
                "Put the original back, or remove the fingerprint to accept this one.",
            )
    return found


def _identity(configuration: Configuration) -> str:
    """Return the configuration as JSON with names for paths: what stands inside the merged files."""
    names = {str(model): name for model, name in configuration.names.items()}
    bare = replace(configuration, own_names={}, fingerprints={}, seed=0)
    paths = {model.path: configuration.names[model] for model in configuration.models}
    paths |= {model.lora: f"{configuration.names[model]}.lora" for model in configuration.models if model.lora}
    return json.dumps(
        {
            "mergekit": to_data(bare, paths),
            "fingerprints": {names[model]: value for model, value in configuration.fingerprints.items()},
            "seed": configuration.seed,
        },
        sort_keys=True,
        ensure_ascii=False,
    )


def _files(plan: Plan, donor: Path, models: Sequence[Path], text: str) -> dict[str, bytes]:
    """Return the files that differ from the donor's: configuration, template, and what was merged."""
    configuration = plan.configuration
    files = {MERGEKIT: text.encode()}
    adjusted = adjusted_config(donor, plan.layers, configuration.out_dtype or configuration.dtype)
    if adjusted is not None:
        files[CONFIG] = adjusted.encode()
    template = usual_template(models) if configuration.template == AUTO else configuration.template
    if template is not None:
        files[TEMPLATE] = template.encode()
    return files
