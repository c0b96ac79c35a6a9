"""Sums of rows, piece by piece: the same bits whatever the pieces, from directions or from differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merging import method
from merging.combining.accumulate import accumulate, accumulate_changes
from merging.method import Scalars

FLOATS = st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.float64])
NUMBERS = st.sampled_from([0.0, 1.0, -0.3, 0.7, 2.5])


@given(
    seed=st.integers(0, 9),
    size=st.sampled_from([1, 7, 64, 65]),
    base_dtype=FLOATS,
    dtypes=st.lists(FLOATS, min_size=1, max_size=4),
    wanted=FLOATS,
    of_base=NUMBERS,
    multipliers=st.lists(NUMBERS, min_size=4, max_size=4),
    piece=st.sampled_from([1, 8, 64, 1000]),
)
def test_differences_are_added_like_directions(
    seed: int,
    size: int,
    base_dtype: torch.dtype,
    dtypes: list[torch.dtype],
    wanted: torch.dtype,
    of_base: float,
    multipliers: list[float],
    piece: int,
) -> None:
    dice = torch.Generator().manual_seed(seed)
    base = torch.randn(size, generator=dice).to(base_dtype)
    experts = [torch.randn(size, generator=dice).to(dtype) for dtype in dtypes]
    scalars = Scalars(of_base, np.array(multipliers[: len(experts)]))
    directions = torch.stack([each.to(torch.float32) - base.to(torch.float32) for each in experts])
    expected = torch.empty(size)
    accumulate(expected, base.to(torch.float32), directions, [(slice(0, size), scalars)])
    kept = [base.clone(), *(each.clone() for each in experts)]

    out = torch.full((size,), float("nan"), dtype=wanted)
    accumulate_changes(out, base, experts, scalars, piece)

    assert torch.equal(out, expected.to(wanted))
    assert all(torch.equal(one, other) for one, other in zip([base, *experts], kept, strict=True))


@pytest.mark.parametrize(
    ("name", "unprepared"), [("task_arithmetic", True), ("slerp", True), ("ties", False), ("tsv_m", False)]
)
def test_a_method_knows_whether_it_changes_the_task_vectors(name: str, unprepared: bool) -> None:
    assert method(name).unprepared is unprepared
