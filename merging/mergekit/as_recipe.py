"""A mergekit configuration as a recipe, where a recipe can say the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from merging.combining.stream import DType
from merging.errors import MergingError
from merging.mergekit.model import Model
from merging.mergekit.parameters import RULES, Value, resolve
from merging.mergekit.schema import Configuration, Source, read_configuration
from merging.recipe import Part, Recipe

CARRY = "`python -m merging CONFIG OUT` carries it out as it is; a recipe, which a study needs, cannot say it."
FEWEST = 1e-8
Settings = dict[str, float | int | str | bool]


@dataclass(frozen=True)
class Given:
    """The parameters of a configuration that has one value of each for all tensors."""

    method: str
    shared: Mapping[str, Value]
    own: tuple[Mapping[str, Value], ...]
    based: bool
    seed: int

    def number(self, name: str) -> float:
        """Return a shared number."""
        return float(self.shared[name] or 0.0)

    def alike(self, name: str) -> float:
        """Return a number that all models have in common. Raises MergingError when they differ."""
        found = {float(each[name] or 0.0) for each in self.own}
        if len(found) > 1:
            raise MergingError(f"mergekit: the models have different values of '{name}'.", CARRY)
        return found.pop()

    @property
    def weights(self) -> list[float]:
        """The models' weights."""
        return [float(each["weight"] or 0.0) for each in self.own]


@dataclass(frozen=True)
class Said:
    """A merge in our words."""

    method: str
    weights: list[float]
    settings: Settings
    exact: bool = False


def from_mergekit(data: Mapping[str, Any]) -> Recipe:
    """Turn a mergekit configuration into a recipe: whole models, and one value per parameter and model.

    Sums are float32 whatever its `dtype`; the result is stored as `out_dtype` (or `dtype`). Methods whose rule
    differs from the paper's take their `variant: mergekit`.

    Raises:
        MergingError: a wrong configuration, or one that a recipe cannot say.
    """
    configuration = read_configuration(data)
    base, experts = _roles(configuration)
    _one_value_each(configuration)
    names = [configuration.names[source.model] for source in experts]
    said = _SAYINGS[configuration.method](_given(configuration, experts))
    dtype = configuration.out_dtype or configuration.dtype or "as base"
    if dtype not in get_args(DType):
        raise MergingError(f"mergekit: a recipe cannot store {dtype}.", CARRY)
    recipe = Recipe.from_mapping(
        {
            "base": _part(configuration, base, configuration.own_names.get(str(base), "base")),
            "experts": [_part(configuration, source.model, configuration.names[source.model]) for source in experts],
            "method": said.method,
            "settings": said.settings,
            "coefficients": dict(zip(names, said.weights, strict=True)),
            "exact": said.exact,
            "dtype": dtype,
        }
    )
    recipe.made()  # settings out of our range are told now
    return recipe


def _part(configuration: Configuration, model: Model, name: str) -> Part:
    return Part(name=name, path=model.path, fingerprint=configuration.fingerprints.get(str(model)))


def _roles(configuration: Configuration) -> tuple[Model, tuple[Source, ...]]:
    """Tell the base from the experts; without a base the first model is what the others are told against."""
    if not configuration.whole:
        raise MergingError("mergekit: slices of layers are not a merge of experts on a base.", CARRY)
    if configuration.tokenizer is not None or configuration.template is not None:
        what = "tokenizer_source" if configuration.tokenizer is not None else "chat_template"
        raise MergingError(f"mergekit: '{what}' cannot be chosen in a recipe.", CARRY)
    sources = configuration.slices[0].sources
    for source in sources:
        if source.model.lora is not None:
            raise MergingError(f"mergekit: '{source.model}' is an adapter on a model.", CARRY)
    mixes_base = RULES[configuration.method].base == "ignored" or configuration.method == "slerp"
    experts = tuple(source for source in sources if mixes_base or source.model != configuration.base)
    if not experts:
        raise MergingError("The mergekit configuration has no model besides its base.", "Add one.")
    if configuration.method == "slerp":  # from the base to the other, whatever their order
        experts = tuple(sorted(experts, key=lambda source: source.model != configuration.base))
    return configuration.base or experts[0].model, experts


def _one_value_each(configuration: Configuration) -> None:
    for scope in (configuration.parameters, *(source.parameters for source in configuration.slices[0].sources)):
        for name, setting in scope.items():
            if len(setting) != 1 or setting[0].filter is not None or len(setting[0].values) != 1:
                raise MergingError(f"mergekit: '{name}' differs between layers or tensors (lists, filters).", CARRY)


