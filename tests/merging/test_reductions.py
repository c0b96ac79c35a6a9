"""Methods that must become other methods, or known numbers, at special settings."""

import math

import pytest
import torch

from merging import Checkpoint, combine_into, method, prepare, reference, task_vectors, write


def merged(name, settings, base, experts, coefficients, exact=False):
    with task_vectors(base, experts) as vectors:
        directions = prepare(method(name, settings), vectors)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, coefficients, exact=exact)
        return out, vectors


def whole(checkpoint, base):
    """Return a checkpoint as the flat vector of its base's layout."""
    with task_vectors(base, [checkpoint]) as vectors:
        flat = vectors.base()
        for entry in vectors.layout.entries:
            vectors.layout.view(flat, entry).add_(vectors.deltas(entry.name)[0])
        return flat


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("task_arithmetic", {}),
        ("weighted_average", {}),
        ("ties", {"density": 1.0}),
        ("dare_linear", {"drop": 0.0}),
        ("dare_ties", {"drop": 0.0, "density": 1.0}),
        ("della", {"density": 1.0, "epsilon": 0.0}),
        ("della_linear", {"density": 1.0, "epsilon": 0.0}),
        ("breadcrumbs", {"density": 1.0, "top": 0.0}),
        ("consensus", {}),
        ("consensus", {"on": "ties", "density": 1.0}),
        ("breadcrumbs_ties", {"density": 1.0, "top": 0.0}),
        ("dc_merge", {"keep": 1.0}),
        ("knots", {"density": 1.0}),
        ("lines_ties", {"density": 1.0, "beta": 0.0}),
        ("nearswap", {"limit": 1.0}),
        ("opt_merge", {}),
        ("svc", {}),
        ("wudi", {}),
        ("magmax", {}),
        ("emr_unified", {}),
        ("model_stock", {}),
        ("karcher", {}),
        ("multislerp", {}),
        ("lines", {"alpha": 1.0, "beta": 0.0}),
        ("localize_and_stitch", {"density": 1.0}),
        ("ram", {"epsilon": 0.0}),
        ("sce", {"select": 1.0}),
        ("delta_weighted", {}),
        ("tsv_m", {}),
        ("swudi", {"ratio": 0.01, "time": 1.0}),
        ("opcm", {}),
        ("star", {"energy": 1.0}),
    ],
)
def test_one_expert_at_its_full_strength_is_that_expert(name, settings, families) -> None:
    group = families(1)
    found, _ = merged(name, settings, group.base, group.experts, {"e0": 1.0})
    # SWUDI cannot be switched off: its weakest setting moves the expert a little
    tolerance = 0.2 if name == "swudi" else 2e-5
    torch.testing.assert_close(found, whole(group.experts[0], group.base), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["slerp", "nuslerp", "multislerp", "karcher", "weighted_average"])
def test_all_weight_on_one_expert_gives_it_back(name, families) -> None:
    group = families(2)
    found, _ = merged(name, {}, group.base, group.experts, {"e0": 0.0, "e1": 0.7})
    torch.testing.assert_close(found, whole(group.experts[1], group.base), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("one", "settings", "factor"),
    [
        ("weighted_average", {}, 1 / 3.2),
        ("dare_linear", {"drop": 0.0}, 1.0),
        ("breadcrumbs", {"density": 1.0, "top": 0.0}, 1.0),
        ("consensus", {"agree": 0}, 1.0),
        ("lines", {"alpha": 3.0, "beta": 0.0}, 1.0),
        ("ram", {"epsilon": 0.0}, 1 / 3),
        ("delta_weighted", {"power": 0.0}, 1 / 3),
        ("star", {"energy": 1.0}, 1.0),
        ("nearswap", {"limit": 1.0}, 1.0),
        ("localize_and_stitch", {"density": 1.0}, 1 / 3),
    ],
)
def test_it_is_task_arithmetic_times_a_factor(one, settings, factor, families) -> None:
    group = families(3)
    coefficients = {"e0": 0.7, "e1": 1.0, "e2": 1.5}
    found, _ = merged(one, settings, group.base, group.experts, coefficients)
    scaled = {name: value * factor for name, value in coefficients.items()}
    wanted, _ = merged("task_arithmetic", {}, group.base, group.experts, scaled)
    # entries that did not move in all experts count differently in the last rows: `unchanged.weight` only
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_delta_weighting_with_a_large_power_approaches_magmax(families) -> None:
    group = families(3)
    ones = dict.fromkeys(group.names, 1.0)
    found, _ = merged("delta_weighted", {"power": 8.0}, group.base, group.experts, ones)
    wanted, _ = merged("magmax", {}, group.base, group.experts, ones)
    assert (found - wanted).abs().mean() < 0.01


