"""A table of texts: .csv or .tsv with a header, or .jsonl, with a text, a label, and maybe a split in each row."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluation.data.folder import POOLS
from evaluation.data.labels import numbered
from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError

SUFFIXES = (".csv", ".tsv", ".jsonl")
_TEXT = ("text", "sentence", "content")
_LABEL = ("label", "class", "category")


def open_texts(path: Path) -> Source:
    """Read a table of texts; class numbers follow the sorted labels (as numbers where all are numbers), and the id of a
    text is its row, counted from 1 without the header.

    Raises: EvaluationError naming the row when a text or label is missing.
    """
    try:
        written = path.read_bytes()
        rows = list(_rows(path, written.decode("utf-8-sig")))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise EvaluationError(f"Texts '{path}' cannot be read: {error}.") from None
    texts: dict[str, str] = {}
    labels: list[str] = []
    pools: list[str] = []
    for number, row in enumerate(rows, start=1):
        text, label = _cell(row, _TEXT), _cell(row, _LABEL)
        if not text or not label:
            lacks = "text" if not text else "label"
            columns = ", ".join(_TEXT if not text else _LABEL)
            raise EvaluationError(f"Texts '{path}' has no {lacks} in row {number}.", f"Columns looked at: {columns}.")
        split = _cell(row, ("split",)) or ""
        if split.lower() not in (*POOLS, ""):
            raise EvaluationError(
                f"Texts '{path}' has the unknown split '{split}' in row {number}.", f"Known: {', '.join(POOLS)}."
            )
        texts[str(number)] = text
        labels.append(label)
        pools.append(POOLS.get(split.lower(), ""))
    classes, targets = numbered(labels, None, f"Texts '{path}'", 1)
    items = tuple(Item(id, target, pool) for id, target, pool in zip(texts, targets, pools, strict=True))
    return Source(path, classes, path.stem, (), items, hashlib.sha256(written).hexdigest(), texts.__getitem__)


def _rows(path: Path, written: str) -> Iterator[Mapping[str, object]]:
    if path.suffix.lower() == ".jsonl":
        for line in written.splitlines():
            if line.strip():
                row = json.loads(line)
                yield row if isinstance(row, dict) else {}
        return
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    yield from csv.DictReader(written.splitlines(keepends=True), delimiter=delimiter)


def _cell(row: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    for name in names:
        if row.get(name) is not None:
            return str(row[name]).strip()
    return None
