"""Methods that learn from samples: identities, what they may ask for, and the recipe that carries what was learned."""

from pathlib import Path

import pytest
import torch

import merging
from merging import MergingError, OpenRecipe, combine_into, method, methods, new_recipe, prepare, task_vectors
from merging.methods.concrete import Mask
from merging.recipe import file_hash
from tests.merging.toy import Toy

LEARNING = [name for name, kind in methods().items() if kind.needs_data]


def merged(made: merging.Method, group, coefficient: float = 1.0) -> dict[str, torch.Tensor]:
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names) if made.needs else None
        directions = prepare(made, vectors, access=access)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, dict.fromkeys(group.names, coefficient))
        return {entry.name: vectors.layout.view(out, entry).clone() for entry in vectors.layout.entries}


def expert(group, number: int) -> dict[str, torch.Tensor]:
    with task_vectors(group.base, group.experts) as vectors:
        flat = torch.empty(vectors.layout.size)
        vectors.write_expert(number, flat)
        return {entry.name: vectors.layout.view(flat, entry).clone() for entry in vectors.layout.entries}


def test_regmean_of_one_expert_is_that_expert(families) -> None:
    group = families(1)
    for name in ("regmean", "regmean_pp"):
        found, wanted = merged(method(name), group), expert(group, 0)
        for key, tensor in wanted.items():
            torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-6)


def test_pleas_of_one_expert_is_that_expert(families) -> None:
    group = families(1)
    with task_vectors(group.base, group.experts) as vectors:
        found = torch.empty(vectors.layout.size)
        directions = prepare(method("pleas"), vectors, access=Toy(vectors.layout, vectors.names))
        combine_into(found, directions, {"e0": 1.0})
        wanted = torch.zeros_like(found)
        vectors.write_expert(0, wanted)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_regmean_is_lot_for_full_rank_grams(families) -> None:
    # 4 experts × 8 samples fill every layer of at most 16 inputs
    group = families(4)
    one = merged(method("regmean", {"keep": 1.0, "ridge": 1e-9}), group)
    other = merged(method("lot", {"scale": 1.0}), group)
    for key in ("layers.0.fc.weight", "layers.1.fc.weight", "attn.in_proj_weight", "row.weight"):
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-5)


def test_a_ridge_to_the_base_that_vanishes_is_lot(families) -> None:
    group = families(4)
    weak = dict.fromkeys(("attention_in", "attention_out", "mlp_in", "mlp_out", "others"), 1e-9)
    # coefficients 0: the anchor is the base
    base = {"on": "task_arithmetic", "at": ",".join(f"{name}=0" for name in group.names)}
    one, other = merged(method("anchored", {**base, **weak}), group), merged(method("lot", {"scale": 1.0}), group)
    for key in ("layers.0.fc.weight", "layers.1.fc.weight", "attn.in_proj_weight", "row.weight"):
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-5)


def test_an_anchor_that_pulls_hard_is_the_merge_and_tuning_keeps_the_best(families) -> None:
    group = families(3)
    hard = dict.fromkeys(("attention_in", "attention_out", "mlp_in", "mlp_out", "others"), 1e6)
    at = {"on": "task_arithmetic", "at": "e0=0.2,e1=0.5,e2=0.4"}
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        directions = prepare(method("anchored", {**at, **hard}), vectors, access=access)
        plain = prepare(method("task_arithmetic"), vectors)
        found, wanted = torch.empty(vectors.layout.size), torch.empty(vectors.layout.size)
        combine_into(found, directions, dict.fromkeys(vectors.names, 1.0))
        combine_into(wanted, plain, {"e0": 0.2, "e1": 0.5, "e2": 0.4})
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
        facts = prepare(method("anchored", {"tune": True, "looks": 9}), vectors, access=access).facts
        best = max(facts["tried"], key=lambda one: one["mean"])
        assert facts["pulls"] == best["pulls"] and len(facts["tried"]) == 9
        assert best["mean"] > facts["tried"][0]["mean"], "tuning gained nothing over the first pulls"


