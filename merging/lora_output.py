"""A merge of adapters as an adapter: exact with the sum of their ranks, or the nearest one of a smaller rank."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.lora import CONFIG, PREFIX, WEIGHTS, Adapter, is_adapter, open_adapter
from merging.method import ordered
from merging.output import RECIPE, new_folder, refuse_overwriting
from merging.recipe import Recipe, new_recipe
from merging.tensors import open_tensors
from merging.writing import write, write_text


@dataclass(frozen=True)
class AdapterReport:
    """What was written: SHA-256 by file, the largest rank, and ‖written − exact‖ / ‖exact‖ of ΔW.

    `error` is over all adapted tensors together, `errors` by tensor of the base.
    """

    files: Mapping[str, str]
    rank: int
    error: float
    errors: Mapping[str, float]


@dataclass(frozen=True)
class _Pair:
    """One module of the new adapter: ΔW = left · right, and what was cut off."""

    left: Tensor
    right: Tensor
    embedding: bool
    swapped: bool  # the base holds this weight transposed
    cut: float  # squared Frobenius norms
    whole: float


def merge_to_adapter(recipe: Recipe, folder: Path, out: Path, rank: int | None = None) -> AdapterReport:
    """Merge adapters by a linear recipe and write an adapter folder; ΔW = Σ c_t scaling_t B_t A_t.

    Without `rank` the factors are joined, which is exact; with it each ΔW is cut to that rank by its singular
    value decomposition, the nearest there is. `recipe.dtype` is the dtype of the factors.

    Raises:
        MergingError: an expert that is no adapter, a method that is not a weighted sum, DoRA, a rank below 1.
    """
    if rank is not None and rank < 1:
        raise MergingError(f"An adapter cannot have rank {rank}.", "Give 1 or more, or none for the exact sum.")
    if recipe.groups is not None:
        raise MergingError("An adapter cannot be written from layer groups.", "Write the full weights instead.")
    out = Path(out)
    base, experts = recipe.checkpoints(folder)
    refuse_overwriting(out, [base.path, *(expert.path for expert in experts)])
    for expert in experts:
        if not is_adapter(expert.path):
            raise MergingError(f"Expert '{expert.name}' is not an adapter.", "Write the full weights instead.")
    full = new_recipe(base, experts, recipe.made(), recipe.coefficients, out, recipe.dtype)
    weights = _weights(recipe, [expert.name for expert in experts])
    with ExitStack() as stack:
        tensors = stack.enter_context(open_tensors(base.path))
        adapters = [stack.enter_context(open_adapter(expert.path, tensors)) for expert in experts]
        _same_kind(adapters)
        names = sorted({name for adapter in adapters for name in adapter.factors})
        replaced = sorted({name for adapter in adapters for name in adapter.replaced})
        both = sorted(set(names) & set(replaced))
        if both:
            raise MergingError(f"'{both[0]}' is trained fully in one adapter and by factors in another.")
        pairs = {name: _pair(name, adapters, weights, rank) for name in names}
        saved = {name: _trained(name, tensors.get(name), adapters, weights) for name in replaced}
    dtype = torch.float32 if recipe.dtype == "as base" else getattr(torch, recipe.dtype)
    state = _state(pairs, saved, dtype)
    config = _config([expert.path for expert in experts], pairs, replaced, adapters[0].config.transposed)
    with new_folder(out) as work:
        files = {WEIGHTS[0]: write(work / WEIGHTS[0], state, {"format": "pt", "mergescape": full.identity()})}
        files[CONFIG] = write_text(work / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
        files[RECIPE] = write_text(work / RECIPE, full.to_yaml())
    cut, whole = sum(pair.cut for pair in pairs.values()), sum(pair.whole for pair in pairs.values())
    errors = {name: _share(pair.cut, pair.whole) for name, pair in pairs.items()}
    largest = max((pair.left.shape[1] for pair in pairs.values()), default=0)
    return AdapterReport(files, largest, _share(cut, whole), errors)


def _share(cut: float, whole: float) -> float:
    return float((cut / whole) ** 0.5) if whole > 0 else 0.0


def _weights(recipe: Recipe, names: Sequence[str]) -> list[float]:
    values = ordered(recipe.made(), names, recipe.coefficients)
    if recipe.method == "weighted_average":
        return [float(value) for value in values / values.sum()]
    if recipe.method == "task_arithmetic":
        return [float(value) for value in values]
    raise MergingError(
        f"'{recipe.method}' is not a weighted sum of adapters.",
        "Use task_arithmetic or weighted_average, or write the full weights.",
    )


def _same_kind(adapters: Sequence[Adapter]) -> None:
    for adapter in adapters:
        if adapter.config.dora:
            raise MergingError(f"'{adapter.path}' is a DoRA; its change has no low rank.", "Write the full weights.")
        if adapter.config.transposed != adapters[0].config.transposed:
            raise MergingError(f"'{adapter.path}' differs in fan_in_fan_out.", "Write the full weights.")


def _pair(name: str, adapters: Sequence[Adapter], weights: Sequence[float], rank: int | None) -> _Pair:
    """Join the factors of one module and cut them; convolutions keep their matrix form and are refused."""
    parts = [(adapter, weight) for adapter, weight in zip(adapters, weights, strict=True) if name in adapter.factors]
    if any(adapter.kernel(name) for adapter, _ in parts):
        raise MergingError(f"'{name}' is a convolution.", "Write the full weights.")
    found = [adapter.pair(name) for adapter, _ in parts]
    left = torch.cat([pair[0] * weight for pair, (_, weight) in zip(found, parts, strict=True)], dim=1)
    right = torch.cat([pair[1] for pair in found], dim=0)
    embedding = parts[0][0].factors[name].embedding
    swapped = embedding or parts[0][0].config.transposed
    q1, r1 = torch.linalg.qr(left.to(torch.float64))
    q2, r2 = torch.linalg.qr(right.T.to(torch.float64))
    u, s, vt = torch.linalg.svd(r1 @ r2.T)
    whole = float(s.square().sum())
    if rank is None or rank >= left.shape[1]:
        return _Pair(left, right, embedding, swapped, 0.0, whole)
    root = s[:rank].sqrt()
    cut_left, cut_right = (q1 @ u[:, :rank]) * root, (q2 @ vt[:rank].T * root).T
    cut = float(s[rank:].square().sum())
    return _Pair(cut_left.to(torch.float32), cut_right.to(torch.float32), embedding, swapped, cut, whole)


def _trained(name: str, base: Tensor, adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """Return base + Σ c_t (trained_t − base) of a fully trained tensor."""
    wide = base.to(torch.float32)
    merged = wide.clone()
    for adapter, weight in zip(adapters, weights, strict=True):
        change = adapter.change(name, wide)
        if change is not None:
            merged += change * weight
    return merged


def _state(pairs: Mapping[str, _Pair], saved: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, pair in pairs.items():
        module = PREFIX + name.removesuffix(".weight")
        a, b = (pair.left.T, pair.right.T) if pair.swapped else (pair.right, pair.left)
        keys = ("lora_embedding_A", "lora_embedding_B") if pair.embedding else ("lora_A.weight", "lora_B.weight")
        state[f"{module}.{keys[0]}"] = a.to(dtype).contiguous()
        state[f"{module}.{keys[1]}"] = b.to(dtype).contiguous()
    for name, tensor in saved.items():
        state[PREFIX + name] = tensor.to(dtype)
    return state


def _config(
    paths: Sequence[Path], pairs: Mapping[str, _Pair], replaced: Sequence[str], transposed: bool
) -> dict[str, Any]:
    """Write adapter_config.json: alpha equal to the rank everywhere, so that the scaling is 1."""
    given = [json.loads((path / CONFIG).read_text(encoding="utf-8")) for path in paths]
    ranks = {name.removesuffix(".weight"): pair.left.shape[1] for name, pair in pairs.items()}
    usual = max(ranks.values(), default=1)
    own = {f"^{re.escape(module)}": rank for module, rank in ranks.items() if rank != usual}
    names = {each.get("base_model_name_or_path") for each in given}
    return {
        "peft_type": "LORA",
        "task_type": given[0].get("task_type"),
        "base_model_name_or_path": names.pop() if len(names) == 1 else None,
        "inference_mode": True,
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": dict(own),
        "alpha_pattern": dict(own),
        "target_modules": sorted(ranks),
        "modules_to_save": sorted({name.rpartition(".")[0] for name in replaced}) or None,
        "fan_in_fan_out": transposed,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "init_lora_weights": True,
    }
