"""Labels as they stand in tables and shards, turned into class numbers; and the pool that a file's name tells."""

import re
from collections.abc import Sequence
from pathlib import Path

from evaluation.data.folder import POOLS
from evaluation.errors import EvaluationError, nearest

Label = int | float | str
FRACTION = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?|[-+]?\d+e[-+]?\d+", re.IGNORECASE)


def numbered(
    labels: Sequence[Label], names: Sequence[str] | None, where: str, first: int = 0
) -> tuple[tuple[str, ...], list[int]]:
    """Classes, and each label's number among them. names: what whole-number labels stand for, where the data say so.

    Without names, classes are the sorted labels (as numbers where all are numbers). first: what the
    first row is called.
    Raises: EvaluationError naming the row of a label that is no class or no whole number, or fewer than two classes.
    """
    _refuse_fractions(labels, where, first)
    if names is not None:
        places = {name: place for place, name in enumerate(names)}
        targets = []
        for row, label in enumerate(labels, start=first):
            target = places.get(label) if isinstance(label, str) and not label.isdecimal() else int(label)
            if target is None or not 0 <= target < len(names):
                cure = nearest(str(label), names)
                raise EvaluationError(
                    f"{where}, row {row}: unknown label {label!r}.",
                    f"Labels are names of the {len(names)} classes or numbers from 0 to {len(names) - 1}. {cure}",
                )
            targets.append(target)
        return tuple(names), targets
    words = [_word(label) for label in labels]
    numeric = all(word.isdecimal() for word in words)
    classes = sorted(set(words), key=lambda word: (int(word) if numeric else 0, word))
    if len(classes) < 2:
        raise EvaluationError(f"{where} has {len(classes)} classes.", "At least 2 are needed.")
    known = {name: place for place, name in enumerate(classes)}
    return tuple(classes), [known[word] for word in words]


def _word(label: Label) -> str:
    return str(int(label)) if isinstance(label, float) else str(label)


def _refuse_fractions(labels: Sequence[Label], where: str, first: int) -> None:
    """Measurements are no classes: a thousand different ones would become a thousand classes in silence."""
    for row, label in enumerate(labels, start=first):
        broken = label != int(label) if isinstance(label, float) else bool(FRACTION.fullmatch(str(label).strip()))
        if broken:
            raise EvaluationError(
                f"{where}, row {row}: label {label!r} is a measurement, not a class.",
                "Tasks have classes. Round to grades in order (0, 1, 2, …) and read them with metric: spearman.",
            )


def pool_of(path: Path, root: Path) -> str:
    """train, val, test or "", from a folder's name or the beginning of the file's ("train-00000-of-00002.parquet").

    >>> pool_of(Path("d/validation-0.parquet"), Path("d")), pool_of(Path("d/data.parquet"), Path("d"))
    ('val', '')
    """
    for part in path.relative_to(root).parts:
        word = re.split(r"[-_.]", part.lower())[0]
        if word in POOLS:
            return POOLS[word]
    return ""
