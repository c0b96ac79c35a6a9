"""Do these checkpoints belong together? Read tensor by tensor, in pieces: memory does not grow with the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

import merging
from merging import MergingError, Tensors
from merging.architecture.heads import Headless
from merging.architecture.matching import matching
from merging.groups import checked_groups, places
from merging.lora.expert import open_expert
from study.preflight.finding import Finding
from study.preflight.misfit import misfits
from study.study import Study

PIECE = 1 << 20  # numbers of each checkpoint that are held at a time
FAR = 0.5  # ‖expert − base‖ / ‖base‖: fine-tuning moves far less, two separate trainings give about 1.4
SHARED = 0.6  # cosine of two task vectors: above it the experts moved together, away from the base
TWINS = 0.98
MOST = 4  # experts far from the base that are compared with each other
SAME = 1e-6
HALF = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


@dataclass
class Weights:
    """What reading all checkpoints once gave: findings, and Gram matrices of the task vectors."""

    names: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    norm_ratio: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, dict[str, float]] = field(default_factory=dict)
    parameters: int = 0
    own_heads: bool = False


@dataclass
class _Sums:
    """Running sums over all tensors that base and experts share."""

    gram: NDArray[np.float64]  # (T + 1, T + 1) of base, τ_1 … τ_T
    broken: dict[str, list[tuple[str, int]]]
    unmoved: list[str]


def look_at_weights(study: Study, say: Callable[[str, int, int], None]) -> Weights:
    """Open, compare and read the base and every expert once; findings instead of exceptions."""
    found = Weights(tuple(expert.name for expert in study.experts))
    with ExitStack() as stack:
        path = study.path(study.settings.base.weights)
        try:
            base = stack.enter_context(merging.open_tensors(path))
        except MergingError as error:
            found.findings.append(_refused("base", error))
            return found
        found.parameters = sum(torch.Size(base.shape(key)).numel() for key in base.keys() if _floating(base, key))
        if study.settings.groups is not None:
            found.findings += _ungroupable(base, study.settings.groups)
        experts: dict[str, Tensors] = {}
        for expert in study.experts:
            try:
                opened = stack.enter_context(open_expert(path, study.path(expert.weights)))
            except MergingError as error:
                found.findings.append(_refused(f"expert '{expert.name}'", error))
                continue
            found.own_heads |= isinstance(opened, Headless) and bool(opened.aside)
            wrong = misfits(expert.name, base, opened)
            found.findings += wrong
            if not any(one.level == "stop" for one in wrong):
                experts[expert.name] = opened
        _judge(found, tuple(experts), _read(base, experts, say))
        far = {name: one for name, one in experts.items() if found.norm_ratio.get(name, 0.0) > FAR}
        for name, expert_tensors in far.items():
            found.findings += _out_of_place(name, base, expert_tensors)
        found.findings += _elsewhere(far)
    return found


def _out_of_place(name: str, base: Tensors, expert: Tensors) -> list[Finding]:
    """Why an expert is so far away: its hidden units are the base's in another order, or none of the base's units."""
    match = matching(base, expert)
    if match is None or min(match.share, match.stream) > 0.5:
        return []
    what = f"{1 - match.share:.0%} of its {match.units} hidden units are nearest to another place of the base's. "
    if match.stream <= 0.5 and match.after > 0.9:
        what += f"So are {1 - match.stream:.0%} of the channels between the layers. "
    if match.after > 0.9:
        text, remedy = "They are the base's units in another order.", "Put them in the base's order before merging."
        if match.stream > 0.5:
            remedy = "Merge by the method pleas, which puts them in the base's order, or do that before merging."
    else:
        text, remedy = "They are not the base's units.", "Merging adds place by place: leave the expert out."
    return [Finding("warn", "weights", f"expert '{name}'", what + text, remedy)]


def _elsewhere(far: Mapping[str, Tensors]) -> list[Finding]:
    """Whether two experts that are far from the base are near each other: then they share a base, not this one."""
    names = list(far)[:MOST]
    for other in names[1:]:
        match = matching(far[names[0]], far[other])
        if match is not None and match.share > 0.9 and match.before > 0.9:
            text = f"Their hidden units lie in the same places ({match.share:.0%}): they share a base, not this one."
            remedy = "Choose the model that both were fine-tuned from as the base."
            return [Finding("warn", "weights", f"experts '{names[0]}' and '{other}'", text, remedy)]
    return []


def _ungroupable(base: Tensors, groups: int | str) -> list[Finding]:
    """Why a model has no such layer groups, if it has none."""
    try:
        places([key for key in base.keys() if _floating(base, key)], checked_groups(groups))
    except MergingError as error:
        return [_refused("study.yaml, groups", error)]
    return []


def _refused(where: str, error: MergingError) -> Finding:
    text = str(error).removesuffix(error.cure).strip() if error.cure else str(error)
    return Finding("stop", "weights", where, text, error.cure)


def _floating(tensors: Tensors, key: str) -> bool:
    return tensors.dtype(key).is_floating_point


def _read(base: Tensors, experts: Mapping[str, Tensors], say: Callable[[str, int, int], None]) -> _Sums:
    keys = [key for key in base.keys() if _floating(base, key) and 0 not in base.shape(key)]
    sums = _Sums(np.zeros((len(experts) + 1, len(experts) + 1)), {}, [])
    for number, key in enumerate(keys):
        say("reading weights", number, len(keys))
        rows = [base.get(key).reshape(-1)] + [one.get(key).reshape(-1) for one in experts.values()]
        part = np.zeros_like(sums.gram)
        for start in range(0, rows[0].numel(), PIECE):
            piece = torch.stack([row[start : start + PIECE].to(torch.float32) for row in rows])
            finite = torch.isfinite(piece)
            if not bool(finite.all()):
                for name, row in zip(("base", *experts), finite, strict=True):
                    if not bool(row.all()):
                        sums.broken.setdefault(name, []).append((key, int((~row).sum())))
                piece = torch.nan_to_num(piece, nan=0.0, posinf=0.0, neginf=0.0)
            piece[1:] -= piece[0]
            part += (piece @ piece.T).double().numpy()
        if experts and not np.diag(part)[1:].any():
            sums.unmoved.append(key)
        sums.gram += part
    say("reading weights", len(keys), len(keys))
    return sums


def _judge(found: Weights, names: Sequence[str], sums: _Sums) -> None:
    for name, tensors in sums.broken.items():
        where = "base" if name == "base" else f"expert '{name}'"
        count = sum(count for _, count in tensors)
        text = f"{count:,} numbers are NaN or infinite, first in tensor '{tensors[0][0]}'."
        found.findings.append(
            Finding("stop", "weights", where, text, "Take an earlier checkpoint of that training, or train it again.")
        )
    norms = np.sqrt(np.diag(sums.gram))
    if norms[0] == 0.0 or not names or "base" in sums.broken:
        return
    for place, name in enumerate(names, start=1):
        found.norm_ratio[name] = float(norms[place] / norms[0])
    for place, name in enumerate(names, start=1):
        found.cosines[name] = {
            other: float(sums.gram[place, at] / (norms[place] * norms[at])) if norms[place] * norms[at] else 0.0
            for at, other in enumerate(names, start=1)
        }
    whole = [name for name in names if name not in sums.broken]
    _distances(found, whole)
    _pairs(found, names, [names.index(name) for name in whole], sums.gram)
    if sums.unmoved and norms[1:].all():
        text = f"{len(sums.unmoved)} tensors are the base's in every expert (such as '{sums.unmoved[0]}')."
        found.findings.append(Finding("note", "weights", "experts", f"{text} They were frozen: merging keeps them."))


def _distances(found: Weights, names: Sequence[str]) -> None:
    for name in names:
        ratio = found.norm_ratio[name]
        where = f"expert '{name}'"
        if ratio == 0.0:
            text, remedy = "It is identical to the base: it adds nothing.", "Check the path; is it the base's own file?"
            found.findings.append(Finding("warn", "weights", where, text, remedy))
        elif ratio < SAME:
            text = f"It differs from the base by {ratio:.1e} of the base's size: hardly trained at all."
            found.findings.append(Finding("warn", "weights", where, text, "Check that it is the trained checkpoint."))
        elif ratio > FAR:
            text = (
                f"It is {ratio:.2f} times the base's size away from the base; fine-tuning moves a model by a few "
                "hundredths. It was probably not fine-tuned from this base."
            )
            remedy = "Choose the base that this expert was trained from, or leave the expert out."
            found.findings.append(Finding("stop" if ratio > 1.0 else "warn", "weights", where, text, remedy))
    moved = {name: ratio for name in names if SAME <= (ratio := found.norm_ratio[name]) <= FAR}
    if len(moved) > 1 and max(moved.values()) > 10 * min(moved.values()):
        far = max(moved, key=moved.__getitem__)
        text = f"It moved {moved[far] / min(moved.values()):.0f} times as far from the base as the nearest expert."
        remedy = "At equal coefficients it drowns the others; expect a smaller one for it."
        found.findings.append(Finding("note", "weights", f"expert '{far}'", text, remedy))


def _pairs(found: Weights, names: Sequence[str], places: Sequence[int], gram: NDArray[np.float64]) -> None:
    pairs = [(a, b) for a in places for b in places if a < b]
    for a, b in pairs:
        between = gram[a + 1, a + 1] + gram[b + 1, b + 1] - 2 * gram[a + 1, b + 1]
        size = max(gram[a + 1, a + 1], gram[b + 1, b + 1])
        cosine = found.cosines[names[a]][names[b]]
        where = f"experts '{names[a]}' and '{names[b]}'"
        if size > 0 and between <= 1e-9 * size:
            remedy = "Leave one of them out, or check their paths."
            found.findings.append(Finding("warn", "weights", where, "They are identical.", remedy))
        elif cosine > TWINS:
            text = f"They are nearly the same model (cosine of their changes {cosine:.3f})."
            found.findings.append(Finding("warn", "weights", where, text, "Merging them shows little; leave one out."))
    shared = [found.cosines[names[a]][names[b]] for a, b in pairs]
    if len(shared) > 2 and min(shared) > SHARED and max(shared) <= TWINS:
        text = (
            f"All experts moved in one direction (cosines {min(shared):.2f} to {max(shared):.2f}; separate "
            "fine-tunings have about 0 to 0.3). They were probably trained from a later model than this base."
        )
        remedy = "Choose the model that they were all fine-tuned from as the base."
        found.findings.append(Finding("warn", "weights", "base", text, remedy))