def _given(configuration: Configuration, experts: Sequence[Source]) -> Given:
    method, above = configuration.method, configuration.parameters
    parameters = RULES[method].parameters
    each = [name for name, parameter in parameters.items() if parameter.each]
    shared = [name for name, parameter in parameters.items() if not parameter.each]

    def own(source: Source) -> dict[str, Value]:
        scopes, whose = (source.parameters, above), f" of '{source.model}'"
        return {name: resolve(method, name, scopes, "every tensor", 0.0, whose) for name in each}

    return Given(
        method,
        {name: resolve(method, name, (above,), "every tensor", 0.0, "") for name in shared},
        tuple(own(source) for source in experts),
        configuration.base is not None,
        configuration.seed,
    )


def _must(sayable: object, what: str) -> None:
    if not sayable:
        raise MergingError(f"mergekit: {what} has no counterpart in a recipe.", CARRY)


def _linear(given: Given) -> Said:
    _must(given.shared["normalize"], "'linear' with normalize: false (no merge on a base)")
    return Said("weighted_average", given.weights, {})


def _summed(given: Given) -> list[float]:
    """Fold lambda and the normalisation into the weights, where the rule is linear in them."""
    total = sum(given.weights) if given.shared["normalize"] else 1.0
    scale = given.number("lambda") / (total if abs(total) >= FEWEST else 1.0)
    return [scale * weight for weight in given.weights]


def _pruned(given: Given) -> Settings:
    """Return the settings of how changes are left out; mergekit's own choice of rescaling only."""
    if given.method == "task_arithmetic":
        return {}
    density = given.alike("density")
    rescales = given.method.startswith(("dare", "della"))
    _must(density >= 1.0 or bool(given.shared["rescale"]) == rescales, f"rescale: {str(not rescales).lower()}")
    settings: Settings = {"variant": "mergekit"}
    if given.method.startswith("dare"):
        return settings | {"drop": round(1.0 - density, 12), "seed": given.seed}
    settings["density"] = density
    if given.method.startswith("breadcrumbs"):
        settings["top"] = given.alike("gamma")
    if given.method.startswith("della"):
        settings |= {"epsilon": given.alike("epsilon"), "seed": given.seed}
    return settings


def _adding(given: Given) -> Said:
    return Said(given.method, _summed(given), _pruned(given))


def _electing(given: Given) -> Said:
    settings = _pruned(given) | {"merge": "weighted" if given.shared["normalize"] else "sum"}
    scale, weights = given.number("lambda"), given.weights
    if given.method == "ties":
        settings["scale"] = scale
    elif not given.shared["normalize"] and scale > 0:
        weights = [scale * weight for weight in weights]
    else:
        _must(scale == 1.0, f"'{given.method}' with lambda {scale:g}")
    return Said(given.method, weights, settings, exact=True)


def _slerp(given: Given) -> Said:
    return Said("slerp", [1.0 - given.number("t"), given.number("t")], {})


def _turning(given: Given) -> Said:
    _must(given.based, f"'{given.method}' without a base_model")
    if given.method == "nuslerp":
        _must(given.shared["nuslerp_flatten"], "nuslerp_flatten: false")
    else:
        _must(given.shared["normalize_weights"], "normalize_weights: false")
        _must(len(given.own) > 1, "'multislerp' of one model")
    return Said(given.method, given.weights, {})


def _karcher(given: Given) -> Said:
    _must(given.shared["tol"] == RULES["karcher"].parameters["tol"].default, "another tol")
    settings: Settings = {"of": "weights", "steps": int(given.number("max_iter"))}
    return Said("karcher", [1.0 / len(given.own)] * len(given.own), settings)


def _stock(given: Given) -> Said:
    settings: Settings = {"variant": "mergekit", "by_filter": bool(given.shared["filter_wise"])}
    return Said("model_stock", [1.0 / len(given.own)] * len(given.own), settings)


def _sce(given: Given) -> Said:
    return Said("sce", [1.0] * len(given.own), {"variant": "mergekit", "select": given.number("select_topk")})


def _ram(given: Given) -> Said:
    settings: Settings = {"variant": "mergekit", "epsilon": given.number("epsilon")}
    if given.method == "ramplus_tl":
        settings |= {"reward": 1.0 + given.number("r"), "cap": given.number("alpha")}
    return Said("ram", [1.0] * len(given.own), settings)


def _refused(given: Given) -> Said:
    raise MergingError(f"mergekit's '{given.method}' is not a merge of experts on a base.", CARRY)


_SAYINGS: Mapping[str, Callable[[Given], Said]] = {
    "linear": _linear,
    **{name: _adding for name in ("task_arithmetic", "dare_linear", "breadcrumbs", "della_linear")},
    **{name: _electing for name in ("ties", "dare_ties", "breadcrumbs_ties", "della")},
    "slerp": _slerp,
    "nuslerp": _turning,
    "multislerp": _turning,
    "karcher": _karcher,
    "model_stock": _stock,
    "sce": _sce,
    "ram": _ram,
    "ramplus_tl": _ram,
    "nearswap": lambda given: Said("nearswap", [1.0], {"limit": given.number("t")}),
    "arcee_fusion": lambda given: Said("arcee_fusion", [1.0], {}),
    "passthrough": _refused,
}
