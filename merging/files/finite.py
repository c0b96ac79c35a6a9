"""Whether all numbers of a tensor are numbers: one look at its smallest and largest."""

import torch
from torch import Tensor


def all_finite(tensor: Tensor) -> bool:
    """Tell whether a tensor holds no NaN and no infinity.

    >>> all_finite(torch.tensor([1.0, 2.0])), all_finite(torch.tensor([1.0, float("nan"), 2.0]))
    (True, False)
    """
    if not tensor.numel():
        return True
    wide = tensor.to(torch.float32) if tensor.itemsize == 1 else tensor
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(wide))  # a NaN becomes both of them
