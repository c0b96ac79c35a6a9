"""Task vectors: expert minus base, tensor by tensor, in float32."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from merging.architecture.heads import Headless
from merging.checkpoint import Checkpoint
from merging.errors import MergingError
from merging.files.blocks import Rows, blocks, first_number
from merging.files.tensors import Tensors, open_tensors
from merging.lora.expert import Adapted, open_expert
from merging.lora.pairs import Pair, Pairs

ALIGN = 16  # numbers: each tensor of the flat vector starts on a 64-byte boundary, so views of it are fast


@dataclass(frozen=True)
class Entry:
    """One floating-point tensor's place in the flat vector."""

    name: str
    shape: tuple[int, ...]
    offset: int
    numel: int
    dtype: str


@dataclass(frozen=True)
class Layout:
    """The floating-point tensors, sorted by name, in one flat vector of `size` = P numbers.

    Offsets are multiples of 16, the few numbers between two tensors are zero.
    """

    entries: tuple[Entry, ...]
    size: int

    @cached_property
    def parameters(self) -> int:
        """How many of the P numbers belong to a tensor."""
        return sum(entry.numel for entry in self.entries)

    @cached_property
    def index(self) -> dict[str, Entry]:
        """Entries by tensor name."""
        return {entry.name: entry for entry in self.entries}

    def view(self, flat: Tensor, entry: Entry) -> Tensor:
        """View one tensor (…, *shape) in a flat vector (P,) or in rows of them (…, P)."""
        part = flat[..., entry.offset : entry.offset + entry.numel]
        return part.view((*part.shape[:-1], *entry.shape))


