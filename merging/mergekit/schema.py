"""mergekit's YAML as plain values, read strictly: mergekit ignores what it does not know, we name it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merging.errors import MergingError, nearest
from merging.mergekit.model import Model, known, read_model, short_names
from merging.mergekit.parameters import RULES, Scope, read_scope

MARKS = ("merge_method", "models", "slices", "modules", "base_model")
TOP = (
    *MARKS,
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer_source",
    "tokenizer",
    "chat_template",
    "name",
    "mergescape",
)
AUTO = "auto"  # the chat template that most models have
OURS = ("seed", "names", "fingerprints")
DTYPES = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Source:
    """A model in a slice: its layers [first, stop), or all of them (None), and its own parameters."""

    model: Model
    layers: tuple[int, int] | None
    parameters: Scope


@dataclass(frozen=True)
class Slice:
    """A stretch of output layers and the models it is merged from."""

    sources: tuple[Source, ...]
    base: Model | None
    parameters: Scope


@dataclass(frozen=True)
class Configuration:
    """A mergekit configuration; `parameters` are those of all slices.

    `seed`, `own_names` and `fingerprints` are ours: what random masks depend on, and what the models were.
    """

    method: str
    slices: tuple[Slice, ...]
    base: Model | None
    parameters: Scope
    dtype: str | None = None
    out_dtype: str | None = None
    tokenizer: str | None = None
    template: str | None = None
    seed: int = 0
    own_names: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model, once, the base first."""
        found = [self.base] if self.base else []
        for each in self.slices:
            found += [each.base] if each.base else []
            found += [source.model for source in each.sources]
        return tuple(dict.fromkeys(found))

    @property
    def names(self) -> dict[Model, str]:
        """A short name of every model: the given one, or its file or folder; the second of a name gets -2."""
        wanted = [self.own_names.get(str(model), str(model)) for model in self.models]
        return dict(zip(self.models, short_names(wanted), strict=True))

    @property
    def whole(self) -> bool:
        """Whether whole models are merged (`models`), not slices of them."""
        return all(source.layers is None for source in self.slices[0].sources)

    def base_of(self, part: Slice) -> Model | None:
        """Return the base of a slice, or None where the method treats it as one more model."""
        return None if RULES[self.method].base == "ignored" else part.base or self.base


def is_mergekit(data: Mapping[str, Any]) -> bool:
    """Tell mergekit's YAML from a recipe by its keys."""
    return any(mark in data for mark in MARKS) and "experts" not in data


def read_configuration(data: Mapping[str, Any]) -> Configuration:
    """Read mergekit's YAML (all of mergekit 0.1.5's schema).

    Beyond it, a block `mergescape: {seed, fingerprints}` is understood; mergekit itself ignores that. `name`, by which
    mergekit-multi knows a document, changes nothing.

    Raises:
        MergingError: an unknown key (with the nearest right one), a wrong value, or something that we refuse:
            several modules, building another vocabulary, models from the Hub.
    """
    known(data, TOP, "A mergekit configuration")
    method = _method(data.get("merge_method"))
    base = None if data.get("base_model") is None else read_model(data["base_model"], "base_model")
    top, inner = _module(data, method)
    shared = read_scope(data.get("parameters"), method, "parameters", of_model=False)
    ours = data.get("mergescape") or {}
    known(ours, OURS, "mergescape")
    found = Configuration(
        method=method,
        slices=_slices(top, method, base),
        base=base,
        parameters={**shared, **{name: (*cases, *shared.get(name, ())) for name, cases in inner.items()}},
        dtype=_dtype(data.get("dtype"), "dtype"),
        out_dtype=_dtype(data.get("out_dtype"), "out_dtype"),
        tokenizer=_tokenizer(data),
        template=_template(data.get("chat_template")),
        seed=_seed(ours.get("seed", 0)),
        own_names=_texts(ours.get("names") or {}, "names"),
        fingerprints=_texts(ours.get("fingerprints") or {}, "fingerprints"),
    )
    for number, each in enumerate(found.slices):
        _check_inputs(found, each, f"slices[{number}]" if "slices" in top else "models")
    return found


def _method(value: object) -> str:
    if value not in RULES:
        cure = nearest(str(value), RULES) if value else f"Add `merge_method`: {', '.join(RULES)}."
        raise MergingError(f"mergekit has no merge_method '{value}'." if value else "There is no merge_method.", cure)
    return str(value)


def _module(data: Mapping[str, Any], method: str) -> tuple[Mapping[str, Any], Scope]:
    """Return the mapping that holds `models` or `slices`, and the parameters of a module around it."""
    given = [key for key in ("models", "slices", "modules") if data.get(key)]
    if len(given) != 1:
        raise MergingError(
            f"mergekit needs exactly one of models, slices and modules; given: {', '.join(given) or 'none'}.",
            "Keep one of them.",
        )
    if given != ["modules"]:
        return data, {}
    modules = known(data["modules"], data["modules"] if isinstance(data["modules"], dict) else (), "modules")
    if len(modules) != 1:
        raise MergingError(
            f"mergekit: {len(modules)} modules ({', '.join(map(str, modules))}) cannot be merged at once here.",
            "Use `models`, which merges every tower alike, or filters for their parameters.",
        )
    name, module = next(iter(modules.items()))
    known(module, ("slices", "models", "parameters"), f"modules.{name}")
    if bool(module.get("slices")) == bool(module.get("models")):
        raise MergingError(f"mergekit: modules.{name} needs either models or slices.", "Keep one of them.")
    return module, read_scope(module.get("parameters"), method, f"modules.{name}.parameters", of_model=False)


