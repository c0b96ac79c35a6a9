import torch


def test_lora_experts_start_from_the_mean(merge, noise) -> None:
    found = merge("opt_merge", {"tuned": "lora", "steps": 0}, noise)
    torch.testing.assert_close(found, sum(noise.values()) / 3)


def test_the_scale_multiplies_the_merge(merge, noise) -> None:
    whole, tenth = (merge("opt_merge", {"scale": scale}, noise) for scale in (1.0, 0.1))
    torch.testing.assert_close(tenth, 0.1 * whole)
