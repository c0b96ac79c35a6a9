"""Merging a few small matrices that a test writes down."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from merging import combine_into, method, prepare, reference, task_vectors, write

Merge = Callable[..., Tensor]


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    """Give merge(method, settings, task vectors by expert, coefficients, exact=False) → merged `fc.weight`.

    The base is zero, so that the merged weight is the merged change; coefficients default to 1.
    """

    def merged(
        name: str,
        settings: Mapping[str, object],
        changes: Mapping[str, Tensor],
        coefficients: Mapping[str, float] | None = None,
        exact: bool = False,
    ) -> Tensor:
        found = []
        first = next(iter(changes.values()))
        for who, tensor in {"base": torch.zeros_like(first), **changes}.items():
            path = tmp_path / f"{who}.safetensors"
            write(path, {"fc.weight": tensor.contiguous()}, {})
            found.append(reference(who, path))
        with task_vectors(found[0], found[1:]) as vectors:
            directions = prepare(method(name, settings), vectors)
            out = torch.empty(directions.layout.size)
            combine_into(out, directions, coefficients or dict.fromkeys(changes, 1.0), exact=exact)
            return vectors.layout.view(out, vectors.layout.entries[0]).clone()

    return merged


@pytest.fixture
def noise() -> dict[str, Tensor]:
    """Three experts' changes of a 6 × 5 matrix."""
    generator = torch.Generator().manual_seed(11)
    return {who: 0.1 * torch.randn(6, 5, generator=generator) for who in "abc"}


@pytest.fixture
def apart() -> dict[str, Tensor]:
    """Two experts' changes of an 8 × 6 matrix, of rank 2 and 3, in orthogonal directions on both sides."""
    left = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
    right = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    first = 3.0 * torch.outer(left[:, 0], right[:, 0]) + torch.outer(left[:, 1], right[:, 1])
    second = sum(size * torch.outer(left[:, k], right[:, k]) for size, k in ((2.0, 2), (1.5, 3), (0.5, 4)))
    return {"a": first, "b": second}
