"""A recipe as mergekit's YAML, where mergekit can say the same."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from merging.architecture.names import block_of
from merging.errors import MergingError
from merging.groups import per_tensor
from merging.mergekit.model import Model
from merging.mergekit.parameters import RULES, Case, Scope, Setting, at
from merging.mergekit.schema import Configuration, Slice, Source, read_configuration
from merging.mergekit.writing import to_yaml
from merging.method import methods
from merging.recipe import Recipe


@dataclass(frozen=True)
class Order:
    """A recipe that is to be said: its method's settings, and the coefficients in the experts' order."""

    recipe: Recipe
    settings: Mapping[str, Any]
    weights: tuple[float, ...]

    def must(self, sayable: bool, what: str) -> None:
        """Raise MergingError unless mergekit computes the same."""
        if not sayable:
            raise MergingError(
                f"mergekit cannot say this merge by '{self.recipe.method}'.", f"It can say one with {what}."
            )


@dataclass(frozen=True)
class Said:
    """A merge in mergekit's words: shared parameters, and one mapping of parameters per expert.

    `base` is what stands as base_model: the recipe's base, the first expert, or none.
    """

    method: str
    shared: Mapping[str, float | bool]
    own: tuple[Mapping[str, float], ...]
    base: str = "base"


def to_mergekit(recipe: Recipe, tensors: Sequence[str] = ()) -> str:
    """Write a recipe as mergekit's YAML; paths are those of the recipe.

    Random masks are mergekit's own when mergekit reads it: the same method, other draws. "as base" leaves the
    dtype out, and mergekit then computes in the dtype of the weights; any other is computed in float32. Layer groups
    become filters, which need the names of the base's `tensors`.

    Raises:
        MergingError: mergekit cannot say it, or would compute something else.
    """
    if recipe.method not in _SAYINGS:
        made = recipe.method if recipe.method in methods() else f"{recipe.method} (unknown)"
        raise MergingError(f"mergekit cannot say '{made}'.", f"It can say {', '.join(sorted(_SAYINGS))}.")
    if recipe.groups is not None and not tensors:
        raise MergingError("mergekit's YAML says layer groups by the names of tensors.", "Give those of the base.")
    method, names = recipe.made(), list(tensors) or [""]
    values = per_tensor(method, [part.name for part in recipe.experts], recipe.coefficients, recipe.groups, names)
    settings = method.settings
    sayings = {
        name: _SAYINGS[recipe.method](Order(recipe, settings, tuple(values.at(name).tolist()))) for name in names
    }
    said = sayings[names[0]]
    experts = [
        Source(Model(part.path), None, _scope(said.method, {name: each.own[number] for name, each in sayings.items()}))
        for number, part in enumerate(recipe.experts)
    ]
    base = {"base": Model(recipe.base.path), "first": experts[0].model, "none": None}[said.base]
    sources = [*experts, Source(Model(recipe.base.path), None, {})] if said.base == "base" else experts
    parts = (*recipe.experts, recipe.base) if said.base == "base" else recipe.experts
    seed = settings.get("seed", 0)
    configuration = Configuration(
        method=said.method,
        slices=(Slice(tuple(sources), None, {}),),
        base=base,
        parameters=_scope(said.method, {name: each.shared for name, each in sayings.items()}),
        dtype=None if recipe.dtype == "as base" else "float32",
        out_dtype=None if recipe.dtype == "as base" else recipe.dtype,
        seed=int(seed),
        own_names={part.path: part.name for part in parts},
        fingerprints={part.path: part.fingerprint for part in parts if part.fingerprint is not None},
    )
    text = to_yaml(configuration)
    if read_configuration(yaml.safe_load(text)) != configuration:
        raise MergingError("mergekit would read a path of this recipe otherwise.", "Rename files with a '+' in them.")
    return text


def _scope(method: str, values: Mapping[str, Mapping[str, float | bool]]) -> Scope:
    """Write the parameters of every tensor that differ from mergekit's defaults, and those without a default."""
    known, found = RULES[method].parameters, dict[str, Setting]()
    for name in next(iter(values.values())):
        setting = filtered({tensor: given[name] for tensor, given in values.items()})
        if [case.values for case in setting] != [(known[name].default,)]:
            found[name] = setting
    return found


def filtered(values: Mapping[str, float | bool]) -> Setting:
    """Say a value of every tensor: by its block, or by its name outside the blocks; the most frequent one without.

    >>> filtered({"layers.0.a": 0.5, "layers.0.b": 0.5, "layers.1.a": 0.7, "norm": 0.5})
    (Case(filter='layers.1.', values=(0.7,)), Case(filter=None, values=(0.5,)))

    Raises:
        MergingError: tensors of one block have different values.
    """
    usual = Counter(values.values()).most_common(1)[0][0]
    parts = {f"{block}." if (block := block_of(name)) else name: value for name, value in values.items()}
    last = Case(None, (usual,))
    # longer ones first: mergekit takes the first that stands anywhere in a tensor's name
    every = tuple(Case(part, (parts[part],)) for part in sorted(parts, key=lambda part: (-len(part), part)))
    for cases in (tuple(case for case in every if case.values != last.values), every):
        setting = (*cases, last)
        if all(at(setting, name, 0.0) == value for name, value in values.items()):
            return setting
    raise MergingError("mergekit cannot tell the layer groups of this model apart by the names of its tensors.")


