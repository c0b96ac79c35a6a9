"""What each weight of a network is multiplied with, seen while samples pass through it.

Below the modules, at the operations themselves: packed attention weights (`in_proj_weight`), projections that are
bare parameters and layers without a class of their own are seen like any linear layer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from evaluation.models.model import Entry

How = Literal["rows", "columns", "patches", "scale"]
See = Callable[[str, How, Tensor], None]
ops = torch.ops.aten


class Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode in which `see(name, how, x)` is called for each use of a tensor of the bound buffer.

    rows: y = x Wᵀ with W (m, d) and x (n, d); patches: a convolution as a layer of its patches, x (n, c·h·w). columns:
    y = x W with W (d, m). scale: y = x ⊙ w + b, x (n, d) the normalised input of a LayerNorm. Gradients must be off.
    """

    def __init__(self, entries: Sequence[Entry], buffer: Tensor, see: See) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        width = buffer.element_size()
        self._places = {buffer.data_ptr() + offset * width: (name, shape) for name, shape, offset in entries}
        self._see = see
        self.keep: Tensor | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look at the arguments, then run the operation."""
        packet = func.overloadpacket
        if packet is ops.addmm:
            self._product(args[1], args[2])
        elif packet in (ops.mm, ops.bmm):
            self._product(args[0], args[1])
        elif packet is ops.convolution:
            self._convolution(args)
        elif packet is ops.native_layer_norm and args[2] is not None:
            self._norm(args)
        return func(*args, **(kwargs or {}))

    def _product(self, x: Tensor, weight: Tensor) -> None:
        found = self._places.get(weight.data_ptr())
        if found is None or len(found[1]) != 2:
            return
        name, (first, second) = found
        matrix = weight[0] if weight.ndim == 3 else weight
        # A square weight is told apart by its strides: the transposed view has its rows next to each other.
        turned = tuple(matrix.shape) == (second, first) and (first != second or matrix.stride(0) == 1)
        self._tell(name, "rows" if turned else "columns", x.reshape(-1, x.shape[-1]))

    def _convolution(self, args: Sequence[Any]) -> None:
        x, weight, _, stride, padding, dilation, transposed, _, groups = args[:9]
        found = self._places.get(weight.data_ptr())
        if found is None or transposed or groups != 1 or weight.ndim != 4:
            return
        patches = nn.functional.unfold(x, weight.shape[2:], dilation, padding, stride)
        self._tell(found[0], "patches", patches.transpose(1, 2).reshape(-1, patches.shape[1]))

    def _norm(self, args: Sequence[Any]) -> None:
        x, shape, weight, _, eps = args[:5]
        found = self._places.get(weight.data_ptr())
        if found is not None and len(shape) == 1:
            normal = nn.functional.layer_norm(x, shape, None, None, eps)
            self._tell(found[0], "scale", normal.reshape(-1, normal.shape[-1]))

    def _tell(self, name: str, how: How, x: Tensor) -> None:
        if self.keep is not None and len(x) == len(self.keep):
            x = x[self.keep]
        self._see(name, how, x)


@contextmanager
def plain_attention() -> Iterator[None]:
    """Attention as its separate products: the fused kernel shows none of them."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
