"""Parquet shards, and Hugging Face `datasets` saved to disk (Arrow files): read with pyarrow, row by row."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from evaluation.data.labels import numbered, pool_of
from evaluation.data.picture import decoded
from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError

PICTURES = ("image", "img", "picture", "jpg", "png", "webp")
TEXTS = ("text", "sentence", "content")
LABELS = ("label", "class", "category", "cls", "fine_label")
HELD = 4  # row groups of Parquet files that stay decoded


class Shard:
    """One Parquet or Arrow file."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.file = file
        self._held: OrderedDict[tuple[str, int], Any] = OrderedDict()
        try:
            if file.suffix == ".parquet":
                self._parquet: Any = pq.ParquetFile(file, memory_map=True)
                self.schema = self._parquet.schema_arrow
                facts = self._parquet.metadata
                self._groups = [facts.row_group(each).num_rows for each in range(facts.num_row_groups)]
            else:
                self._parquet = None
                mapped = pa.memory_map(str(file))
                try:
                    self._table = pa.ipc.open_stream(mapped).read_all()
                except pa.ArrowInvalid:
                    self._table = pa.ipc.open_file(mapped).read_all()
                self.schema = self._table.schema
        except (OSError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise EvaluationError(f"'{file}' cannot be read: {reason}.", "Is the file complete?") from None

    def all(self, column: str) -> list[Any]:
        """Every value of a short column, such as the labels."""
        read = self._table if self._parquet is None else self._parquet.read(columns=[column])
        values: list[Any] = read.column(column).to_pylist()
        return values

    def value(self, column: str, row: int) -> Any:
        """One value."""
        if self._parquet is None:
            return self._table.column(column)[row].as_py()
        group = 0
        while row >= self._groups[group]:
            row -= self._groups[group]
            group += 1
        key = (column, group)
        if key not in self._held:
            self._held[key] = self._parquet.read_row_group(group, columns=[column]).column(column)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return self._held[key][row].as_py()


def is_table(path: Path) -> bool:
    """Whether a folder holds Parquet or Arrow files rather than class folders."""
    return bool(_files(path))


def open_table(path: Path) -> Source:
    """Open a Parquet file, a folder of them, or a folder that `datasets.save_to_disk` wrote. The id of a row is its
    file and its number in it, "train-0.parquet#17"; rows are read when asked for.

    Splits come from folder or file names. A picture column holds encoded bytes (alone, or as `datasets` keeps them); a
    label column holds names, or numbers that `datasets` has names for.
    Raises: EvaluationError naming what is missing: a column, a label, rows.
    """
    root = path if path.is_dir() else path.parent
    files = _files(path) if path.is_dir() else [path]
    shards = {file.relative_to(root).as_posix(): Shard(file) for file in files}
    first = next(iter(shards.values()))
    column = _column(path, first.schema.names, (*PICTURES, *TEXTS), "picture or text")
    label = _column(path, first.schema.names, LABELS, "label")
    labels: list[Any] = []
    ids: list[tuple[str, str]] = []
    digest = hashlib.sha256()
    for name, shard in shards.items():
        if column not in shard.schema.names or label not in shard.schema.names:
            raise EvaluationError(f"'{shard.file}' lacks the column '{column}' or '{label}' that '{first.file}' has.")
        found = shard.all(label)
        empty = next((row for row, value in enumerate(found) if value is None or value == ""), None)
        if empty is not None:
            raise EvaluationError(f"'{shard.file}' has no label in row {empty}.", "Fill it, or remove the row.")
        labels += found
        ids += [(f"{name}#{row}", pool_of(shard.file, root)) for row in range(len(found))]
        facts = shard.file.stat()
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    classes, targets = numbered(labels, _names(first, label, root), f"'{path}'")
    items = tuple(Item(id, target, pool) for (id, pool), target in zip(ids, targets, strict=True))
    return Source(path, classes, path.stem, (), items, digest.hexdigest(), partial(_read, path, shards, column))


def _read(path: Path, shards: Mapping[str, Shard], column: str, id: str) -> Image | str:
    name, _, row = id.rpartition("#")
    where = f"'{path}', file {name}, row {row}, column '{column}'"
    value = shards[name].value(column, int(row))
    if isinstance(value, dict):
        value = value.get("bytes") or _beside(path, value.get("path"), where)
    if isinstance(value, bytes):
        return decoded(value, where)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise EvaluationError(f"{where} is empty.", "Fill it, or remove the row.")


def _files(path: Path) -> list[Path]:
    return sorted(
        each for each in path.rglob("*") if each.suffix in (".parquet", ".arrow") and not each.name.startswith("cache-")
    )


def _column(path: Path, names: Sequence[str], wanted: Sequence[str], what: str) -> str:
    for name in wanted:
        if name in names:
            return name
    raise EvaluationError(
        f"'{path}' has no {what} column; it has {', '.join(names)}.", f"Columns looked for: {', '.join(wanted)}."
    )


def _names(shard: Shard, label: str, root: Path) -> list[str] | None:
    """Names of numbered labels, from the file's own metadata or from dataset_info.json beside it."""
    facts: Any = {}
    written = (shard.schema.metadata or {}).get(b"huggingface")
    beside = shard.file.parent / "dataset_info.json"
    try:
        if written:
            facts = json.loads(written)["info"]
        elif beside.is_file():
            facts = json.loads(beside.read_text(encoding="utf-8"))
        names = facts.get("features", {}).get(label, {}).get("names")
    except (ValueError, KeyError, AttributeError) as error:
        raise EvaluationError(f"What '{shard.file}' says of its labels cannot be read: {error}.") from None
    return None if names is None else [str(name) for name in names]


def _beside(root: Path, name: object, where: str) -> bytes:
    """A picture kept as a path, taken only from inside the data's own folder."""
    folder = root if root.is_dir() else root.parent
    file = (folder / str(name)).resolve() if name else None
    if file is None or not file.is_file() or not file.is_relative_to(folder.resolve()):
        raise EvaluationError(f"{where} has no bytes, and its file '{name}' is not beside it.", "Save the bytes too.")
    return file.read_bytes()
