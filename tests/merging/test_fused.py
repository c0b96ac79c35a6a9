"""The fused pass against torch's own operations: the same bits, nothing beside its place, and what is not finite."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from merging.combining.fused import Sum, fits, fused, fused_finite

ROOT = Path(__file__).parents[2]
STORED = st.sampled_from([torch.float32, torch.bfloat16])
NUMBERS = st.sampled_from([0.0, 1.0, -0.3, 0.7, 2.5])
OPTIONAL = st.sampled_from([None, 0.3, 1.0, 3.0])
SIZES = st.sampled_from([1, 15, 16, 511, 512, 513, 1024, 1537])


def by_torch(base: Tensor, rows: list[Tensor], wanted: Sum) -> Tensor:
    """The same sum, an operation of torch at a time."""
    base = base.float()
    if wanted.start is None:
        total = torch.zeros_like(base)
    else:
        total = base.clone() if wanted.start == 1.0 else base * wanted.start
    for row, multiplier in zip(rows, wanted.multipliers, strict=True):
        changed = row.float() - base if wanted.less_base else row.float()
        total = torch.add(total, changed, alpha=multiplier)
    if wanted.divisor is not None:
        total = total / wanted.divisor
    if wanted.factor is not None:
        total = total * wanted.factor
    return total + base if wanted.plus_base else total


@given(
    seed=st.integers(0, 9),
    size=SIZES,
    lead=st.sampled_from([0, 1, 16]),
    dtypes=st.lists(STORED, max_size=9),
    of_base=STORED,
    of_out=STORED,
    multipliers=st.lists(NUMBERS, min_size=9, max_size=9),
    start=OPTIONAL,
    less_base=st.booleans(),
    divisor=OPTIONAL,
    factor=OPTIONAL,
    plus_base=st.booleans(),
    past_caches=st.booleans(),
)
def test_every_sum_has_the_bits_of_torch(
    seed: int,
    size: int,
    lead: int,
    dtypes: list[torch.dtype],
    of_base: torch.dtype,
    of_out: torch.dtype,
    multipliers: list[float],
    start: float | None,
    less_base: bool,
    divisor: float | None,
    factor: float | None,
    plus_base: bool,
    past_caches: bool,
) -> None:
    dice = torch.Generator().manual_seed(seed)
    base = torch.randn(lead + size, generator=dice).to(of_base)[lead:]
    rows = [torch.randn(lead + size, generator=dice).to(dtype)[lead:] for dtype in dtypes]
    wanted = Sum(multipliers[: len(rows)], start, less_base, divisor, factor, plus_base)
    room = torch.full((lead + size + 16,), 7.0, dtype=of_out)
    out = room[lead : lead + size]

    assert fits(out, base, *rows)
    fused(out, base, rows, wanted, past_caches)

    expected = by_torch(base, rows, wanted).to(of_out)
    assert torch.equal(out, expected)
    assert fused_finite(out.zero_(), base, rows, wanted)
    assert torch.equal(out, expected)
    assert torch.equal(room[:lead], torch.full((lead,), 7.0, dtype=of_out))
    assert torch.equal(room[lead + size :], torch.full((16,), 7.0, dtype=of_out))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_result_may_take_the_place_of_what_it_is_made_of(dtype: torch.dtype) -> None:
    base, row = (torch.linspace(start, 2.0, 2000).to(dtype) for start in (-1.0, 0.5))
    expected = by_torch(base, [row], Sum([0.3])).to(dtype)
    fused(base, base, [row], Sum([0.3]))
    assert torch.equal(base, expected)


def test_rounding_to_sixteen_bits_is_torchs_for_every_word() -> None:
    high = torch.arange(1 << 16, dtype=torch.int64)
    for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        numbers = ((high << 16) + low).to(torch.uint32).view(torch.float32)
        out = torch.empty(numbers.shape, dtype=torch.bfloat16)
        fused(out, numbers, [], Sum([]))
        assert torch.equal(torch.nan_to_num(out, nan=1.5), torch.nan_to_num(numbers.bfloat16(), nan=1.5))
        assert torch.equal(out.isnan(), numbers.isnan())


@pytest.mark.parametrize(
    ("dtype", "number", "finite"),
    [
        (torch.float32, torch.finfo(torch.float32).max, True),
        (torch.float32, float("inf"), False),
        (torch.float32, float("nan"), False),
        (torch.float32, -float("nan"), False),
        (torch.bfloat16, torch.finfo(torch.bfloat16).max, True),
        (torch.bfloat16, -torch.finfo(torch.bfloat16).max, True),
        (torch.bfloat16, torch.finfo(torch.float32).max, False),
        (torch.bfloat16, -float("inf"), False),
        (torch.bfloat16, float("nan"), False),
    ],
)
def test_what_is_not_finite_is_told_wherever_it_stands(dtype: torch.dtype, number: float, finite: bool) -> None:
    for size, place in itertools.product((1, 513, 1040), (0, -1)):
        base = torch.zeros(size)
        base[place] = number
        out = torch.empty(size, dtype=dtype)
        assert fused_finite(out, base, [], Sum([])) is finite
        assert bool(out.isfinite().all()) is finite


def test_what_it_cannot_take_is_left_to_torch() -> None:
    matrix = torch.zeros(4, 4)
    assert fits(matrix, matrix[1])
    for other in (matrix.half(), matrix.double(), matrix.T, matrix[:, 1], matrix.to("meta")):
        assert not fits(matrix, other)


def test_it_is_compiled_where_nothing_can_be_kept(tmp_path: Path) -> None:
    """A read-only checkout of a user without a home."""
    program = (
        "import torch; from merging.combining.fused import *; print(fused_finite(torch.ones(3), None, [], Sum([])))"
    )
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(nowhere / "below"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr
