"""What each of mergekit's methods takes, and what a parameter is for one tensor of one model.

Names, defaults and precedence are those of mergekit 0.1.5.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from merging.errors import MergingError, nearest

Value = float | bool | None
Kind = Literal["number", "whole", "switch"]
MISSING = "missing"


@dataclass(frozen=True)
class Parameter:
    """One parameter: `each` says that every model has its own, and a shared value is the default of all."""

    kind: Kind
    default: Value | str = MISSING
    each: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Rule:
    """What a method asks of its models: a base or none, how many, and which parameters.

    `on_base` says that a base is one more model to merge, with parameters of its own.
    """

    parameters: Mapping[str, Parameter]
    base: Literal["required", "optional", "ignored"] = "required"
    models: tuple[int, int | None] = (1, None)
    others: tuple[int, int | None] = (0, None)
    on_base: bool = False


@dataclass(frozen=True)
class Case:
    """A value, or values over the layers, for tensors whose name contains `filter` (None: every tensor)."""

    filter: str | None
    values: tuple[float | bool, ...]


Setting = tuple[Case, ...]  # the first case whose filter matches decides
Scope = Mapping[str, Setting]

_WEIGHT = Parameter("number", each=True)
_DENSITY = Parameter("number", 1.0, each=True, low=0.0, high=1.0)
_INT8 = Parameter("switch", False)  # how mergekit stores a mask; changes no number
_EPSILON = Parameter("number", 1e-5, low=0.0)


def _arithmetic(normalize: bool, rescale: bool, extra: Mapping[str, Parameter] | None = None) -> Rule:
    shared = {
        "weight": _WEIGHT,
        "density": _DENSITY,
        "normalize": Parameter("switch", normalize),
        "rescale": Parameter("switch", rescale),
        "lambda": Parameter("number", 1.0),
        "int8_mask": _INT8,
    }
    return Rule({**shared, **(extra or {})})


_GAMMA = {"gamma": Parameter("number", 0.01, each=True, low=0.0, high=1.0)}
_DELLA = {"epsilon": Parameter("number", 0.15, each=True, low=0.0, high=1.0)}

RULES: Mapping[str, Rule] = {
    "linear": Rule({"weight": _WEIGHT, "normalize": Parameter("switch", True)}, base="ignored", on_base=True),
    "slerp": Rule({"t": Parameter("number")}, models=(2, 2)),
    "nuslerp": Rule(
        {
            "weight": _WEIGHT,
            "nuslerp_flatten": Parameter("switch", True),
            "nuslerp_row_wise": Parameter("switch", False),
        },
        base="optional",
        others=(2, 2),
    ),
    "multislerp": Rule(
        {
            "weight": _WEIGHT,
            "normalize_weights": Parameter("switch", True),
            "eps": Parameter("number", 1e-8, low=0.0),
        },
        base="optional",
        others=(1, None),
    ),
    "karcher": Rule(
        {"max_iter": Parameter("whole", 10, low=1), "tol": Parameter("number", 1e-5, low=0.0)},
        base="ignored",
        on_base=True,
    ),
    "task_arithmetic": _arithmetic(normalize=False, rescale=False),
    "ties": _arithmetic(normalize=True, rescale=False),
    "dare_ties": _arithmetic(normalize=False, rescale=True),
    "dare_linear": _arithmetic(normalize=False, rescale=True),
    "breadcrumbs": _arithmetic(normalize=False, rescale=False, extra=_GAMMA),
    "breadcrumbs_ties": _arithmetic(normalize=False, rescale=False, extra=_GAMMA),
    "della": _arithmetic(normalize=True, rescale=True, extra=_DELLA),
    "della_linear": _arithmetic(normalize=False, rescale=True, extra=_DELLA),
    "sce": Rule({"int8_mask": _INT8, "select_topk": Parameter("number", 1.0, low=0.0, high=1.0)}),
    "ram": Rule({"epsilon": _EPSILON}),
    "ramplus_tl": Rule({"epsilon": _EPSILON, "r": Parameter("number", 0.1), "alpha": Parameter("number", 0.2)}),
    "model_stock": Rule({"filter_wise": Parameter("switch", False)}, models=(3, None)),
    "nearswap": Rule({"t": Parameter("number")}, models=(2, 2)),
    "arcee_fusion": Rule({}, models=(2, 2)),
    "passthrough": Rule({"scale": Parameter("number", None, each=True)}, base="ignored", models=(1, 1), on_base=True),
}


def read_scope(data: object, method: str, where: str, of_model: bool) -> Scope:
    """Read a `parameters` mapping.

    Raises:
        MergingError: a name that the method does not take (mergekit would ignore it), a wrong value, or a
            parameter of all models given to one of them (mergekit would ignore that too).
    """
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise MergingError(f"mergekit: {where} is {data!r}.", "It must be a mapping of parameters.")
    known = RULES[method].parameters
    found: dict[str, Setting] = {}
    for name, value in data.items():
        if name not in known:
            raise MergingError(
                f"mergekit's '{method}' has no parameter '{name}' ({where}); mergekit would ignore it in silence.",
                nearest(str(name), known) if known else "Remove it: the method takes none.",
            )
        if of_model and not known[name].each:
            raise MergingError(
                f"mergekit: '{name}' in {where} is one value for all models, not of one model.",
                "Move it up into `parameters`; here mergekit would ignore it.",
            )
        found[name] = read_setting(value, known[name], f"'{name}' in {where}")
    return found


def read_setting(value: object, parameter: Parameter, what: str) -> Setting:
    """Read a number, a list over the layers, a {value, filter} or a list of those. Raises MergingError."""
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        return tuple(_case(row, parameter, what) for row in value)
    return (Case(None, _values(value, parameter, what)),)


def _case(row: Any, parameter: Parameter, what: str) -> Case:
    if not isinstance(row, dict):
        raise MergingError(f"mergekit: {what} mixes {row!r} with filters.", "Write each as {value: …, filter: …}.")
    for key in row:
        if key not in ("value", "filter"):
            raise MergingError(f"mergekit: {what} has a key '{key}'.", nearest(str(key), ("value", "filter")))
    wanted = row.get("filter")
    if wanted is not None and not isinstance(wanted, str):
        raise MergingError(f"mergekit: the filter of {what} is {wanted!r}.", "It must be a part of tensor names.")
    if "value" not in row:
        raise MergingError(f"mergekit: {what} has a filter without a value.", "Write {value: …, filter: …}.")
    return Case(None if wanted == "*" else wanted, _values(row["value"], parameter, what))


def _values(value: object, parameter: Parameter, what: str) -> tuple[float | bool, ...]:
    given = value if isinstance(value, list) else [value]
    if not given:
        raise MergingError(f"mergekit: {what} is an empty list.", "Give one number, or one per step over the layers.")
    return tuple(_scalar(each, parameter, what) for each in given)


def _scalar(value: object, parameter: Parameter, what: str) -> float | bool:
    if isinstance(value, str):  # "0.5" in quotes is 0.5 to mergekit
        with suppress(ValueError):
            value = float(value)
    if parameter.kind == "switch":
        if isinstance(value, int | float) and value in (0, 1):  # mergekit asks whether they are zero
            value = bool(value)
        if not isinstance(value, bool):
            raise MergingError(f"mergekit: {what} is {value!r}.", "It must be true or false.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise MergingError(f"mergekit: {what} is {value!r}.", "It must be a number, a list over layers or filters.")
    low, high = parameter.low, parameter.high
    if (low is not None and value < low) or (high is not None and value > high):
        allowed = f"{low:g} or more" if high is None else f"from {low:g} to {high:g}"
        raise MergingError(f"mergekit: {what} is {value}.", f"Allowed: {allowed}.")
    if parameter.kind == "whole" and value != int(value):
        raise MergingError(f"mergekit: {what} is {value}.", "It must be a whole number.")
    return value if parameter.kind == "whole" else float(value)


def at(setting: Setting, tensor: str, t: float) -> Value:
    """Return the value for one tensor at depth t in [0, 1], or None where no filter matches.

    Numbers of a list are interpolated. So are switches, as 0 and 1, and they are on where the result is not 0: mergekit
    reads both as numbers.
    """
    for case in setting:
        if case.filter is None or case.filter in tensor:
            place = t * (len(case.values) - 1)
            left = int(place)
            right = min(left + 1, len(case.values) - 1)
            share = place - left
            found = (1.0 - share) * case.values[left] + share * case.values[right]
            return found != 0.0 if isinstance(case.values[left], bool) else found
    return None


def resolve(method: str, name: str, scopes: Sequence[Scope], tensor: str, t: float, whose: str) -> Value:
    """Return a parameter from the first scope that has a value for this tensor, else its default.

    Raises:
        MergingError: no scope has one and there is no default.
    """
    parameter = RULES[method].parameters[name]
    for scope in scopes:
        found = at(scope[name], tensor, t) if name in scope else None
        if found is not None:
            return found
    if isinstance(parameter.default, str):
        raise MergingError(
            f"mergekit's '{method}' needs '{name}' for '{tensor}'{whose}, and none is given.",
            f"Add `{name}` to the parameters, or a last {{value: …}} without a filter.",
        )
    return parameter.default
