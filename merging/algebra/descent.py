"""Minimising a loss over one matrix by its gradient, in float64, with nothing random in it.

Rounding errors of float32 are as large as the small gradients of these losses, and Adam enlarges them.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

DECAYS = (0.9, 0.999)
EPSILON = 1e-8


def adam(start: Tensor, gradient: Callable[[Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """Take steps of Adam (arXiv 1412.6980, Algorithm 1, with its defaults) from `start` (m, n) float64."""
    place = start.clone()
    first, second = torch.zeros_like(place), torch.zeros_like(place)
    for step in range(1, steps + 1):
        slope = gradient(place)
        first.mul_(DECAYS[0]).add_(slope, alpha=1.0 - DECAYS[0])
        second.mul_(DECAYS[1]).addcmul_(slope, slope, value=1.0 - DECAYS[1])
        size = second.sqrt().div_(math.sqrt(1.0 - DECAYS[1] ** step)).add_(EPSILON)
        place.addcdiv_(first, size, value=-rate / (1.0 - DECAYS[0] ** step))
    return place


def momentum(start: Tensor, gradient: Callable[[Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """Take steps of gradient descent with momentum 0.9 from `start` (m, n) float64."""
    place = start.clone()
    speed = torch.zeros_like(place)
    for _ in range(steps):
        speed.mul_(DECAYS[0]).add_(gradient(place))
        place.add_(speed, alpha=-rate)
    return place