def test_tsv_m_is_the_sum_when_experts_use_orthogonal_directions(tmp_path) -> None:
    left = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
    right = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    tensors = {"base": torch.zeros(8, 6)}
    tensors["a"] = 3.0 * torch.outer(left[:, 0], right[:, 0]) + torch.outer(left[:, 1], right[:, 1])
    tensors["b"] = 2.0 * torch.outer(left[:, 2], right[:, 2]) + torch.outer(left[:, 3], right[:, 3])
    base, *experts = checkpoints(tmp_path, tensors)
    found, vectors = merged("tsv_m", {}, base, experts, {"a": 1.0, "b": 1.0})
    view = vectors.layout.view(found, vectors.layout.entries[0])
    torch.testing.assert_close(view, tensors["a"] + tensors["b"], rtol=0, atol=1e-5)


def test_two_equal_experts_leave_tsv_m_that_expert(tmp_path) -> None:
    matrix = torch.randn(6, 5, generator=torch.Generator().manual_seed(3))
    low = matrix[:, :1] @ matrix[:1, :]
    base, *experts = checkpoints(tmp_path, {"base": torch.zeros(6, 5), "a": low, "b": low})
    found, vectors = merged("tsv_m", {}, base, experts, {"a": 1.0, "b": 1.0})
    torch.testing.assert_close(vectors.layout.view(found, vectors.layout.entries[0]), low, rtol=0, atol=1e-5)


def test_ties_by_hand(tmp_path) -> None:
    """P = 6, density 0.5: keep |τ| ≥ the 3rd smallest, that is four entries (one more than ⌊0.5·6⌋).

    a: |τ| sorted .1 .2 .3 .4 .5 .6 → threshold .3, kept  (.6, −.5, .4, .3, 0, 0)
    b: |τ| sorted .05 .1 .2 .3 .7 .8 → threshold .2, kept (−.2, −.3, .8, 0, .7, 0)
    sums (.4, −.8, 1.2, .3, .7, 0) → signs (+, −, +, +, +, majority +)
    means of agreeing (.6, −.4, .6, .3, .7, 0)
    """
    base, *experts = checkpoints(
        tmp_path,
        {
            "base": torch.zeros(6),
            "a": torch.tensor([0.6, -0.5, 0.4, 0.3, 0.1, -0.2]),
            "b": torch.tensor([-0.2, -0.3, 0.8, 0.1, 0.7, 0.05]),
        },
    )
    found, _ = merged("ties", {"density": 0.5}, base, experts, {"a": 1.0, "b": 1.0})
    torch.testing.assert_close(found[:6], torch.tensor([0.6, -0.4, 0.6, 0.3, 0.7, 0.0]))
    frozen, _ = merged("ties", {"density": 0.5}, base, experts, {"a": 0.1, "b": 1.0})
    torch.testing.assert_close(frozen[:6], torch.tensor([0.06, -0.175, 0.42, 0.03, 0.7, 0.0]))
    # elected again: weighted a (.06, −.05, .04, .03, 0, 0); the first weight's sum is −.14: now b leads it
    exact, _ = merged("ties", {"density": 0.5}, base, experts, {"a": 0.1, "b": 1.0}, exact=True)
    torch.testing.assert_close(exact[:6], torch.tensor([-0.2, -0.175, 0.42, 0.03, 0.7, 0.0]))


def test_the_mean_of_dare_over_seeds_is_task_arithmetic(families) -> None:
    group = families(2)
    half = dict.fromkeys(group.names, 0.5)
    wanted, _ = merged("task_arithmetic", {}, group.base, group.experts, half)
    total = torch.zeros_like(wanted)
    found = torch.empty_like(wanted)
    with task_vectors(group.base, group.experts) as vectors:
        for seed in range(200):
            combine_into(found, prepare(method("dare_linear", {"drop": 0.5, "seed": seed}), vectors), half)
            total += found
    spread = math.sqrt(0.02 * 0.25 * 2)  # of one draw: |τ| about 0.1, times 1/2, two experts
    assert (total / 200 - wanted).abs().max() < 6 * spread / math.sqrt(200)


def checkpoints(folder, tensors) -> list[Checkpoint]:
    found = []
    for name, tensor in tensors.items():
        write(folder / f"{name}.safetensors", {"fc.weight": tensor}, {})
        found.append(reference(name, folder / f"{name}.safetensors"))
    return found
