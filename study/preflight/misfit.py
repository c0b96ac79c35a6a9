"""Tensors that an expert lacks, has too many of, or has in another shape: what it probably means, what to do."""

from __future__ import annotations

from merging import Tensors
from merging.architecture.heads import Headless
from merging.architecture.names import HEADS
from study.preflight.finding import Finding

SAME_BASE = "Choose experts fine-tuned from the same base."


def misfits(name: str, base: Tensors, expert: Tensors) -> list[Finding]:
    """Every way in which the expert's tensors differ from the base's in name, shape or kind; dtypes as notes."""
    where = f"expert '{name}'"
    if isinstance(expert, Headless):
        return _aside(where, expert) + _dtypes(where, base, expert, set(base.keys()) - set(expert.kept))
    have, want = set(expert.keys()), set(base.keys())
    findings: list[Finding] = []
    lacking, extra = sorted(want - have), sorted(have - want)
    if lacking or extra:
        findings.append(Finding("stop", "weights", where, _names_text(lacking, extra), _names_cure(lacking, extra)))
    shapes = [key for key in sorted(have & want) if expert.shape(key) != base.shape(key)]
    if shapes:
        findings.append(_shapes(where, shapes, base, expert))
    kinds = [
        key for key in sorted(have & want) if expert.dtype(key).is_floating_point != base.dtype(key).is_floating_point
    ]
    if kinds:
        text = f"Tensor '{kinds[0]}' is {expert.dtype(kinds[0])}, the base has {base.dtype(kinds[0])}."
        findings.append(Finding("stop", "weights", where, text, "Give the checkpoint before it was quantised."))
    return findings + _dtypes(where, base, expert, have & want)


def _aside(where: str, expert: Headless) -> list[Finding]:
    findings = []
    if expert.aside:
        text = f"Its head ({_listed(list(expert.aside))}) is its task's own: it is not merged, but kept and exported."
        findings.append(Finding("note", "weights", where, text))
    floating = [key for key in expert.kept if expert.dtype(key).is_floating_point]
    if floating:
        text = f"It has no {_listed(floating)} of the base's size: the base's stay as they are."
        findings.append(Finding("note", "weights", where, text))
    return findings


def _names_text(lacking: list[str], extra: list[str]) -> str:
    parts = []
    if lacking:
        parts.append(f"It lacks {_listed(lacking)} of the base.")
    if extra:
        parts.append(f"It has {_listed(extra)}, which the base has not.")
    return " ".join(parts)


def _names_cure(lacking: list[str], extra: list[str]) -> str:
    prefix = _prefix(extra, lacking)
    if prefix:
        return f"Its names begin with '{prefix}' and the base's do not: save both in the same form."
    prefix = _prefix(lacking, extra)
    if prefix:
        return f"The base's names begin with '{prefix}' and its own do not: save both in the same form."
    if extra and not lacking and all(_is_head(key) for key in extra):
        return "It is a task's own classifier: save it into a file of its own, and give the task that file as its head."
    if any(".lora_" in key for key in extra):
        return "It is a LoRA adapter: give the folder with adapter_config.json."
    if not extra and len(lacking) <= 3 and all("position_ids" in key for key in lacking):
        return "It is a table of positions that newer releases do not save: save the base with the same release."
    return SAME_BASE


def _prefix(longer: list[str], shorter: list[str]) -> str | None:
    """The prefix that turns names of the second list into names of the first, where one does for nine in ten."""
    if not shorter:
        return None
    first = shorter[0]
    known = set(longer)
    for name in longer:
        if name.endswith(first) and name != first:
            prefix = name.removesuffix(first)
            if sum(prefix + each in known for each in shorter) >= 0.9 * len(shorter):
                return prefix
    return None


def _shapes(where: str, keys: list[str], base: Tensors, expert: Tensors) -> Finding:
    key = keys[0]
    ours, theirs = base.shape(key), expert.shape(key)
    more = f" and {len(keys) - 1} more tensors differ" if len(keys) > 1 else ""
    text = f"Tensor '{key}' has shape {theirs}, the base has {ours}{more}."
    tail = ours[1:] == theirs[1:] and len(ours) == len(theirs) > 0
    if all(_is_head(each) for each in keys):
        cure = "It is a classifier for other classes: keep it in a file of its own as the task's head."
    elif tail and len(keys) <= 3 and any(word in key for word in ("embed", "wte", "shared", "lm_head")):
        if "position" in key:
            cure = "It was trained for another picture size or text length; use experts of one size."
        else:
            cure = "Its vocabulary has another size: tokens were added. Resize it to the base's tokenizer."
    elif "pos" in key and len(keys) == 1:
        cure = "It was trained for another picture size or text length; use experts of one size."
    else:
        cure = f"It is another architecture or width. {SAME_BASE}"
    return Finding("stop", "weights", where, text, cure)


def _dtypes(where: str, base: Tensors, expert: Tensors, keys: set[str]) -> list[Finding]:
    narrower = [
        key
        for key in sorted(keys)
        if expert.dtype(key).is_floating_point
        and base.dtype(key).is_floating_point
        and expert.dtype(key).itemsize < base.dtype(key).itemsize
    ]
    if not narrower:
        return []
    kind, ours = (str(one.dtype(narrower[0])).removeprefix("torch.") for one in (expert, base))
    text = (
        f"Its weights are {kind}, the base's {ours}: rounding is part of what counts as its change "
        f"({len(narrower)} tensors)."
    )
    return [Finding("note", "weights", where, text, "Where you have it in full precision, give that.")]


def _is_head(key: str) -> bool:
    return any(part in HEADS for part in key.split("."))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{each}'" for each in names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more tensors"
