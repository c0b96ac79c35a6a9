"""Merging the golden inputs by other people's code: mergekit, FusionBench, the authors' own files."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import formulas
import numpy as np
import torch
from torch import nn

State = dict[str, np.ndarray]
SHAPES = {
    "attn.in_proj_bias": (12,),
    "attn.in_proj_weight": (12, 4),
    "conv.weight": (2, 3, 2, 2),
    "layers.0.fc.weight": (5, 4),
    "layers.1.fc.weight": (4, 6),
    "layers.2.norm.weight": (5,),
    "logit_scale": (),
}


def by_mergekit(method: str, data: dict[str, State], experts: str, based: bool, **parameters: object) -> State:
    """Merge each tensor with mergekit; per-model parameters are lists."""
    from mergekit.merge_methods.api import merge_tensors

    found = {}
    for name in SHAPES:
        stack = [torch.tensor(data[who][name], dtype=torch.float64) for who in experts]
        given = dict(parameters)
        if based:
            stack.append(torch.tensor(data["base"][name], dtype=torch.float64))
        options = {"base_index": len(stack) - 1} if based else {}
        if method == "slerp":  # its "base" is the model at t = 0
            options = {"base_index": 0}
        shaped = [tensor.reshape(-1) if tensor.dim() == 0 else tensor for tensor in stack]
        merged = merge_tensors(shaped, method, parameters=given, **options)
        found[name] = merged.reshape(SHAPES[name]).numpy()
    return found


def vectors(data: dict[str, State], experts: str = "abc") -> list[dict[str, torch.Tensor]]:
    return [
        {name: torch.tensor(data[who][name] - data["base"][name], dtype=torch.float64) for name in SHAPES}
        for who in experts
    ]


def on_base(data: dict[str, State], change: dict[str, torch.Tensor]) -> State:
    return {name: data["base"][name] + np.asarray(change[name]) for name in SHAPES}


def flat_merge(data: dict[str, State], merge: Callable[[torch.Tensor], torch.Tensor]) -> State:
    """Apply a merge of the flattened models, (T, P) → (P,)."""
    stack = torch.stack([torch.cat([tv[name].reshape(-1) for name in sorted(SHAPES)]) for tv in vectors(data)])
    merged, found, start = merge(stack), {}, 0
    for name in sorted(SHAPES):
        count = int(np.prod(SHAPES[name]))
        found[name] = data["base"][name] + merged[start : start + count].numpy().reshape(SHAPES[name])
        start += count
    return found


def ties_by_fusion(data: dict[str, State], percent: int = 40) -> State:
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    return flat_merge(data, lambda stack: ties_merging(stack, reset_thresh=percent, merge_func="dis-mean"))


def tsv_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.task_singular_vector.utils.TSVM_utils import compute_and_sum_svd_mem_reduction

    return on_base(data, compute_and_sum_svd_mem_reduction(vectors(data), accelerator="cpu"))


def iso_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.isotropic_merging.iso_utils import iso_c

    return on_base(data, iso_c(vectors(data), accelerator="cpu"))


def emr_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.emr_merging.utils import emr_merge

    return on_base(data, emr_merge(vectors(data))[0])


def magmax_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.magmax.magmax import _magmax_select

    return on_base(data, _magmax_select(vectors(data)))


def pcb_by_authors(data: dict[str, State]) -> State:
    text = Path(os.environ["PCB_MERGING"]).read_text(encoding="utf-8").split("### With Evolutionary")[0]
    names: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {}
    exec(text, names)  # noqa: S102 (the authors' own functions, in the maker only)
    return flat_merge(data, lambda stack: names["PCB_merge"](stack, pcb_ratio=0.3)[0])


@contextmanager
def drawn(seed: int, experts: str, dropping: bool) -> Iterator[None]:
    """Let torch.bernoulli give our masks, tensor after tensor and expert after expert, as mergekit asks for them."""
    waiting = iter([(name, who) for name in SHAPES for who in experts])

    def ours(chances: torch.Tensor) -> torch.Tensor:
        name, who = next(waiting)
        numbers = torch.tensor(formulas.uniform(seed, who, name, tuple(chances.shape)))
        return (numbers >= 1.0 - chances if dropping else numbers < chances).to(chances.dtype)

    before, torch.bernoulli = torch.bernoulli, ours
    try:
        yield
    finally:
        torch.bernoulli = before


def is_matrix(name: str) -> bool:
    return len(SHAPES[name]) == 2


def means(data: dict[str, State]) -> dict[str, torch.Tensor]:
    return {name: sum(tv[name] for tv in vectors(data)) / 3 for name in SHAPES}


def iso_cts_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.isotropic_merging.iso_utils import iso_cts

    return on_base(data, iso_cts(vectors(data), 0.25, accelerator="cpu"))


def wudi_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.wudi.wudi import wudi_merging

    found = wudi_merging(vectors(data), accelerator="cpu", iter_num=300)
    return on_base(data, {name: tensor.detach() for name, tensor in found.items()})


def svc_by_fusion(data: dict[str, State], merged: State, alpha: float) -> State:
    from fusion_bench.method.singular_value_calibration.utils import subspace_consistency_spectral_calibration

    found = dict(merged)
    for name in filter(is_matrix, SHAPES):
        base, *experts = (torch.tensor(data[who][name]) for who in ("base", "a", "b", "c"))
        done = subspace_consistency_spectral_calibration(
            base, experts, torch.tensor(merged[name]), alpha, torch.device("cpu")
        )
        found[name] = done.numpy()
    return found


def sum_of(data: dict[str, State], weights: dict[str, float]) -> State:
    return {
        name: base + sum(c * (data[who][name] - base) for who, c in weights.items())
        for name, base in data["base"].items()
    }


def consensus_ties_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.tall_mask.utils import generate_task_masks
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    def merge(stack: torch.Tensor) -> torch.Tensor:
        merged = ties_merging(stack.clone(), reset_thresh=40, merge_func="dis-sum")
        # its callers hand over weights where changes belong; with the task vectors as models on a base of 0 it is right
        masks = generate_task_masks(stack, stack, torch.zeros_like(stack[0]), tv=merged, tall_mask_lambda=0.5)
        return merged * (masks.sum(0) >= 2)

    return flat_merge(data, merge)


def knots_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.knots.knots_utils import subspace_alignment
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    parts = {
        name: subspace_alignment([tv[name] for tv in vectors(data)], eps=1e-5) for name in filter(is_matrix, SHAPES)
    }
    turned = {name: [torch.diag(s) @ v for v in vs] for name, (_, s, vs) in parts.items()}
    stack = torch.stack([torch.cat([turned[name][t].reshape(-1) for name in turned]) for t in range(3)])
    merged = torch.split(
        ties_merging(stack, reset_thresh=40, merge_func="dis-mean"), [turned[name][0].numel() for name in turned]
    )
    change = means(data)
    for (name, (u, _, _)), part in zip(parts.items(), merged, strict=True):
        change[name] = u @ part.reshape(turned[name][0].shape)
    return on_base(data, change)


class Encoder(nn.Module):
    """The matrices of a checkpoint under names that FusionBench's DOGE treats."""

    def __init__(self, state: State) -> None:
        super().__init__()
        named = {name.replace(".", "_"): nn.Parameter(torch.tensor(state[name])) for name in filter(is_matrix, SHAPES)}
        self.encoder = nn.ParameterDict(named)


