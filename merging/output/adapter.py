"""A merge of adapters as an adapter: exact with the rank that it has, or the nearest one of a smaller rank."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merging.combining.in_memory import again, surveyed
from merging.errors import MergingError
from merging.files.tensors import open_tensors
from merging.files.writing import write, write_text
from merging.groups import PerTensor, per_tensor
from merging.lora.adapter import PREFIX, WEIGHTS, Adapter, is_adapter, open_adapter
from merging.lora.config import CONFIG
from merging.method import Method, methods
from merging.output.weights import RECIPE, new_folder, refuse_overwriting
from merging.recipe import Recipe, new_recipe
from merging.task_vector import TaskVectors, task_vectors
from merging.threads import one_thread


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
class _Order:
    """A method, the coefficients of each tensor, and the form of the merge."""

    method: Method
    values: PerTensor
    exact: bool
    survey: object | None


@dataclass(frozen=True)
class _Module:
    """One module of the new adapter: ΔW = left · right, and what was cut off."""

    left: Tensor
    right: Tensor
    embedding: bool
    swapped: bool  # the base holds this weight transposed
    cut: float  # squared Frobenius norms
    whole: float


def merge_to_adapter(recipe: Recipe, folder: Path, out: Path, rank: int | None = None) -> AdapterReport:
    """Merge adapters from their factors and write an adapter folder; no ΔW is formed on the way.

    For methods with `in_factors`: a weighted sum, Σ c_t scaling_t B_t A_t, has the factors joined; KnOTS and others
    give the product that their merge is. That is exact; with `rank` each ΔW is cut to that rank by its singular value
    decomposition, the nearest there is. Tensors that were trained fully are merged as in any merge. With layer groups
    each module takes the coefficients of its own group. `recipe.dtype` is the dtype of the factors.

    Raises:
        MergingError: an expert that is no adapter, a method that needs the full weights, DoRA, a rank below 1.
    """
    if rank is not None and rank < 1:
        raise MergingError(f"An adapter cannot have rank {rank}.", "Give 1 or more, or none for the exact sum.")
    out, method = Path(out), recipe.made()
    if not method.in_factors:
        able = ", ".join(name for name, kind in methods().items() if kind.in_factors)
        raise MergingError(
            f"'{recipe.method}' merges full weights, not the factors of adapters.",
            f"Use {able}, or write the full weights.",
        )
    opened = recipe.opened(folder)
    base, experts = opened.base, opened.experts
    refuse_overwriting(out, [base.path, *(expert.path for expert in experts)])
    for expert in experts:
        if not is_adapter(expert.path):
            raise MergingError(f"Expert '{expert.name}' is not an adapter.", "Write the full weights instead.")
    full = new_recipe(opened, out)
    with ExitStack() as stack:
        tensors = stack.enter_context(open_tensors(base.path))
        adapters = [stack.enter_context(open_adapter(expert.path, tensors)) for expert in experts]
        names, replaced = _names(adapters)
        vectors = stack.enter_context(task_vectors(base, experts))
        with one_thread(), torch.no_grad():
            named = [entry.name for entry in vectors.layout.entries]
            values = per_tensor(method, vectors.names, recipe.coefficients, recipe.groups, named)
            order = _Order(method, values, recipe.exact, surveyed(method, vectors, values, recipe.exact))
            modules = {name: _module(name, adapters, vectors, order, rank) for name in names}
            saved = {name: _trained(name, vectors, order) for name in replaced}
    config = _config([expert.path for expert in experts], modules, replaced, adapters[0].config.transposed)
    return _written(out, full, config, modules, saved)


def _written(
    out: Path, recipe: Recipe, config: Mapping[str, Any], modules: Mapping[str, _Module], saved: Mapping[str, Tensor]
) -> AdapterReport:
    dtype = torch.float32 if recipe.dtype == "as base" else getattr(torch, recipe.dtype)
    state = _state(modules, saved, dtype)
    with new_folder(out) as work:
        files = {WEIGHTS[0]: write(work / WEIGHTS[0], state, {"format": "pt", "mergescape": recipe.identity()})}
        files[CONFIG] = write_text(work / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
        files[RECIPE] = write_text(work / RECIPE, recipe.to_yaml())
    cut, whole = sum(each.cut for each in modules.values()), sum(each.whole for each in modules.values())
    errors = {name: _share(each.cut, each.whole) for name, each in modules.items()}
    largest = max((each.left.shape[1] for each in modules.values()), default=0)
    return AdapterReport(files, largest, _share(cut, whole), errors)


def _share(cut: float, whole: float) -> float:
    return float((cut / whole) ** 0.5) if whole > 0 else 0.0


def _names(adapters: Sequence[Adapter]) -> tuple[list[str], list[str]]:
    """Return the tensors of the base that the new adapter changes: by factors, and trained fully."""
    _same_kind(adapters)
    names = sorted({name for adapter in adapters for name in adapter.factors})
    replaced = sorted({name for adapter in adapters for name in adapter.replaced})
    both = sorted(set(names) & set(replaced))
    if both:
        raise MergingError(f"'{both[0]}' is trained fully in one adapter and by factors in another.")
    return names, replaced


def _same_kind(adapters: Sequence[Adapter]) -> None:
    for adapter in adapters:
        if adapter.config.dora:
            raise MergingError(f"'{adapter.path}' is a DoRA; its change has no low rank.", "Write the full weights.")
        if adapter.config.bias != "none" or adapter.config.shifted:
            raise MergingError(f"'{adapter.path}' has trained biases (bias, lora_bias).", "Write the full weights.")
        if adapter.config.transposed != adapters[0].config.transposed:
            raise MergingError(f"'{adapter.path}' differs in fan_in_fan_out.", "Write the full weights.")


def _module(name: str, adapters: Sequence[Adapter], vectors: TaskVectors, order: _Order, rank: int | None) -> _Module:
    """Merge the factors of one module and cut them; convolutions keep their matrix form and are refused."""
    owners = [adapter for adapter in adapters if name in adapter.factors]
    pairs = None if any(adapter.kernel(name) for adapter in owners) else vectors.pairs(name)
    if pairs is None:
        raise MergingError(f"'{name}' is a convolution.", "Write the full weights.")
    left, right = order.method.combine_pairs(name, pairs, order.values.at(name), order.survey, order.exact)
    if not left.shape[1]:  # nothing changed: no adapter has rank 0
        left, right = left.new_zeros(left.shape[0], 1), right.new_zeros(1, right.shape[1])
    embedding = owners[0].factors[name].embedding
    swapped = embedding or owners[0].config.transposed
    q1, r1 = torch.linalg.qr(left.to(torch.float64))
    q2, r2 = torch.linalg.qr(right.T.to(torch.float64))
    u, s, vt = torch.linalg.svd(r1 @ r2.T)
    whole = float(s.square().sum())
    if rank is None or rank >= left.shape[1]:
        return _Module(left, right, embedding, swapped, 0.0, whole)
    root = s[:rank].sqrt()
    cut_left, cut_right = (q1 @ u[:, :rank]) * root, (q2 @ vt[:rank].T * root).T
    cut = float(s[rank:].square().sum())
    return _Module(cut_left.to(torch.float32), cut_right.to(torch.float32), embedding, swapped, cut, whole)


def _trained(name: str, vectors: TaskVectors, order: _Order) -> Tensor:
    """Merge a fully trained tensor as any merge does."""
    method, values = order.method, order.values.at(name)
    base, deltas = vectors.base_tensor(name), vectors.deltas(name)
    if again(method, order.exact):
        return method.combine_tensor(name, base, deltas, values, order.survey)
    scalars = method.scalars(values, None)
    merged = base * scalars.base
    for direction, value in zip(
        method.prepare_tensor(name, deltas, order.survey), scalars.experts.tolist(), strict=True
    ):
        merged += direction * value
    return merged


def _state(modules: Mapping[str, _Module], saved: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, each in modules.items():
        module = PREFIX + name.removesuffix(".weight")
        a, b = (each.left.T, each.right.T) if each.swapped else (each.right, each.left)
        keys = ("lora_embedding_A", "lora_embedding_B") if each.embedding else ("lora_A.weight", "lora_B.weight")
        state[f"{module}.{keys[0]}"] = a.to(dtype).contiguous()
        state[f"{module}.{keys[1]}"] = b.to(dtype).contiguous()
    for name, tensor in saved.items():
        state[PREFIX + name] = tensor.to(dtype)
    return state


def _config(
    paths: Sequence[Path], modules: Mapping[str, _Module], replaced: Sequence[str], transposed: bool
) -> dict[str, Any]:
    """Write adapter_config.json: alpha equal to the rank everywhere, so that the scaling is 1."""
    given = [json.loads((path / CONFIG).read_text(encoding="utf-8")) for path in paths]
    ranks = {name.removesuffix(".weight"): each.left.shape[1] for name, each in modules.items()}
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
