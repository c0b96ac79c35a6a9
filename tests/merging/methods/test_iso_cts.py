import torch


def test_all_in_common_is_iso_c(merge, noise) -> None:
    weights = {"a": 0.3, "b": 0.5, "c": 1.2}
    found = merge("iso_cts", {"common": 1.0}, noise, weights)
    torch.testing.assert_close(found, merge("iso_c", {}, noise, weights), rtol=0, atol=1e-5)


def test_every_direction_gets_the_mean_strength(merge, noise) -> None:
    strengths = torch.linalg.svdvals(merge("iso_cts", {"common": 0.2}, noise))
    torch.testing.assert_close(strengths, strengths.mean().expand(5), rtol=1e-4, atol=0)


def test_an_expert_with_coefficient_zero_brings_no_direction(merge, apart) -> None:
    found = merge("iso_cts", {"common": 0.4}, apart, {"a": 1.0, "b": 0.0})
    outside = torch.linalg.svd(apart["a"]).U[:, 2:]
    assert (outside.T @ found).abs().max() < 1e-6
