import pytest
import torch


@pytest.mark.parametrize("exact", [False, True])
def test_experts_in_orthogonal_directions_are_added(merge, apart, exact) -> None:
    found = merge("dc_merge", {"keep": 1.0}, apart, {"a": 0.5, "b": 2.0}, exact)
    torch.testing.assert_close(found, 0.5 * apart["a"] + 2.0 * apart["b"], rtol=0, atol=1e-5)


def test_smoothing_keeps_the_sum_of_the_strengths(merge, apart) -> None:
    """b has strengths 2, 1.5, 0.5: all 4/3, or on a line from 4 : 1, that is (4, 2.5, 1) · 4 / 7.5."""
    line = torch.tensor([4.0, 2.5, 1.0]) * 4.0 / 7.5
    for smoothing, wanted in (("average", torch.full((3,), 4.0 / 3.0)), ("linear", line)):
        found = merge("dc_merge", {"keep": 1.0, "smoothing": smoothing}, apart, {"a": 0.0, "b": 1.0})
        torch.testing.assert_close(torch.linalg.svdvals(found)[:3], wanted, rtol=0, atol=1e-5)
