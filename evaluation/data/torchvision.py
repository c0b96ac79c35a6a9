"""The data sets that torchvision reads from its own files, as `torchvision:MNIST:FOLDER`. Nothing is downloaded."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError, nearest

SPLITS = ("train", "val", "test")


def open_torchvision(name: str, root: Path) -> Source:
    """The set called `name` below `root`, with every split that stands there; the id of a picture is its split and its
    number, "test#17".

    Raises: EvaluationError for an unknown name, or when no split is there.
    """
    from torchvision import datasets

    known = {each: getattr(datasets, each) for each in datasets.__all__}
    if name not in known:
        raise EvaluationError(f"torchvision has no data set '{name}'.", nearest(name, known))
    parts: dict[str, Any] = {}
    problems: list[str] = []
    for split in SPLITS:
        arguments = _arguments(known[name], split)
        if arguments is None:
            continue
        try:
            parts[split] = known[name](str(root), **arguments)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            problems.append(str(error).partition("\n")[0])
    if not parts:
        raise EvaluationError(
            f"torchvision finds no split of {name} in '{root}': {problems[0] if problems else 'it has none'}",
            f"Download it there: torchvision.datasets.{name}(root, download=True).",
        )
    targets = {split: _targets(one) for split, one in parts.items()}
    highest = max(max(each) for each in targets.values())
    classes = _classes(next(iter(parts.values())), highest + 1)
    items = tuple(
        Item(f"{split}#{number}", target, split) for split, own in targets.items() for number, target in enumerate(own)
    )
    facts = "\n".join(f"{item.id} {item.target}" for item in items)
    read = partial(_picture, name, root, parts)
    return Source(root, classes, name, (), items, hashlib.sha256(facts.encode()).hexdigest(), read)


def _picture(name: str, root: Path, parts: Mapping[str, Any], id: str) -> Image:
    split, _, number = id.partition("#")
    try:
        picture: Image = parts[split][int(number)][0].convert("RGB")
    except (OSError, SyntaxError) as error:
        cure = "Replace the file, or let the task skip what cannot be read (unreadable: skip)."
        raise EvaluationError(f"{name}, {id} in '{root}' cannot be read: {error}.", cure) from None
    return picture


def _arguments(kind: Any, split: str) -> dict[str, Any] | None:
    """What makes the constructor take this split; None where it has no such split."""
    parameters = inspect.signature(kind).parameters
    if "train" in parameters:
        return None if split == "val" else {"train": split == "train"}
    if "split" in parameters:
        return {"split": split}
    return {} if split == "test" else None


def _targets(one: Any) -> list[int]:
    for name in ("targets", "labels", "_labels", "y"):
        found = getattr(one, name, None)
        if found is not None and len(found) == len(one):
            return [int(each) for each in found]
    return [int(one[place][1]) for place in range(len(one))]


def _classes(one: Any, count: int) -> tuple[str, ...]:
    named: Sequence[str] = getattr(one, "classes", None) or []
    names = tuple(str(name) for name in named)
    return names if len(names) >= max(2, count) else tuple(str(number) for number in range(count))
