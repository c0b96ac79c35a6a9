"""adapter_config.json of PEFT: what of it acts on the numbers, and what would make a merge wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.errors import MergingError

CONFIG = "adapter_config.json"
# initialisations that leave the base as it was; PiSSA, OLoRA, LoftQ, CorDA, MiCA, LoRA-GA … change it
PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
REFUSED: Mapping[str, str] = {
    "layer_replication": "replicated layers",
    "trainable_token_indices": "single trained tokens",
    "target_parameters": "factors on bare parameters",
    "use_qalora": "QA-LoRA",
    "alora_invocation_tokens": "activated LoRA",
    "megatron_config": "Megatron layers",
    "use_bdlora": "block-diagonal factors",
    "kasa_config": "KaSA, which changes the base too",
    "arrow_config": "a router between adapters",
    "monteclora_config": "Monte Carlo LoRA",
}
# these act on training or on the start only
HARMLESS = (
    "use_rslora",
    "use_dora",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "velora_config",
    "runtime_config",
)
BIASES = ("none", "all", "lora_only")
CURE = "Merge it into its base first (peft: model.merge_and_unload()) and give the result."


@dataclass(frozen=True)
class AdapterConfig:
    """What adapter_config.json says about the numbers."""

    rank: int
    alpha: float
    rslora: bool = False
    dora: bool = False
    transposed: bool = False  # fan_in_fan_out: the base holds Wᵀ
    ranks: tuple[tuple[str, int], ...] = ()
    alphas: tuple[tuple[str, float], ...] = ()
    bias: str = "none"  # which biases were trained fully
    shifted: bool = False  # lora_bias: B has a bias of its own

    def scaling(self, module: str, rank: int) -> float:
        """Return alpha / r, or alpha / √r with rsLoRA (arXiv 2312.03732), with the module's own alpha."""
        alpha = by_pattern(self.alphas, module, self.alpha)
        return float(alpha / rank**0.5 if self.rslora else alpha / rank)


def read_adapter_config(path: Path) -> AdapterConfig:
    """Read adapter_config.json.

    Raises:
        MergingError: unreadable, not LoRA, or something that would make the sum wrong; it is named.
    """
    try:
        data = json.loads((Path(path) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MergingError(f"The adapter '{path}' has no readable {CONFIG}: {error}.") from error
    if not isinstance(data, dict) or data.get("peft_type") != "LORA":
        kind = data.get("peft_type") if isinstance(data, dict) else data
        raise MergingError(f"The adapter '{path}' is of type {kind!r}.", "Only LoRA adapters can be merged.")
    _refuse(path, data)
    return AdapterConfig(
        rank=int(_number(data, "r", path)),
        alpha=_number(data, "lora_alpha", path),
        rslora=bool(data.get("use_rslora", False)),
        dora=bool(data.get("use_dora", False)),
        transposed=bool(data.get("fan_in_fan_out", False)),
        ranks=_patterns(data, "rank_pattern", path),
        alphas=_patterns(data, "alpha_pattern", path),
        bias=data.get("bias") or "none",
        shifted=bool(data.get("lora_bias", False)),
    )


def _refuse(path: Path, data: Mapping[str, Any]) -> None:
    for key, what in REFUSED.items():
        if data.get(key):
            raise MergingError(f"The adapter '{path}' has {what} ({key}), which cannot be merged exactly.", CURE)
    for key, value in data.items():
        if value and key not in HARMLESS and (key.startswith("use_") or key.endswith("_config")):
            raise MergingError(
                f"The adapter '{path}' has '{key}' in its {CONFIG}, a kind of LoRA that is not known here.", CURE
            )
    if (data.get("bias") or "none") not in BIASES:
        raise MergingError(
            f"The adapter '{path}' has bias: {data['bias']!r} in its {CONFIG}.", f"Known: {', '.join(BIASES)}."
        )
    start = data.get("init_lora_weights", True)
    if start not in PLAIN_STARTS:
        raise MergingError(
            f"The adapter '{path}' starts from {start!r}, which changes the base too.",
            "Convert it to a plain LoRA where it was made (peft: save_pretrained with path_initial_model_for_weight…).",
        )


def by_pattern(patterns: tuple[tuple[str, Any], ...], module: str, default: float) -> float:
    """Return the value of the first pattern that is the module's name or its last parts, as PEFT does."""
    for pattern, value in patterns:
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return float(value)
        except re.error as error:
            raise MergingError(f"The pattern {pattern!r} of an adapter is not a regular expression.") from error
    return default


def _patterns(data: Mapping[str, Any], key: str, path: Path) -> tuple[tuple[str, Any], ...]:
    found = data.get(key) or {}
    if not isinstance(found, dict):
        raise MergingError(
            f"The adapter '{path}' has {key} = {repr(found)[:40]} in its {CONFIG}.", "It must map modules to numbers."
        )
    return tuple((str(pattern), _number(found, pattern, path)) for pattern in found)


def _number(data: Mapping[str, Any], key: str, path: Path) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise MergingError(
            f"The adapter '{path}' has {key} = {repr(value)[:40]} in its {CONFIG}.",
            "It must be a number from 0 to 1e30.",
        )
    return float(value)
