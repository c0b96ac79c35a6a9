"""What is compared with FusionBench and PEFT."""

from collections.abc import Mapping
from typing import Any

from benchmarks.peers.case import EQUAL, WEIGHTS, Case, Settings

WHOLE = {"split_qkv": False}
KEYS = {"exclude_keys": ["text_projection"]}
SPECTRA = (
    Case("fusion-bench", "tsv_m", "tsv_m", EQUAL, KEYS, WHOLE),
    Case("fusion-bench", "tsv_m", "tsv_m", (0.7, 0.7, 0.7), KEYS | {"scale": 0.7}, WHOLE, "opposed"),
    Case("fusion-bench", "tsv_m", "tsv_m", EQUAL, KEYS, WHOLE, "still"),
    Case("fusion-bench", "iso_c", "iso_c", EQUAL, KEYS, WHOLE),
    Case("fusion-bench", "iso_c", "iso_c", (1.5, 1.5, 1.5), KEYS | {"scale": 1.5}, WHOLE, "opposed"),
    Case("fusion-bench", "iso_cts", "iso_cts", EQUAL, KEYS | {"common_space_fraction": 0.8}, WHOLE),
    Case("fusion-bench", "wudi", "wudi", EQUAL, KEYS | {"iter_num": 300}, WHOLE),
    Case("fusion-bench", "svc", "svc", (0.3, 0.3, 0.3), KEYS | {"alpha": 1 / 3}, WHOLE),
    Case("fusion-bench", "knots", "knots", EQUAL, KEYS | {"reset_thresh": 20}, WHOLE),
    Case("fusion-bench", "opcm", "opcm", EQUAL, {"alpha": 0.5}, WHOLE),
    Case("fusion-bench", "ties", "ties", EQUAL, {"reset_thresh": 20, "merge_func": "mean"}, {"density": 0.2}),
    Case(
        "fusion-bench",
        "ties",
        "ties",
        EQUAL,
        {"reset_thresh": 20, "merge_func": "sum", "scale": 0.3},
        {"density": 0.2, "merge": "sum", "scale": 0.3},
    ),
    Case(
        "fusion-bench",
        "ties",
        "ties",
        EQUAL,
        {"reset_thresh": 20, "merge_func": "mean"},
        {"density": 0.2},
        "sparse",
        True,
    ),
    Case("fusion-bench", "magmax", "magmax", (0.5, 0.5, 0.5), {"scale": 0.5}),
    Case("fusion-bench", "magmax", "magmax", (0.5, 0.5, 0.5), {"scale": 0.5}, {}, "sparse", True),
    Case("fusion-bench", "emr", "emr_unified", EQUAL),
    Case("fusion-bench", "emr", "emr_unified", EQUAL, {}, {}, "sparse", True),
    Case(
        "fusion-bench",
        "consensus",
        "consensus",
        EQUAL,
        {"tall_mask_lambda": 0.4, "agree": 2},
        {"threshold": 0.4, "agree": 2},
    ),
    Case("fusion-bench", "model_stock", "model_stock", (0.5, 0.5)),
    Case("fusion-bench", "doge", "doge", EQUAL, {"subspace": 6, "K": 30, "lamda": 0.07}, WHOLE),
)
SIGNS = (0.3, -0.5, 0.9)


def weighed(method: str, ours: str, parameters: Mapping[str, Any], settings: Settings, exact: bool = True) -> Case:
    """FusionBench on the task vectors times their coefficients, which is what our exact form is."""
    return Case("fusion-bench", method, ours, SIGNS, {**parameters, "weights": list(SIGNS)}, settings, exact=exact)


SCALED = (
    weighed("tsv_m", "tsv_m", KEYS, WHOLE, False),
    weighed("iso_c", "iso_c", KEYS, WHOLE, False),
    weighed("iso_cts", "iso_cts", KEYS | {"common_space_fraction": 0.8}, WHOLE, False),
    weighed("wudi", "wudi", KEYS | {"iter_num": 300}, WHOLE, False),
    weighed("opcm", "opcm", {"alpha": 0.5}, WHOLE),
    weighed("ties", "ties", {"reset_thresh": 20, "merge_func": "mean"}, {"density": 0.2}),
    weighed("magmax", "magmax", {}, {}),
    weighed("emr", "emr_unified", {}, {}),
    weighed("consensus", "consensus", {"tall_mask_lambda": 0.4, "agree": 2}, {"threshold": 0.4, "agree": 2}),
)
PLAIN_LORA = {"r": 4, "lora_alpha": 8}
SCALED_LORA = {"r": 6, "lora_alpha": 12, "use_rslora": True}
PATTERN_LORA = {"r": 4, "lora_alpha": 8, "rank_pattern": {"second": 2}, "alpha_pattern": {"second": 5}}
DORA = {"r": 4, "lora_alpha": 8, "use_dora": True}
ADAPTERS = {"seed": 5, "weights": list(WEIGHTS), "adapters": [PLAIN_LORA, PLAIN_LORA, PLAIN_LORA]}
MIXED = {"seed": 5, "weights": list(WEIGHTS), "adapters": [PLAIN_LORA, SCALED_LORA, PLAIN_LORA]}
LORAS = (
    Case("peft", "cat", "task_arithmetic", WEIGHTS, ADAPTERS),
    Case("peft", "cat", "task_arithmetic", WEIGHTS, MIXED),
    Case("peft", "merge", "task_arithmetic", (1.0,), {"seed": 6, "adapters": [PATTERN_LORA]}),
    Case("peft", "merge", "task_arithmetic", (1.0,), {"seed": 6, "adapters": [DORA]}),
    Case(
        "peft",
        "linear",
        "task_arithmetic",
        WEIGHTS,
        ADAPTERS,
        differs="PEFT's linear adds the factors A and B each for itself, and their product holds cross terms that are "
        "in no adapter; ours adds the products.",
    ),
)
OTHERS = (*SPECTRA, *SCALED, *LORAS)
