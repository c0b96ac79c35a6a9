import torch


def test_no_step_and_no_mask_is_the_sum_of_changes_of_one_length(merge, noise) -> None:
    found = merge("doge", {"steps": 0, "density": 1.0, "strength": 0.5}, noise, {"a": 1.0, "b": 0.0, "c": 0.3})
    wanted = 0.5 * noise["a"] / noise["a"].norm() + 0.15 * noise["c"] / noise["c"].norm()
    torch.testing.assert_close(found, wanted)


def test_the_common_change_lets_them_disturb_each_other_less(merge, noise) -> None:
    still, moved = (merge("doge", {"steps": steps, "density": 1.0}, noise) for steps in (0, 400))
    changes = torch.stack(list(noise.values()))

    def loss(merged: torch.Tensor) -> float:
        """Return Σ_t Σ_rows ⟨τ_t, merged − τ_t⟩²."""
        return float((changes * (merged - changes)).sum(-1).square().sum())

    assert loss(moved) < 0.9 * loss(still)
