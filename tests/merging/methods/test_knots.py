import pytest
import torch


def test_one_expert_untrimmed_is_that_expert(merge, noise) -> None:
    torch.testing.assert_close(merge("knots", {"density": 1.0}, {"a": noise["a"]}), noise["a"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_experts_in_orthogonal_directions_are_added(merge, apart, exact) -> None:
    found = merge("knots", {"density": 1.0, "merge": "sum"}, apart, {"a": 0.5, "b": 2.0}, exact)
    torch.testing.assert_close(found, 0.5 * apart["a"] + 2.0 * apart["b"], rtol=0, atol=1e-5)
