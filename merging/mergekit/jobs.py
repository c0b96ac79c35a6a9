"""Every output tensor of a mergekit configuration, and the tensors that it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.errors import MergingError
from merging.files.tensors import Tensors
from merging.mergekit.companions import layer_count
from merging.mergekit.layers import Layers, read_layers, stands_before
from merging.mergekit.model import Model
from merging.mergekit.schema import Configuration, Slice


@dataclass(frozen=True)
class Job:
    """One output tensor: the slice it belongs to, its depth t, and the source tensors in the slice's order."""

    name: str
    part: Slice
    t: float
    inputs: tuple[str, ...]


def jobs_of(configuration: Configuration, opened: Mapping[Model, Tensors]) -> list[Job]:
    """Plan every output tensor. Raises MergingError for models that do not fit together."""
    return _whole(configuration, opened) if configuration.whole else _sliced(configuration, opened)


def _whole(configuration: Configuration, opened: Mapping[Model, Tensors]) -> list[Job]:
    """Plan `models`: every tensor of the donor, which all models must have."""
    part = configuration.slices[0]
    donor = configuration.models[0]
    layers = read_layers(opened[donor].keys())
    for source in part.sources:
        _same_names(donor, opened[donor].keys(), source.model, opened[source.model].keys())
    jobs = [Job(name, part, layers.depth(name), (name,) * len(part.sources)) for name in opened[donor].keys()]
    return [_checked(job, opened) for job in jobs]


def _same_names(donor: Model, wanted: Sequence[str], model: Model, have: Sequence[str]) -> None:
    for names, verb in ((set(wanted) - set(have), "lacks"), (set(have) - set(wanted), "has, and the other lacks,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise MergingError(
                f"mergekit: '{model}' does not match '{donor}': it {verb} '{min(names)}'{more}.",
                "Only models of one architecture can be merged.",
            )


def _sliced(configuration: Configuration, opened: Mapping[Model, Tensors]) -> list[Job]:
    """Plan `slices`: embeddings from the first slice, the layers in order, norm and head from the last."""
    layers = {model: read_layers(tensors.keys()) for model, tensors in opened.items()}
    stacks = {model: layers[model].only(str(model), layer_count(opened[model].path)) for model in opened}
    jobs: list[Job] = []
    for part, before in ((configuration.slices[0], True), (configuration.slices[-1], False)):
        jobs += _outside(part, before, layers, stacks)
    number = 0
    for part in configuration.slices:
        first, stop = part.sources[0].layers or (0, 0)
        for step in range(stop - first):
            t = step / (stop - first - 1) if stop - first > 1 else 1.0
            jobs += _layer(part, step, number, t, layers, stacks)
            number += 1
    return [_checked(job, opened) for job in jobs]


def _outside(part: Slice, before: bool, layers: Mapping[Model, Layers], stacks: Mapping[Model, str]) -> list[Job]:
    found: list[list[str]] = []
    for source in part.sources:
        places = layers[source.model].places
        found.append([name for name, place in places.items() if place.stack != stacks[source.model]])
    for source, names in zip(part.sources, found, strict=True):
        _same_names(part.sources[0].model, found[0], source.model, names)
    return [Job(name, part, 0.0, (name,) * len(part.sources)) for name in found[0] if stands_before(name) == before]


def _layer(
    part: Slice, step: int, number: int, t: float, layers: Mapping[Model, Layers], stacks: Mapping[Model, str]
) -> list[Job]:
    inputs: list[dict[str, str]] = []
    for source in part.sources:
        mine, stack = layers[source.model], stacks[source.model]
        layer = (source.layers or (0, 0))[0] + step
        if layer >= mine.counts[stack]:
            raise MergingError(
                f"mergekit: layer_range {list(source.layers or ())} of '{source.model}' asks for layer {layer}.",
                f"It has {mine.counts[stack]} layers, 0 to {mine.counts[stack] - 1}.",
            )
        at = {p.rest: name for name, p in mine.places.items() if p.stack == stack and p.layer == layer}
        inputs.append(at)
    lead = part.sources[0].model
    for source, names in zip(part.sources, inputs, strict=True):
        _same_names(lead, list(inputs[0]), source.model, list(names))
    return [
        Job(f"{stacks[lead]}{number}.{rest}", part, t, tuple(names[rest] for names in inputs)) for rest in inputs[0]
    ]


def _checked(job: Job, opened: Mapping[Model, Tensors]) -> Job:
    shapes = [opened[source.model].shape(name) for source, name in zip(job.part.sources, job.inputs, strict=True)]
    for source, shape in zip(job.part.sources, shapes, strict=True):
        if shape != shapes[0]:
            raise MergingError(
                f"mergekit: '{job.name}' is {shapes[0]} in '{job.part.sources[0].model}' and {shape} in "
                f"'{source.model}'.",
                "Only models of one architecture and vocabulary can be merged.",
            )
    return job
