"""Layer groups as the study file speaks of them: the names of the coefficients, and what is expected of each. No torch.

`merging.groups` says what the groups are; its names are these, which a test holds it to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.folder.writing import replace_text

FILE = "importance.json"
MARK = "@"
SLOPE = ("first", "last")


def labels(groups: int | str | None) -> tuple[str, ...]:
    """What follows the expert's name, from the input to the output; one empty label where there are no groups."""
    if groups is None:
        return ("",)
    return SLOPE if groups == "slope" else tuple(f"{number + 1}" for number in range(int(groups)))


def coefficient_names(experts: Sequence[str], groups: int | str | None) -> tuple[str, ...]:
    """One name for each expert, or EXPERT@GROUP, expert by expert.

    >>> coefficient_names(("a", "b"), "slope")
    ('a@first', 'a@last', 'b@first', 'b@last')
    """
    return tuple(f"{expert}{MARK if label else ''}{label}" for expert in experts for label in labels(groups))


def title(expert: str, label: str, groups: int | str | None) -> str:
    """What a screen calls a coefficient.

    >>> title("Digits", "2", 4), title("Digits", "last", "slope"), title("Digits", "", None)
    ('Digits · layers 2 of 4', 'Digits · last layers', 'Digits')
    """
    if groups is None:
        return expert
    return f"{expert} · {label} layers" if groups == "slope" else f"{expert} · layers {label} of {groups}"


def kept_importance(folder: Path, key: str) -> NDArray[np.float64] | None:
    """How much each coefficient of a prepared method moves the weights, (d,), if it is known."""
    path = folder / FILE
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8")).get(key)
    return None if found is None else np.asarray(found, dtype=np.float64)


def keep_importance(folder: Path, key: str, values: Sequence[float]) -> None:
    """Keep it, for whoever has no weights at hand."""
    path = folder / FILE
    known: Mapping[str, Sequence[float]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    replace_text(path, json.dumps({**known, key: [round(value, 6) for value in values]}, indent=1))
