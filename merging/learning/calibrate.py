"""FeatCal's equations (arXiv 2605.13030): one block's layers solved from what student and experts feed them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.access import How
from merging.learning.forward_order import Use, bias_name
from merging.learning.moments import divided, rows
from merging.task_vector import TaskVectors

EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """λ and ρ: how strongly the anchor pulls, and how far beyond the merge it lies."""

    ridge: float
    beyond: float


@dataclass(frozen=True)
class Paired:
    """One expert's statistics of one tensor, float64, where the model is.

    ss (d, d) = E x_s x_sᵀ, ts (d, d) = E x_t x_sᵀ, mean_s and mean_t (d,); for a scale ss (d,) = E x_s².
    """

    ss: Tensor
    ts: Tensor
    mean_s: Tensor
    mean_t: Tensor

    @classmethod
    def of(cls, how: How, ours: Sequence[Tensor], theirs: Sequence[Tensor], blend: float) -> "Paired":
        """From the student's and the expert's inputs (n, d), batch by batch."""
        n = sum(len(x) for x in ours)
        pairs = [(x, torch.lerp(x, y, blend)) for x, y in zip(ours, theirs, strict=True)]
        if how == "scale":
            ss = sum_of([x.square().sum(0) for x, _ in pairs]) / n
            ts = ss
        else:
            ss = sum_of([x.T @ x for x, _ in pairs]) / n
            ts = sum_of([t.T @ x for x, t in pairs]) / n
        return cls(ss, ts, sum_of([x.sum(0) for x, _ in pairs]) / n, sum_of([t.sum(0) for _, t in pairs]) / n)


def sum_of(parts: Sequence[Tensor]) -> Tensor:
    """Add up in float64."""
    total = torch.zeros_like(parts[0], dtype=torch.float64)
    for part in parts:
        total += part
    return total


def calibrate_stage(
    out: Tensor, vectors: TaskVectors, stage: Sequence[Use], pairs: Sequence[dict[str, Paired]], rule: Rule
) -> None:
    """Turn the anchor's changes of one block in `out` (T, P) into its calibrated directions."""
    for name, how in stage:
        own = [each[name] for each in pairs]
        if how == "scale":
            _norm(out, vectors, name, own, rule)
        else:
            _layer(out, vectors, name, how, own, rule)


def _layer(out: Tensor, vectors: TaskVectors, name: str, how: How, own: Sequence[Paired], rule: Rule) -> None:
    layout = vectors.layout
    like = own[0].ss
    base = rows(how, vectors.base_tensor(name)).to(like)
    deltas = rows(how, vectors.deltas(name)).to(like)
    place = rows(how, layout.view(out, layout.index[name]))
    pull = rule.beyond * place.to(like)
    scales = [1.0 / float(each.ss.norm().clamp_min(EPSILON)) for each in own]
    total = sum_of([scale * each.ss for scale, each in zip(scales, own, strict=True)])
    # W_t C_ts − W_0 C_ss: the expert's share of Σ W_t C_ts once W_0 Σ C_ss is taken from both sides
    shares = [
        scale * ((base + delta) @ each.ts - base @ each.ss)
        for scale, each, delta in zip(scales, own, deltas, strict=True)
    ]
    solved = divided(torch.stack(shares) + rule.ridge * pull, total, rule.ridge + EPSILON)
    place.copy_(solved)
    bias = bias_name(name, layout)
    if bias is None or len(vectors.shape(bias)) != 1:
        return
    moved = vectors.deltas(bias).to(like)
    held = rule.beyond * layout.view(out, layout.index[bias]).to(like)
    centre = sum_of([scale * each.mean_s for scale, each in zip(scales, own, strict=True)])
    found = torch.stack(
        [
            scale * (moved[t] + (base + deltas[t]) @ each.mean_t - base @ each.mean_s)
            - solved[t] @ centre
            + rule.ridge * held[t]
            for t, (scale, each) in enumerate(zip(scales, own, strict=True))
        ]
    )
    layout.view(out, layout.index[bias]).copy_(found / (sum(scales) + rule.ridge))


def _norm(out: Tensor, vectors: TaskVectors, name: str, own: Sequence[Paired], rule: Rule) -> None:
    layout = vectors.layout
    bias = bias_name(name, layout)
    if bias is None:
        return
    like = own[0].ss
    scale, shift = (vectors.deltas(key).to(like) for key in (name, bias))
    places = [layout.view(out, layout.index[key]) for key in (name, bias)]
    held = [rule.ridge * rule.beyond * place.to(like) for place in places]
    energy, mean = torch.stack([each.ss for each in own]), torch.stack([each.mean_s for each in own])
    first = energy * scale + mean * shift + held[0]
    second = mean * scale + shift + held[1]
    a, b, c = energy.sum(0) + rule.ridge, mean.sum(0), len(own) + rule.ridge
    determinant = (a * c - b.square()).clamp_min(EPSILON)
    places[0].copy_((c * first - b * second) / determinant)
    places[1].copy_((a * second - b * first) / determinant)
