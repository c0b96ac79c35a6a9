"""Whether all numbers of a tensor are numbers: their bits as integers, of which the largest is told fastest.

No torch here: files are looked through before it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

# by safetensors' code: signed and unsigned integers of that width, and the least bits, without sign, that are no number
BITS: Mapping[str, tuple[type[np.signedinteger[Any]], type[np.unsignedinteger[Any]], int]] = {
    "F64": (np.int64, np.uint64, 0x7FF0 << 48),
    "F32": (np.int32, np.uint32, 0x7F80 << 16),
    "F16": (np.int16, np.uint16, 0x7C00),
    "BF16": (np.int16, np.uint16, 0x7F80),
    "F8_E5M2": (np.int8, np.uint8, 0x7C),
    "F8_E4M3": (np.int8, np.uint8, 0x7F),  # it has no infinity
}
CODES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.float8_e5m2": "F8_E5M2",
    "torch.float8_e4m3fn": "F8_E4M3",
}


def finite_bytes(data: npt.NDArray[np.uint8], code: str) -> bool:
    """Tell whether bytes of a dtype (safetensors' code) hold no NaN and no infinity; integers never do.

    The largest signed integer is the largest positive number, the largest unsigned one the most negative.
    """
    if code not in BITS or not data.size:
        return True
    signed, unsigned, first = BITS[code]
    bits = data.view(signed)
    return int(bits.max()) < first and int(bits.view(unsigned).max()) < first + (1 << 8 * bits.itemsize - 1)


def all_finite(tensor: Tensor) -> bool:
    """Tell whether a tensor holds no NaN and no infinity.

    >>> import torch
    >>> all_finite(torch.tensor([1.0, 2.0])), all_finite(torch.tensor([1.0, float("nan"), 2.0]))
    (True, False)
    """
    import torch

    code = CODES.get(str(tensor.dtype), "")
    if not tensor.numel() or not tensor.is_floating_point():
        return True
    if code and tensor.device.type == "cpu" and tensor.is_contiguous():
        return finite_bytes(tensor.detach().reshape(-1).view(torch.uint8).numpy(), code)
    wide = tensor.to(torch.float32) if tensor.itemsize == 1 else tensor
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(wide))  # a NaN becomes both of them
