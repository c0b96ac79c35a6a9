"""What a mergekit configuration makes: every output tensor, where it comes from, and its values."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path

import torch
from torch import Tensor

from merging.combining.stream import MOST, SMALL
from merging.errors import MergingError
from merging.files.blocks import Rows, blocks, first_number
from merging.files.finite import all_finite
from merging.files.tensors import Tensors, open_tensors
from merging.files.writing import Slot, arranged
from merging.lora.adapter import is_adapter
from merging.lora.expert import open_adapted
from merging.mergekit.arithmetic import FAMILY, measure
from merging.mergekit.group import Group, Kept
from merging.mergekit.jobs import Job, jobs_of
from merging.mergekit.model import Model
from merging.mergekit.parameters import RULES, Value, resolve
from merging.mergekit.rules import BY_ROWS, merge_group
from merging.mergekit.schema import Configuration, Source
from merging.mergekit.sums import SUMS, sum_rows
from merging.threads import in_order, pool

PIECE = 1 << 18  # numbers of each model that a method with many steps takes at a time: its steps stay in the cache

TORCH = {name: getattr(torch, name) for name in ("float16", "bfloat16", "float32", "float64")}


class Plan(AbstractContextManager["Plan"]):
    """A configuration over open models: `slots` to write, in their order, and `stream` of their values.

    `layers` are the donor's layers that the output's layers come from, in order (None: all, as they are).
    Close it, or use it in a with block.
    """

    def __init__(self, configuration: Configuration, opened: Mapping[Model, Tensors], stack: ExitStack) -> None:
        self.configuration, self._opened, self._stack = configuration, dict(opened), stack
        self.names = configuration.names
        jobs = jobs_of(configuration, opened)
        self._kept: dict[str, Future[tuple[Kept, ...]]] = {}
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
        """Give every output tensor in the order of `slots`, large ones in blocks of rows where the method can.

        Blocks are made in parallel; what is held does not grow with the models, nor, for such methods, with their
        tensors.

        Raises:
            MergingError: a value that the method or the dtype cannot take; names the tensor.
        """
        largest = max((slot.numel for slot in self.slots), default=0)
        threads = min(torch.get_num_threads(), MOST) if self._by_rows or largest <= SMALL else 1
        with pool(threads) as executor:
            work = self._work(executor, 2 * threads)
            yield from in_order(executor, threads + 1, lambda each: each(), work)

    @property
    def _by_rows(self) -> bool:
        return self.configuration.method in BY_ROWS

    def _work(self, executor: Executor, lead: int) -> Iterator[Callable[[], tuple[str, Tensor]]]:
        """Give the blocks to be made; tensors are measured, by the same threads, `lead` tensors ahead of them."""
        measured = self.slots if self.configuration.method in FAMILY else []
        for slot in measured[:lead]:
            self._kept[slot.name] = executor.submit(self._measured, slot)
        for number, slot in enumerate(self.slots):
            for later in measured[number + lead : number + lead + 1]:
                self._kept[later.name] = executor.submit(self._measured, later)
            kept = self._kept.pop(slot.name, None)  # from here on held by its blocks alone: masks are large
            for rows in blocks(slot.shape, PIECE if measured else None) if self._by_rows else [...]:
                yield partial(self._made, slot, rows, kept)

    def _measured(self, slot: Slot) -> tuple[Kept, ...]:
        job = self._jobs[slot.name]
        base = self._base(job)
        if base is None or not slot.dtype.is_floating_point:
            return ()

        def changes(number: int) -> Iterator[Tensor]:
            return (self._read(job, number, rows) - self._read(job, base, rows) for rows in blocks(slot.shape))

        with torch.no_grad():
            group, others = self._bare(job), self._others(job)
            return measure(self.configuration.method, group, slot.shape, lambda number: changes(others[number]))

    def _made(self, slot: Slot, rows: Rows, kept: Future[tuple[Kept, ...]] | None) -> tuple[str, Tensor]:
        job = self._jobs[slot.name]
        if not slot.dtype.is_floating_point:
            return slot.name, self._agreed(job)[rows]
        with torch.no_grad():
            cast, finite = self._merged(slot, rows, kept)
        if not finite:
            raise MergingError(
                f"Tensor '{job.name}' has merged values that {slot.dtype} cannot hold.",
                "Choose another out_dtype, or smaller weights.",
            )
        return slot.name, cast

    def _merged(self, slot: Slot, rows: Rows, kept: Future[tuple[Kept, ...]] | None) -> tuple[Tensor, bool]:
        """Merge some rows, in the dtype of their slot, and tell whether all of them are finite."""
        job, method = self._jobs[slot.name], self.configuration.method
        if method in SUMS:
            group = self._group(job, rows, slot.shape, self._stored)
            cast = torch.empty(group.shape, dtype=slot.dtype)
            return cast, sum_rows(method, group, cast, self._wide)
        group = self._group(job, rows, slot.shape, self._read)
        if kept is not None:
            group = replace(group, kept=kept.result())
        cast = merge_group(method, group).to(slot.dtype)
        return cast, all_finite(cast)

    def _group(self, job: Job, rows: Rows, shape: tuple[int, ...], read: Callable[[Job, int, Rows], Tensor]) -> Group:
        """Read some rows of a job's tensors, with its parameters."""
        base = self._base(job)
        return replace(
            self._bare(job),
            base=None if base is None else read(job, base, rows),
            others=tuple(read(job, number, rows) for number in self._others(job)),
            start=first_number(shape, rows),
        )

    def _bare(self, job: Job) -> Group:
        """Return a job's parameters without its tensors."""
        shared, own = self._parameters(job)
        others = self._others(job)
        names = tuple(self.names[job.part.sources[number].model] for number in others)
        seed = self.configuration.seed
        return Group(job.name, None, (), shared, tuple(own[number] for number in others), names, seed)

    def _base(self, job: Job) -> int | None:
        """Return which of a job's sources is the base."""
        base = self.configuration.base_of(job.part)
        return next((number for number, source in enumerate(job.part.sources) if source.model == base), None)

    def _others(self, job: Job) -> list[int]:
        base = self._base(job)
        return [number for number in range(len(job.part.sources)) if number != base]

    def _read(self, job: Job, number: int, rows: Rows) -> Tensor:
        """Read some rows of one of a job's sources, in the dtype of the sums."""
        return self._stored(job, number, rows).to(self._wide)

    def _stored(self, job: Job, number: int, rows: Rows) -> Tensor:
        """Read some rows of one of a job's sources, as they are in its file."""
        return self._opened[job.part.sources[number].model].get(job.inputs[number], rows)

    @property
    def _wide(self) -> torch.dtype:
        return torch.float64 if self.configuration.dtype == "float64" else torch.float32

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
