"""Going through a model in the order in which samples do, one block after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from merging.access import Access, How
from merging.architecture.names import block_of
from merging.task_vector import Layout

Use = tuple[str, How]


def stages(access: Access, layout: Layout) -> list[list[Use]]:
    """Return the tensors that samples meet, in that order, in groups: each block, and what lies between blocks."""
    order: dict[str, How] = {}

    def see(name: str, how: How, x: Tensor) -> bool:
        if name in order:
            return True  # the second batch shows nothing new
        if name in layout.index:
            order[name] = how
        return False

    access.watch(access.tasks[0], see)
    found: list[list[Use]] = []
    last: str | None = None
    for name, how in order.items():
        block = block_of(name)
        if not found or block != last:
            found.append([])
        found[-1].append((name, how))
        last = block
    return found


def inputs(access: Access, tasks: Sequence[str], stage: Sequence[Use]) -> dict[str, list[Tensor]]:
    """Return what the tensors of a stage are multiplied with, (n, d) per batch, in the model of this moment."""
    wanted = {name for name, _ in stage}
    found: dict[str, list[Tensor]] = {name: [] for name in wanted}

    def see(name: str, how: How, x: Tensor) -> bool:
        if name in wanted:
            found[name].append(x)
        return name == stage[-1][0]

    for task in tasks:
        access.watch(task, see)
    return found


def bias_name(weight: str, layout: Layout) -> str | None:
    """Return the name of the bias that belongs to a weight, where it has one.

    `x.weight` has `x.bias`, a packed `in_proj_weight` has `in_proj_bias`.
    """
    if not weight.endswith("weight"):
        return None
    name = weight.removesuffix("weight") + "bias"
    return name if name in layout.index else None


def put(layout: Layout, target: Tensor, source: Tensor, names: Sequence[str]) -> None:
    """Copy tensors by name from one flat vector (P,) into another."""
    with torch.no_grad():
        for name in names:
            entry = layout.index[name]
            layout.view(target, entry).copy_(layout.view(source, entry))