def _slices(data: Mapping[str, Any], method: str, base: Model | None) -> tuple[Slice, ...]:
    if data.get("models"):
        sources = [_source(row, method, f"models[{n}]", None) for n, row in enumerate(_rows(data["models"], "models"))]
        if base is not None and all(source.model != base for source in sources):
            sources.append(Source(base, None, {}))  # as mergekit does
        return (Slice(tuple(sources), None, {}),)
    return tuple(_slice(row, method, f"slices[{n}]") for n, row in enumerate(_rows(data["slices"], "slices")))


def _slice(row: Any, method: str, where: str) -> Slice:
    known(row, ("sources", "base_model", "parameters", "residual_weight"), where)
    if row.get("residual_weight") is not None:
        raise MergingError(f"mergekit: residual_weight in {where} does nothing there.", "Remove it.")
    sources = tuple(
        _source(each, method, f"{where}.sources[{number}]", _layers(each, f"{where}.sources[{number}]"))
        for number, each in enumerate(_rows(row.get("sources"), f"{where}.sources"))
    )
    lengths = {stop - first for first, stop in (each.layers for each in sources if each.layers)}
    if len(lengths) != 1:
        raise MergingError(f"mergekit: the sources of {where} have different numbers of layers.", "Make them equal.")
    base = None if row.get("base_model") is None else read_model(row["base_model"], f"{where}.base_model")
    return Slice(sources, base, read_scope(row.get("parameters"), method, f"{where}.parameters", of_model=False))


def _source(row: Any, method: str, where: str, layers: tuple[int, int] | None) -> Source:
    known(row, ("model", "parameters") if layers is None else ("model", "layer_range", "parameters"), where)
    model = read_model(row.get("model"), f"{where}.model")
    return Source(model, layers, read_scope(row.get("parameters"), method, f"{where}.parameters", of_model=True))


def _layers(row: Any, where: str) -> tuple[int, int]:
    known(row, ("model", "layer_range", "parameters"), where)
    value = row.get("layer_range")
    if (
        not isinstance(value, list)
        or len(value) != 2
        or any(isinstance(each, bool) or not isinstance(each, int) for each in value)
        or not 0 <= value[0] < value[1]
    ):
        raise MergingError(f"mergekit: layer_range of {where} is {value!r}.", "It must be [first, stop], first < stop.")
    return value[0], value[1]


def _rows(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise MergingError(f"mergekit: {where} is {value!r}.", "It must be a list.")
    return value


def _dtype(value: object, where: str) -> str | None:
    value = value.removeprefix("torch.") if isinstance(value, str) else value
    if value is not None and value not in DTYPES:
        raise MergingError(f"mergekit: {where} is {value!r}.", f"Allowed: {', '.join(DTYPES)}.")
    return None if value is None else str(value)


def _tokenizer(data: Mapping[str, Any]) -> str | None:
    """Return the tokenizer's source. Rules for single tokens need another vocabulary and are refused."""
    source, block = data.get("tokenizer_source"), data.get("tokenizer")
    if source is not None and block is not None:
        raise MergingError("mergekit: both tokenizer_source and tokenizer are given.", "Keep one of them.")
    if block is not None:
        known(block, ("source", "tokens", "pad_to_multiple_of"), "tokenizer")
        for key in ("tokens", "pad_to_multiple_of"):
            if block.get(key) is not None:
                raise MergingError(
                    f"mergekit: tokenizer.{key} would change the vocabulary, which is not done here.",
                    "Give the models one vocabulary first (mergekit-tokensurgeon does that).",
                )
        source = block.get("source", "union")
    return None if source is None else str(read_model(source, "tokenizer source"))


def _template(value: object) -> str | None:
    if value is None:
        return None
    if value != AUTO and (not isinstance(value, str) or "{" not in value):
        raise MergingError(
            f"mergekit: chat_template {value!r} stands for a text that is not here.",
            "Give the Jinja text itself or 'auto', or leave it out to keep the base's.",
        )
    return str(value)


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MergingError(f"mergescape.seed is {value!r}.", "It must be a whole number, 0 or more.")
    return value


def _texts(value: object, what: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise MergingError(f"mergescape.{what} is {value!r}.", f"It maps models to {what}.")
    return dict(value)


def _check_inputs(configuration: Configuration, part: Slice, where: str) -> None:
    """Check base and number of models against the method. Raises MergingError."""
    method = configuration.method
    rule = RULES[method]
    models = [source.model for source in part.sources]
    for model in models:
        if models.count(model) > 1:
            raise MergingError(f"mergekit: '{model}' stands twice in {where}.", "Join them, or copy the model.")
    base = configuration.base_of(part)
    if rule.base == "required" and base is None:
        raise MergingError(f"mergekit's '{method}' needs a base_model.", "Add `base_model: PATH`.")
    if base is not None and base not in models:
        raise MergingError(f"mergekit: the base_model '{base}' is not among the sources of {where}.", "Add it there.")
    others = len(models) - (base is not None)
    counted = (
        ("models, the base counted", len(models), rule.models),
        ("models besides the base", others, rule.others),
    )
    for what, count, (low, high) in counted:
        if count < low or (high is not None and count > high):
            allowed = f"exactly {low}" if low == high else f"at most {high}" if count > low else f"at least {low}"
            raise MergingError(f"mergekit's '{method}' takes {allowed} {what}; {where} has {count}.")