def _weighted(weights: Sequence[float], **more: float) -> tuple[Mapping[str, float], ...]:
    return tuple({"weight": weight, **more} for weight in weights)


def _alone(order: Order) -> tuple[Mapping[str, float], ...]:
    """Return no parameters for experts that mergekit cannot weigh; raise unless all coefficients are 1."""
    order.must(set(order.weights) == {1.0}, "all coefficients 1")
    return ({},) * len(order.weights)


def _share(order: Order) -> tuple[Mapping[str, float], ...]:
    even = 1.0 / len(order.weights)
    order.must(all(abs(weight - even) < 1e-9 for weight in order.weights), "all coefficients 1 / number of experts")
    return ({},) * len(order.weights)


def _mergekits(order: Order) -> None:
    order.must(order.settings["variant"] == "mergekit", "variant: mergekit")


def _pruned(order: Order) -> tuple[Mapping[str, float], ...]:
    """Say how changes are left out, in every expert alike."""
    method, settings = order.recipe.method, order.settings
    if method == "task_arithmetic":
        return _weighted(order.weights)
    _mergekits(order)
    if method.startswith("dare"):
        return _weighted(order.weights, density=round(1.0 - settings["drop"], 12))
    density = float(settings["density"])
    if method.startswith("breadcrumbs"):
        return _weighted(order.weights, density=density, gamma=settings["top"])
    if method.startswith("della"):
        epsilon = float(settings["epsilon"])
        fits = density >= 1.0 or 0.0 < density - epsilon <= density + epsilon < 1.0
        order.must(fits, "density − epsilon and density + epsilon between 0 and 1")
        return _weighted(order.weights, density=density, epsilon=epsilon)
    return _weighted(order.weights, density=density)


def _adding(order: Order) -> Said:
    if order.recipe.method == "breadcrumbs":
        order.must(order.settings["scope"] == "tensor", "scope: tensor")
    return Said(order.recipe.method, {}, _pruned(order))


def _electing(order: Order) -> Said:
    order.must(order.settings["merge"] != "mean", "merge: weighted or sum")
    order.must(order.recipe.exact, "exact: true")
    shared: dict[str, float | bool] = {"normalize": order.settings["merge"] == "weighted"}
    if "scale" in order.settings:
        shared["lambda"] = float(order.settings["scale"])
    return Said(order.recipe.method, shared, _pruned(order))


def _slerp(order: Order) -> Said:
    return Said("slerp", {"t": order.weights[1] / sum(order.weights)}, ({}, {}), base="first")


def _turning(order: Order) -> Said:
    order.must(order.settings["scale"] == 1.0, "scale: 1")
    order.must(len(order.weights) > 1, "two experts or more")
    return Said(order.recipe.method, {}, _weighted(order.weights))


def _karcher(order: Order) -> Said:
    order.must(order.settings["of"] == "weights", "of: weights")
    order.must(len(set(order.weights)) == 1, "equal coefficients")
    return Said("karcher", {"max_iter": order.settings["steps"]}, ({},) * len(order.weights), base="none")


def _stock(order: Order) -> Said:
    _mergekits(order)
    order.must(len(order.weights) > 1, "two experts or more")
    return Said("model_stock", {"filter_wise": order.settings["by_filter"]}, _share(order))


def _sce(order: Order) -> Said:
    _mergekits(order)
    return Said("sce", {"select_topk": order.settings["select"]}, _alone(order))


def _ram(order: Order) -> Said:
    settings = order.settings
    shared = {"epsilon": settings["epsilon"]}
    if settings["reward"] == 1.0:  # counts do not matter then
        return Said("ram", shared, _alone(order))
    _mergekits(order)
    shared |= {"r": round(settings["reward"] - 1.0, 12), "alpha": settings["cap"]}
    return Said("ramplus_tl", shared, _alone(order))


def _of_one(order: Order) -> Said:
    order.must(len(order.weights) == 1, "one expert")
    shared = {"t": order.settings["limit"]} if order.recipe.method == "nearswap" else {}
    return Said(order.recipe.method, shared, _alone(order))


_SAYINGS: Mapping[str, Callable[[Order], Said]] = {
    "weighted_average": lambda order: Said("linear", {}, _weighted(order.weights), base="none"),
    **{name: _adding for name in ("task_arithmetic", "dare_linear", "breadcrumbs", "della_linear")},
    **{name: _electing for name in ("ties", "dare_ties", "breadcrumbs_ties", "della")},
    "slerp": _slerp,
    "nuslerp": _turning,
    "multislerp": _turning,
    "karcher": _karcher,
    "model_stock": _stock,
    "sce": _sce,
    "ram": _ram,
    "nearswap": _of_one,
    "arcee_fusion": _of_one,
}