def test_regmean_with_a_strong_pull_is_the_mean(families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        for key, tensor in merged(method("regmean", {"ridge": 10.0, "keep": 0.0}), group).items():
            assert tensor.shape == vectors.shape(key)
    far = merged(method("weighted_average"), group, 1 / 3)
    near = merged(method("regmean", {"ridge": 10.0}), group)
    free = merged(method("regmean"), group)
    for key in ("layers.0.fc.weight", "layers.1.fc.weight"):
        assert (near[key] - far[key]).norm() < 0.5 * (free[key] - far[key]).norm()


@pytest.mark.parametrize("name", LEARNING)
def test_only_what_is_named_is_asked_for(name: str, families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        short = {"steps": 2} if "steps" in method(name).settings else {}
        made = method(name, short)
        prepare(made, vectors, access=access)
        assert access.asked, "it learned nothing"
        assert ("labels" in access.asked) <= ("labels" in made.needs)
        assert ("score" in access.asked) == ("validation" in made.needs)


@pytest.mark.parametrize("name", LEARNING)
def test_without_samples_it_says_what_it_needs(name: str, families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors, pytest.raises(MergingError, match="learns from samples"):
        prepare(method(name), vectors)


def test_a_recipe_carries_what_was_learned(families, tmp_path: Path) -> None:
    group, coefficients = families(2), {"e0": 0.7, "e1": 0.4}
    made = method("lot")
    with task_vectors(group.base, group.experts) as vectors:
        path = prepare(made, vectors, tmp_path / "directions", access=Toy(vectors.layout, vectors.names)).path
    assert path is not None
    recipe = new_recipe(OpenRecipe(made, group.base, group.experts, coefficients, prepared=path), tmp_path)
    assert recipe.prepared is not None and recipe.prepared.fingerprint == file_hash(path)
    again = type(recipe).from_yaml(recipe.to_yaml())
    assert again == recipe
    first = merging.merge(again, tmp_path, tmp_path / "one.safetensors")["one.safetensors"]
    assert merging.merge(again, tmp_path, tmp_path / "two.safetensors")["two.safetensors"] == first
    with pytest.raises(MergingError, match="learns from samples"):
        new_recipe(OpenRecipe(made, group.base, group.experts, coefficients), tmp_path)
    with open(path, "r+b") as file:
        file.write(b"\0\0\0\1")
    with pytest.raises(MergingError, match="changed"):
        merging.merge(again, tmp_path, tmp_path / "three.safetensors")
    path.unlink()
    with pytest.raises(MergingError, match="is not at"):
        merging.merge(again, tmp_path, tmp_path / "three.safetensors")


@pytest.mark.parametrize(
    ("name", "settings"),
    [("adamerging", {"by": "task", "steps": 0}), ("adamerging", {"steps": 0}), ("concrete", {"steps": 0})],
)
def test_without_steps_it_is_task_arithmetic(name: str, settings: dict[str, object], families) -> None:
    group = families(3)
    found, wanted = merged(method(name, settings), group), merged(method("task_arithmetic"), group, 0.3)
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-6, atol=1e-6)


def test_fisher_with_equal_weights_is_the_average(families) -> None:
    group = families(3)
    found, wanted = merged(method("fisher", {"floor": 1e6}), group), merged(method("weighted_average"), group, 1 / 3)
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-5)


def test_what_validates_best_is_kept_and_the_curve_with_it(families) -> None:
    group = families(3)
    made = method("adamerging", {"steps": 40, "rate": 0.2, "look": 5})
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        directions = prepare(made, vectors, access=access)
        curve, best = directions.facts["curve"], directions.facts["best"]
        means = {each["step"]: each["mean"] for each in curve}
        assert means[best] == max(means.values()) and len(means) > 1
        combine_into(access.weights, directions, dict.fromkeys(vectors.names, 1.0))
        again = access.score()
        wanted = next(each["validation"] for each in curve if each["step"] == best)
        assert again == pytest.approx(wanted, abs=1e-5)
        learned = directions.facts["learned"]
        assert set(learned) == set(group.names) and set(learned["e0"]) == set(vectors.layout.index)


def test_the_end_of_a_training_is_looked_at(families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        made = method("atlas", {"steps": 3, "rate": 0.1, "look": 25})
        curve = prepare(made, vectors, access=access).facts["curve"]
    assert [each["step"] for each in curve] == [0, 3]


def test_a_preference_favours_its_task(families) -> None:
    group = families(2)
    found = {}
    for wish in ("e0=1", "e1=1"):
        made = method("atlas", {"steps": 30, "rate": 0.1, "look": 0, "preference": wish})
        with task_vectors(group.base, group.experts) as vectors:
            access = Toy(vectors.layout, vectors.names)
            directions = prepare(made, vectors, access=access)
            combine_into(access.weights, directions, dict.fromkeys(vectors.names, 1.0))
            found[wish] = access.score()
    assert found["e0=1"]["e0"] > found["e1=1"]["e0"] and found["e1=1"]["e1"] > found["e0=1"]["e1"]


@pytest.mark.parametrize("wish", ["x=1", "e0=much", "e0=-1", "e0=0,e1=0"])
def test_a_wrong_preference_is_refused(wish: str, families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors, pytest.raises(MergingError, match="prefer"):
        prepare(method("atlas", {"preference": wish}), vectors, access=Toy(vectors.layout, vectors.names))


def test_the_mask_is_differentiated_right(families) -> None:
    with task_vectors(families(2).base, families(2).experts) as vectors:
        layout = vectors.layout
        dice = torch.Generator().manual_seed(3)
        values, slope = (torch.randn(layout.size, generator=dice) for _ in range(2))
        mask = Mask(layout, torch.zeros(layout.size))
        mask.set(values, 0.0)
        slope.masked_fill_(mask.scaled == 0, 0.0)  # as it comes: no weight lies between two tensors
        free = values.clone().requires_grad_(True)
        m = torch.sigmoid(free / 0.5)
        parts = [(layout.view(m, e) / layout.view(m, e).mean() * layout.view(slope, e)).sum() for e in layout.entries]
        (wanted,) = torch.autograd.grad(torch.stack(parts).sum(), free)
        torch.testing.assert_close(mask.pull(slope), wanted, rtol=1e-4, atol=1e-5)


def test_transductive_learning_asks_for_the_test_inputs() -> None:
    assert method("adamerging", {"transductive": True}).needs == ("test inputs", "validation")
    assert method("adamerging", {"look": 0}).needs == ("inputs",)


def test_react_moves_the_features_towards_the_experts_and_only_by_the_projection(golden_families) -> None:
    group = golden_families("inputs_projection")
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        directions = prepare(method("react"), vectors, access=access)
        facts = directions.facts
        assert facts["projection"] == "z.proj.weight" and facts["after"] < facts["before"]
        stiff = prepare(method("react", {"beta": 1e6}), vectors, access=access).facts
        assert facts["after"] < stiff["after"], "a rotation alone does better than the regression"
    found, wanted = merged(method("react"), group), merged(method("task_arithmetic"), group, 1 / 3)
    torch.testing.assert_close(found["layers.0.fc.weight"], wanted["layers.0.fc.weight"])


def test_react_needs_a_projection_at_the_end(golden_families) -> None:
    with pytest.raises(MergingError, match=r"'layers.2.norm.weight', which is no projection"):
        merged(method("react"), golden_families("inputs"))


def test_one_expert_corrected_to_itself_stays(golden_families) -> None:
    group = golden_families("inputs_projection")
    alone = type(group)(group.folder, group.base, group.experts[:1])
    for key, tensor in merged(method("react", {"at": "a=1"}), alone).items():
        torch.testing.assert_close(tensor, expert(alone, 0)[key], rtol=1e-5, atol=1e-5)


def test_chunks_follow_importance_and_one_each_is_expert_merging(families) -> None:
    group = families(2)
    short = {"steps": 4, "rate": 0.1, "look": 0}
    even = {"budget": 1.0, "focus": 0.0}
    one, other = (
        merged(method("expert_merging_pp", {**short, **even}), group),
        merged(method("expert_merging", short), group),
    )
    for key, tensor in other.items():
        torch.testing.assert_close(one[key], tensor, rtol=1e-5, atol=1e-6)
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        facts = prepare(
            method("expert_merging_pp", {**short, "budget": 3.0, "focus": 1.0}), vectors, access=access
        ).facts
    most = max(facts["chunks"], key=facts["chunks"].get)
    assert facts["chunks"][most] > 2 and min(facts["chunks"].values()) == 0
    assert len(facts["learned"]["e0"][most]) == facts["chunks"][most]
    untouched = next(name for name, count in facts["chunks"].items() if count == 0)
    assert facts["learned"]["e1"][untouched] == pytest.approx(0.3)
