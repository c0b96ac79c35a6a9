"""What stands beside the weights: config.json with the right depth and dtype, one tokenizer, templates."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merging.errors import MergingError

CONFIG = "config.json"
DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
PER_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers", "attention_layers", "layers_block_type")
VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model", "vocab.txt")
TEMPLATE = "chat_template.jinja"
TOKENIZER = (
    *VOCABULARIES,
    TEMPLATE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def layer_count(model: Path) -> int | None:
    """Return the number of layers that config.json beside the weights gives, or None."""
    data = _config(model)
    return next((data[key] for key in DEPTHS if isinstance(data.get(key), int)), None)


def adjusted_config(donor: Path, layers: Sequence[int] | None, dtype: str | None) -> str | None:
    """Return the donor's config.json with the output's layers and dtype, or None where there is none."""
    data = _config(donor)
    if not data:
        return None
    if layers is not None:
        key = next((each for each in DEPTHS if isinstance(data.get(each), int)), None)
        if key is None:
            raise MergingError(
                f"The {CONFIG} of '{donor}' does not say how many layers there are.", f"Known: {', '.join(DEPTHS)}."
            )
        for name in PER_LAYER:
            if isinstance(data.get(name), list) and len(data[name]) == data[key]:
                data[name] = [data[name][min(layer, data[key] - 1)] for layer in layers]
        data[key] = len(layers)
    if dtype is not None:
        for name in [key for key in ("dtype", "torch_dtype") if key in data] or ["dtype"]:
            data[name] = dtype
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def check_vocabularies(models: Sequence[Path], source: str) -> None:
    """Refuse a tokenizer source that would have to build another vocabulary.

    Raises:
        MergingError: the models' vocabularies differ, or one has none to compare.
    """
    found = [(model, _vocabulary(model)) for model in models]
    for model, vocabulary in found:
        if vocabulary is None or vocabulary != found[0][1]:
            why = "has no tokenizer" if vocabulary is None else f"has another vocabulary than '{found[0][0]}'"
            raise MergingError(
                f"mergekit: tokenizer source '{source}' would build a vocabulary, which we do not: '{model}' {why}.",
                "Give the models one vocabulary first (mergekit-tokensurgeon), or leave the tokenizer out.",
            )


def with_tokenizer(files: Mapping[str, bytes], source: Path) -> dict[str, bytes]:
    """Return files of a model with the tokenizer of another one in the place of theirs."""
    own = {name: (source / name).read_bytes() for name in TOKENIZER if (source / name).is_file()}
    return {name: data for name, data in files.items() if name not in TOKENIZER} | own


def usual_template(models: Sequence[Path]) -> str | None:
    """Return the chat template that most models have, the first of them where several are as frequent; or None."""
    found = Counter(text for text in map(_template, models) if text)
    return found.most_common(1)[0][0] if found else None


def _template(model: Path) -> str | None:
    if (model / TEMPLATE).is_file():
        return (model / TEMPLATE).read_text(encoding="utf-8").strip()
    value = _json(model / "tokenizer_config.json").get("chat_template")
    if isinstance(value, list):  # several, by name
        value = next((each.get("template") for each in value if each.get("name") == "default"), None)
    return value.strip() if isinstance(value, str) else None


def _config(model: Path) -> dict[str, Any]:
    return _json(model / CONFIG)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MergingError(f"'{path}' cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise MergingError(f"'{path}' is not a configuration.")
    return data


def _vocabulary(model: Path) -> object:
    for name in VOCABULARIES:
        path = model / name
        if not path.is_file():
            continue
        if name != "tokenizer.json":
            return path.read_bytes()
        data = json.loads(path.read_text(encoding="utf-8"))
        added = [(each.get("id"), each.get("content")) for each in data.get("added_tokens") or []]
        return (data.get("model") or {}).get("vocab"), added
    return None
