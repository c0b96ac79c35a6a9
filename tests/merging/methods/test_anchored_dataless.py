import pytest
import torch

from merging import method


@pytest.mark.parametrize("on", ["task_arithmetic", "tsv_m", "iso_c", "iso_cts", "weighted_average", "ties"])
def test_a_strong_pull_gives_the_anchor_itself(on: str, merge, noise) -> None:
    at = dict.fromkeys(noise, method(on).default(len(noise)))
    wanted = merge(on, {}, noise, at, method(on).exact_form)
    torch.testing.assert_close(merge("anchored_dataless", {"on": on, "pull": 1e6}, noise), wanted, rtol=0, atol=1e-5)


def test_an_anchor_of_proportions_is_taken_in_proportion(merge, noise) -> None:
    wanted = merge("weighted_average", {}, noise, {"a": 0.5, "b": 0.25, "c": 0.25})
    settings = {"on": "weighted_average", "at": "a=2,b=1,c=1", "pull": 1e6}
    torch.testing.assert_close(merge("anchored_dataless", settings, noise), wanted, rtol=0, atol=1e-5)


def test_experts_in_orthogonal_input_directions_are_met_without_a_pull(merge) -> None:
    changes = torch.zeros(2, 4, 4)
    changes[0, :, :2], changes[1, :, 2:] = torch.arange(8.0).view(4, 2), torch.linspace(-1, 2, 8).view(4, 2)
    found = merge("anchored_dataless", {"on": "task_arithmetic", "pull": 1e-6}, dict(zip("ab", changes, strict=True)))
    torch.testing.assert_close(found, changes.sum(0), rtol=0, atol=1e-3)
