"""What a mergekit configuration makes: every output tensor, where it comes from, and its values."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.lora import is_adapter
from merging.lora_expert import open_adapted
from merging.mergekit.companions import layer_count
from merging.mergekit.layers import Layers, read_layers, stands_before
from merging.mergekit.model import Model
from merging.mergekit.parameters import RULES, Value, resolve
from merging.mergekit.rules import Group, merge_group
from merging.mergekit.schema import Configuration, Slice, Source
from merging.tensors import Tensors, open_tensors
from merging.threads import one_thread
from merging.writing import Slot, arranged

TORCH = {name: getattr(torch, name) for name in ("float16", "bfloat16", "float32", "float64")}


@dataclass(frozen=True)
class Job:
    """One output tensor: the slice it belongs to, its depth t, and the source tensors in the slice's order."""

    name: str
    part: Slice
    t: float
    inputs: tuple[str, ...]


class Plan(AbstractContextManager["Plan"]):
    """A configuration over open models: `slots` to write, in their order, and `stream` of their values.

    `layers` are the donor's layers that the output's layers come from, in order (None: all, as they are).
    Close it, or use it in a with block.
    """

    def __init__(self, configuration: Configuration, opened: Mapping[Model, Tensors], stack: ExitStack) -> None:
        self.configuration, self._opened, self._stack = configuration, dict(opened), stack
        self.names = configuration.names
        jobs = _whole(configuration, opened) if configuration.whole else _sliced(configuration, opened)
        self._jobs = {job.name: job for job in jobs}
        self.slots = arranged([self._slot(job) for job in jobs])
        for job in jobs:
            self._parameters(job)  # what is missing is found before anything is written

    @property
    def layers(self) -> tuple[int, ...] | None:
        """The layer that each output layer comes from, by the first source of each slice."""
        if self.configuration.whole:
            return None
        ranges = [part.sources[0].layers for part in self.configuration.slices]
        return tuple(layer for each in ranges if each for layer in range(*each))

    def stream(self) -> Iterator[tuple[str, Tensor]]:
        """Give every output tensor in the order of `slots`, holding those of one job at a time.

        Raises:
            MergingError: a value that the method or the dtype cannot take; names the tensor.
        """
        for slot in self.slots:
            with one_thread(), torch.no_grad():
                yield slot.name, self._made(self._jobs[slot.name], slot)

    def _made(self, job: Job, slot: Slot) -> Tensor:
        if not slot.dtype.is_floating_point:
            return self._agreed(job)
        wide = torch.float64 if self.configuration.dtype == "float64" else torch.float32
        shared, own = self._parameters(job)
        base = self.configuration.base_of(job.part)
        pairs = zip(job.part.sources, job.inputs, strict=True)
        tensors = [self._input(source, name).to(wide) for source, name in pairs]
        others = [number for number, source in enumerate(job.part.sources) if source.model != base]
        group = Group(
            job.name,
            next((tensors[n] for n, source in enumerate(job.part.sources) if source.model == base), None),
            tuple(tensors[number] for number in others),
            shared,
            tuple(own[number] for number in others),
            tuple(self.names[job.part.sources[number].model] for number in others),
            self.configuration.seed,
        )
        merged = merge_group(self.configuration.method, group)
        cast = merged.to(slot.dtype)
        if not bool(torch.isfinite(cast.to(torch.float32)).all()):
            raise MergingError(
                f"Tensor '{job.name}' has merged values that {slot.dtype} cannot hold.",
                "Choose another out_dtype, or smaller weights.",
            )
        return cast

    def _agreed(self, job: Job) -> Tensor:
        """Return an integer tensor, which all sources must have alike."""
        first, *more = (self._input(source, name) for source, name in zip(job.part.sources, job.inputs, strict=True))
        for source, tensor in zip(job.part.sources[1:], more, strict=True):
            if not torch.equal(first, tensor):
                raise MergingError(
                    f"mergekit: the integer tensor '{job.name}' differs in '{source.model}'.",
                    "Such tensors cannot be merged; make them equal first.",
                )
        return first

    def _parameters(self, job: Job) -> tuple[dict[str, Value], list[dict[str, Value]]]:
        """Resolve the parameters of a job: shared ones, and those of each source."""
        method = self.configuration.method
        rule = RULES[method]
        base = self.configuration.base_of(job.part)
        above = (job.part.parameters, self.configuration.parameters)
        shared = {
            name: resolve(method, name, above, job.name, job.t, "")
            for name, parameter in rule.parameters.items()
            if not parameter.each
        }
        own: list[dict[str, Value]] = []
        for source, tensor in zip(job.part.sources, job.inputs, strict=True):
            scopes = (source.parameters, *above)
            names = [name for name, parameter in rule.parameters.items() if parameter.each and source.model != base]
            whose = f" of '{source.model}'"
            own.append({name: resolve(method, name, scopes, tensor, job.t, whose) for name in names})
        return shared, own

    def _input(self, source: Source, name: str) -> Tensor:
        return self._opened[source.model].get(name)

    def _slot(self, job: Job) -> Slot:
        opened = [self._opened[source.model] for source in job.part.sources]
        found = [tensors.dtype(name) for tensors, name in zip(opened, job.inputs, strict=True)]
        shape = opened[0].shape(job.inputs[0])
        floating = {dtype.is_floating_point for dtype in found}
        if len(floating) != 1:
            raise MergingError(f"mergekit: '{job.name}' is of integers in one model and not in another.")
        wanted = self.configuration.out_dtype or self.configuration.dtype
        if floating == {True}:
            return Slot(job.name, TORCH[wanted] if wanted else reduce(torch.promote_types, found), shape)
        return Slot(job.name, found[0], shape)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open_plan(configuration: Configuration, paths: Mapping[str, Path]) -> Plan:
    """Open the models of a configuration and plan every output tensor.

    `paths` finds the checkpoints and adapters that the configuration names.

    Raises:
        MergingError: models that do not fit together, layers that are not there, missing parameters.
    """
    with ExitStack() as stack:
        opened: dict[Model, Tensors] = {}
        for model in configuration.models:
            path = paths[model.path]
            if model.lora is not None and not is_adapter(paths[model.lora]):
                raise MergingError(f"'{model.lora}' in '{model}' is not an adapter folder.", "It needs both its files.")
            opened[model] = stack.enter_context(
                open_tensors(path) if model.lora is None else open_adapted(path, paths[model.lora])
            )
        return Plan(configuration, opened, stack.pop_all())


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
