"""An adapter as an expert: the tensors of base + ΔW, and ΔW itself without the rounding of the base."""

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from merging.architecture.heads import Headless, encoder_names
from merging.files.blocks import Rows
from merging.files.tensors import Tensors, open_tensors
from merging.lora.adapter import Adapter, is_adapter, open_adapter
from merging.lora.pairs import Pair


class Adapted(Tensors):
    """A base with an adapter on it: the names, shapes and dtypes of the base.

    `get` gives float32 for adapted tensors, whatever the base's dtype: nothing is rounded before the merge.
    """

    def __init__(self, base: Tensors, adapter: Adapter, stack: ExitStack) -> None:
        keys = base.keys()
        super().__init__(
            base.path,
            {key: base.shape(key) for key in keys},
            {key: base.dtype(key) for key in keys},
            self._adapted,
            base.metadata,
            stack,
        )
        self.base, self.adapter = base, adapter

    def differs(self, key: str) -> bool:
        """Never: the change is known without a difference."""
        return False

    def change_into(self, out: Tensor, key: str, base: Tensor, rows: Rows = ...) -> None:
        """Write ΔW of one tensor into `out`: exact, never (base + ΔW) − base."""
        change = self._change(key, base, rows)
        if change is None:
            out.zero_()
        else:
            out.copy_(change)

    def pair(self, key: str) -> Pair | None:
        """Return ΔW of one matrix as a product; None where it is none: DoRA, convolutions, what was trained fully."""
        adapter, shape = self.adapter, self.shape(key)
        if len(shape) != 2 or key in adapter.replaced:
            return None
        if key not in adapter.factors:
            return Pair(torch.zeros(shape[0], 0), torch.zeros(0, shape[1]), adapter.config.transposed)
        found = adapter.factors[key]
        if found.magnitude is not None:
            return None
        return Pair(*adapter.pair(key), swapped=found.embedding or adapter.config.transposed)

    def _adapted(self, key: str, rows: Rows) -> Tensor:
        tensor = self.base.get(key, rows)
        if not tensor.is_floating_point():
            return tensor
        wide = tensor.to(torch.float32)
        change = self._change(key, wide, rows)
        return tensor if change is None else wide + change

    def _change(self, key: str, base: Tensor, rows: Rows) -> Tensor | None:
        if rows is not ... and self.adapter.by_columns(key):
            whole = self.adapter.change(key, self.base.get(key).to(torch.float32))
            return None if whole is None else whole[rows]
        return self.adapter.change(key, base, rows)


def open_adapted(base: Path, adapter: Path) -> Adapted:
    """Open an adapter over the checkpoint of its base. Raises MergingError when they do not fit."""
    with ExitStack() as stack:
        opened = stack.enter_context(open_tensors(base))
        laid = stack.enter_context(open_adapter(adapter, opened))
        return Adapted(opened, laid, stack.pop_all())


def open_expert(base: Path, path: Path) -> Tensors:
    """Open an expert of a base: a full checkpoint, one with a head of its own, or an adapter over the base."""
    if is_adapter(path):
        return open_adapted(base, path)
    with ExitStack() as stack:
        opened = stack.enter_context(open_tensors(base))
        expert = stack.enter_context(open_tensors(path))
        names = encoder_names(opened, expert)
        if names is not None:
            return Headless(opened, expert, names, stack.pop_all())
    return open_tensors(path)