def doge_by_fusion(data: dict[str, State]) -> State:
    from fusion_bench.method.doge_ta.doge_ta import DOGE_TA_Algorithm

    models = {"_pretrained_": Encoder(data["base"]), **{who: Encoder(data[who]) for who in "abc"}}
    merged = DOGE_TA_Algorithm(subspace=2, K=30, lamda=0.07).run(models).encoder
    return {
        name: merged[name.replace(".", "_")].detach().numpy() if is_matrix(name) else base
        for name, base in data["base"].items()
    }


def dc_by_authors(data: dict[str, State]) -> State:
    names: dict[str, Callable[..., dict[str, torch.Tensor]]] = {}
    exec(Path(os.environ["DC_MERGE"]).read_text(encoding="utf-8"), names)  # noqa: S102 (authors' file, maker only)
    config = SimpleNamespace(DATASETS=list("abc"), device="cpu")
    return on_base(data, names["dc_merge"]([SimpleNamespace(vector=tv) for tv in vectors(data)], config))


def interference_by_authors(data: dict[str, State], function: str, **settings: float) -> State:
    """OptMerge, SWUDI and ASWUDI by MLLMerging's own functions, in float64."""
    folder = Path(os.environ["MLL_MERGING"])
    names: dict[str, Callable[..., dict[str, torch.Tensor]]] = {"__name__": "authors"}
    for file in ("task_vector.py", "functional.py"):
        text = (folder / file).read_text(encoding="utf-8").replace("from .task_vector import", "# ")
        exec(text.replace("torch.float32", "torch.float64"), names)  # noqa: S102 (authors' files, maker only)
    base, *experts = (
        {name: torch.tensor(data[who][name], dtype=torch.float64) for name in SHAPES} for who in ("base", *"abc")
    )
    found = names[function](base, experts, None, progress=False, **settings)
    return {name: found[name].numpy() for name in SHAPES}


def star_by_authors(data: dict[str, State], weights: dict[str, float]) -> State:
    """STAR's own truncation of every matrix of every expert, 40 % of the nuclear norm."""
    names: dict[str, Callable[..., torch.Tensor]] = {}
    exec(Path(os.environ["STAR"]).read_text(encoding="utf-8"), names)  # noqa: S102 (authors' file, maker only)
    own = [{n: names["star"](t, 40) if is_matrix(n) else t for n, t in tv.items()} for tv in vectors(data)]
    return on_base(data, {n: sum(c * tv[n] for c, tv in zip(weights.values(), own, strict=True)) for n in SHAPES})


def magprune_by_authors(data: dict[str, State], weights: dict[str, float], seed: int) -> State:
    """DELLA's own MagPrune, density 0.6 and ε 0.2, with our random numbers; it has no chance for a scalar."""
    names: dict[str, Callable[..., torch.Tensor]] = {}
    exec(Path(os.environ["DELLA"]).read_text(encoding="utf-8"), names)  # noqa: S102 (authors' file, maker only)
    change = means(data)
    with drawn(seed, "abc", False):
        for name in SHAPES:
            own = [torch.atleast_2d(tv[name].float()).flatten(1) for tv in vectors(data)]
            if own[0].shape[1] == 1:
                [torch.bernoulli(part) for part in own]
                continue
            pruned = [names["rank_magnitude"](part, 0.6, True, 0.2).double() for part in own]
            total = sum(c * part for c, part in zip(weights.values(), pruned, strict=True))
            change[name] = total.reshape(SHAPES[name])
    return on_base(data, change)