class TaskVectors:
    """T experts against a base: `layout`, `names` (experts), `others` (int and bool tensors), `notes`, and `own_heads`,
    the experts with a head that is not merged and the names of its tensors.

    Tensors are read one at a time; nothing the size of a model is held. Close it, or use a with block.
    """

    def __init__(
        self, base: Checkpoint, experts: tuple[Checkpoint, ...], opened: Sequence[Tensors], stack: ExitStack
    ) -> None:
        self.checkpoint = base
        self.experts = experts
        self.names = tuple(expert.name for expert in experts)
        self._base, self._experts = opened[0], tuple(opened[1:])
        self._stack = stack
        self.layout = _layout(self._base)
        self.others = tuple(key for key in self._base.keys() if not _floating(self._base, key))
        self.notes = _notes(base, experts)
        self.own_heads = {
            expert.name: one.aside
            for expert, one in zip(experts, opened[1:], strict=True)
            if isinstance(one, Headless) and one.aside
        }

    def base_tensor(self, name: str, rows: Rows = ...) -> Tensor:
        """Return one floating-point tensor of the base, or some rows of it, float32."""
        return self._base.get(name, rows).to(torch.float32)

    def base(self) -> Tensor:
        """Return the base as one flat vector (P,), float32."""
        flat = torch.zeros(self.layout.size)
        for entry in self.layout.entries:
            self.layout.view(flat, entry).copy_(self._base.get(entry.name))
        return flat

    def deltas(self, name: str, rows: Rows = ...) -> Tensor:
        """Return expert − base of one tensor, or of some rows of it, for every expert, (T, *shape), float32."""
        base = self.base_tensor(name, rows)
        deltas = torch.empty((len(self._experts), *base.shape))
        for change, expert in zip(deltas, self._experts, strict=True):
            expert.change_into(change, name, base, rows)
        return deltas

    def sides(self, name: str, rows: Rows = ...) -> tuple[Tensor, tuple[Tensor, ...]] | None:
        """Return one tensor of the base and of every expert, or some rows, as they are stored: their differences are
        the task vectors. None where one of those is known better than by a difference.
        """
        if not all(expert.differs(name) for expert in self._experts):
            return None
        return self._base.get(name, rows), tuple(expert.get(name, rows) for expert in self._experts)

    def pairs(self, name: str) -> Pairs | None:
        """Return the changes of one matrix as products of the adapters' factors, without forming them.

        None where an expert is no adapter or its change no product, and where none of them changes the matrix.
        """
        found: list[Pair] = []
        for expert in self._experts:
            pair = expert.pair(name) if isinstance(expert, Adapted) else None
            if pair is None:
                return None
            found.append(pair)
        changing = [pair for pair in found if pair.rank]
        if not changing or any(pair.swapped != changing[0].swapped for pair in changing):
            return None
        return tuple(found)

    def delta(self, name: str, expert: int) -> Tensor:
        """Return expert − base of one tensor for one expert, by its number, float32."""
        base = self.base_tensor(name)
        found = torch.empty_like(base)
        self._experts[expert].change_into(found, name, base)
        return found

    def write_expert(self, expert: int, out: Tensor, scale: float = 1.0) -> None:
        """Write base + scale · task vector of one expert into `out` (P,), on any device."""
        for entry in self.layout.entries:
            moved = torch.add(self.base_tensor(entry.name), self.delta(entry.name, expert), alpha=scale)
            self.layout.view(out, entry).copy_(moved)

    def each(self) -> Iterator[tuple[str, Tensor]]:
        """Go through (name, deltas (T, *shape)) of every floating-point tensor."""
        for entry in self.layout.entries:
            yield entry.name, self.deltas(entry.name)

    def each_rows(self) -> Iterator[tuple[str, int, Tensor]]:
        """Go through (name, place of the first number, deltas (T, *rows)) of every floating-point tensor, by blocks."""
        for entry in self.layout.entries:
            for rows in blocks(entry.shape):
                yield entry.name, first_number(entry.shape, rows), self.deltas(entry.name, rows)

    def other(self, name: str) -> Tensor:
        """Return one int or bool tensor of the base."""
        return self._base.get(name)

    def dtype(self, name: str) -> torch.dtype:
        """Return the dtype that a tensor has in the base."""
        return self._base.dtype(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor of the base."""
        return self._base.shape(name)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def __enter__(self) -> "TaskVectors":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def task_vectors(base: Checkpoint, experts: Sequence[Checkpoint]) -> TaskVectors:
    """Open a base and its experts and check that they belong together.

    Raises:
        MergingError: no expert, two with one name, a missing, extra or misshaped tensor, or a
            floating-point tensor that is an integer one elsewhere; names the expert and the tensor.
    """
    if not experts:
        raise MergingError("There is no expert to merge.", "Name at least one.")
    seen: set[str] = set()
    for expert in experts:
        if expert.name in seen:
            raise MergingError(f"Two experts are called '{expert.name}'.", "Give each its own name.")
        seen.add(expert.name)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_tensors(base.path))]
        opened += [stack.enter_context(open_expert(base.path, expert.path)) for expert in experts]
        for expert, tensors in zip(experts, opened[1:], strict=True):
            _check(base, expert, opened[0], tensors)
        return TaskVectors(base, tuple(experts), opened, stack.pop_all())


def by_expert(values: Iterable[float], deltas: Tensor) -> Tensor:
    """Shape one number per expert so that it multiplies (T, *shape)."""
    found = torch.tensor(list(values), dtype=deltas.dtype, device=deltas.device)
    return found.view(-1, *[1] * (deltas.dim() - 1))


def _floating(tensors: Tensors, key: str) -> bool:
    """Tell whether a tensor is merged; an empty one has nothing to merge."""
    return tensors.dtype(key).is_floating_point and 0 not in tensors.shape(key)


def _layout(base: Tensors) -> Layout:
    entries: list[Entry] = []
    offset = 0
    for key in base.keys():
        if _floating(base, key):
            shape = base.shape(key)
            numel = int(torch.Size(shape).numel())
            dtype = str(base.dtype(key)).removeprefix("torch.")
            entries.append(Entry(key, shape, offset, numel, dtype))
            offset += -(-numel // ALIGN) * ALIGN
    if not entries:
        raise MergingError(f"The base '{base.path}' has no floating-point tensor to merge.")
    return Layout(tuple(entries), offset)


def _check(base: Checkpoint, expert: Checkpoint, ours: Tensors, theirs: Tensors) -> None:
    what = f"Expert '{expert.name}' does not match base '{base.name}':"
    cure = "Choose experts fine-tuned from the same base."
    have, want = set(theirs.keys()), set(ours.keys())
    for names, verb in ((want - have, "lacks"), (have - want, "has, and the base lacks,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise MergingError(f"{what} it {verb} '{min(names)}'{more}.", cure)
    for key in sorted(want):
        if theirs.shape(key) != ours.shape(key):
            raise MergingError(f"{what} '{key}' has shape {theirs.shape(key)}, base has {ours.shape(key)}.", cure)
        if theirs.dtype(key).is_floating_point != ours.dtype(key).is_floating_point:
            raise MergingError(f"{what} '{key}' is {theirs.dtype(key)}, base has {ours.dtype(key)}.", cure)


def _notes(base: Checkpoint, experts: Sequence[Checkpoint]) -> tuple[str, ...]:
    notes: list[str] = []
    owners: dict[str, str] = {}
    for expert in experts:
        if expert.fingerprint == base.fingerprint:
            notes.append(f"Expert '{expert.name}' is identical to the base '{base.name}': it adds nothing.")
        elif expert.fingerprint in owners:
            notes.append(f"Expert '{expert.name}' is identical to expert '{owners[expert.fingerprint]}'.")
        elif _same_file(expert.path, base.path):
            notes.append(f"Expert '{expert.name}' and the base are one file: '{expert.path}'.")
        owners.setdefault(expert.fingerprint, expert.name)
    return tuple(notes)


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
