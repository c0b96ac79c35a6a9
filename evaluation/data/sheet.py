"""A sheet folder: sheet.json says what is on the lossless contact sheet sheet.png, row by row."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from evaluation.data.picture import open_picture
from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError, nearest


def open_sheet(path: Path) -> Source:
    """Read and check a sheet folder; the id of a tile is its number, from 0, row by row.

    Raises: EvaluationError when a field is missing or wrong, a label is no class, or the picture's size
    is not what the labels need.
    """
    where = path / "sheet.json"
    try:
        written = where.read_bytes()
        facts = json.loads(written)
        pixels = (path / "sheet.png").read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(f"Sheet '{path}' cannot be read: {error}.") from None
    if not isinstance(facts, dict):
        raise EvaluationError(f"'{where}' is not an object with named fields.")
    tile, columns = _number(facts, "tile", where), _number(facts, "columns", where)
    classes = _words(facts, "classes", where)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise EvaluationError(f"'{where}' has classes {list(classes)}.", "Give at least 2, all different.")
    targets = _targets(facts, classes, where)
    picture = _picture(path / "sheet.png", len(targets), tile, columns)
    return Source(
        path=path,
        classes=classes,
        title=str(facts.get("title", path.name)),
        templates=_words(facts, "templates", where) if "templates" in facts else (),
        items=tuple(Item(str(number), target) for number, target in enumerate(targets)),
        fingerprint=hashlib.sha256(hashlib.sha256(written).digest() + pixels).hexdigest(),
        reader=partial(_tile, picture, tile, columns),
    )


def _tile(picture: Image.Image, tile: int, columns: int, id: str) -> Image.Image:
    row, column = divmod(int(id), columns)
    left, top = column * tile, row * tile
    return picture.crop((left, top, left + tile, top + tile))


def _number(facts: dict[str, Any], field: str, where: Path) -> int:
    value = facts.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise EvaluationError(f"'{where}' has {field} = {value!r}.", "It must be a whole number from 1 on.")
    return value


def _words(facts: dict[str, Any], field: str, where: Path) -> tuple[str, ...]:
    value = facts.get(field)
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise EvaluationError(f"'{where}' has {field} = {value!r}.", "It must be a list of words.")
    return tuple(value)


def _targets(facts: dict[str, Any], classes: tuple[str, ...], where: Path) -> list[int]:
    labels = facts.get("labels")
    if not isinstance(labels, list) or not labels:
        raise EvaluationError(f"'{where}' has no list of labels.", "Give one label per tile.")
    numbers = {name: number for number, name in enumerate(classes)}
    targets = []
    for place, label in enumerate(labels):
        target = numbers.get(label) if isinstance(label, str) else label
        if not isinstance(target, int) or isinstance(target, bool) or not 0 <= target < len(classes):
            cure = nearest(label, classes) if isinstance(label, str) else ""
            raise EvaluationError(
                f"'{where}' has the unknown label {label!r} at tile {place}.",
                f"Labels are class names or numbers from 0 to {len(classes) - 1}. {cure}",
            )
        targets.append(target)
    return targets


def _picture(path: Path, tiles: int, tile: int, columns: int) -> Image.Image:
    picture = open_picture(path, "Picture", "Is the file complete?")
    rows = -(-tiles // columns)
    needed = (columns * tile, rows * tile)
    if picture.size != needed:
        raise EvaluationError(
            f"Picture '{path}' is {picture.width} x {picture.height} pixels; {tiles} labels in rows of "
            f"{columns} tiles of {tile} x {tile} need {needed[0]} x {needed[1]}.",
            "Mend tile, columns or labels in sheet.json.",
        )
    return picture
