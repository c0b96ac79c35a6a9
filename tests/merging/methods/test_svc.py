import torch


def test_equal_experts_that_pile_up_count_once(merge, noise) -> None:
    """Merged 2 · 1 · τ; every direction answers twice as far as either expert: σ · 2 / (2 + 2), which is τ."""
    found = merge("svc", {}, {"a": noise["a"], "b": noise["a"]})
    torch.testing.assert_close(found, noise["a"], rtol=0, atol=1e-6)


def test_weak_directions_are_strengthened_as_far_as_the_floor(merge, noise) -> None:
    """At 0.1 both answers are 0.2, below the floor of 1/2: σ · 2 / (1/2 + 1/2)."""
    found = merge("svc", {}, {"a": noise["a"], "b": noise["a"]}, {"a": 0.1, "b": 0.1})
    torch.testing.assert_close(found, 0.4 * noise["a"], rtol=0, atol=1e-6)


def test_experts_in_orthogonal_directions_are_weakened_by_the_floor_alone(merge, apart) -> None:
    """In its own directions an expert's answer is 1, the other's is 0 and counts 1/2: σ · 2 / 1.5."""
    found = merge("svc", {}, apart)
    torch.testing.assert_close(found, (apart["a"] + apart["b"]) / 0.75, rtol=0, atol=1e-5)
