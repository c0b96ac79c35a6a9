import torch


def test_no_step_is_the_sum(merge, noise) -> None:
    weights = {"a": 0.3, "b": -0.5, "c": 1.2}
    wanted = sum(weights[who] * change for who, change in noise.items())
    torch.testing.assert_close(merge("wudi", {"steps": 0}, noise, weights), wanted)


def test_experts_that_do_not_disturb_each_other_are_added(merge, apart) -> None:
    torch.testing.assert_close(merge("wudi", {}, apart), apart["a"] + apart["b"], rtol=0, atol=2e-5)


def test_many_steps_reach_the_closed_form(merge, noise) -> None:
    """The least disturbance is M C = D; with more columns than directions in C it is unique, M = D C⁻¹."""
    parts = [change.double() for change in noise.values()]
    curve = sum(part.T @ part / part.square().sum() for part in parts)
    pull = sum(part @ part.T @ part / part.square().sum() for part in parts)
    found = merge("wudi", {"steps": 1000, "rate": 1e-3}, noise)
    torch.testing.assert_close(found.double(), pull @ torch.linalg.inv(curve), rtol=0, atol=1e-4)


def test_an_expert_with_coefficient_zero_still_wants_not_to_be_disturbed(merge, noise) -> None:
    alone = merge("wudi", {}, {"a": noise["a"]})
    with_others = merge("wudi", {}, noise, {"a": 1.0, "b": 0.0, "c": 0.0})
    assert not torch.equal(alone, with_others)
    torch.testing.assert_close(alone, noise["a"])
