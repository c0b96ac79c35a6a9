"""Rows out of a damaged `trials.sqlite`, page by page, without asking SQLite.

The file format is https://www.sqlite.org/fileformat2.html; the sections named below are of that page. Every page that
still is a leaf of a table or an index is read, cell by cell; what cannot be a row of ours is left out.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

STATES = ("proposed", "running", "failed", "done")  # of two rows with one id, the one further on holds
SPLITS = ("validation", "test")
HEX = re.compile(r"[0-9a-f]{12}")
INDEX, TABLE, INNER = 10, 13, 2  # b-tree page types: leaf of an index, leaf of a table, inner page of an index
Value = int | float | str | bytes | None
Row = tuple[Value, ...]


@dataclass
class Salvaged:
    """Rows that were readable: trials by id, measurements by (trial, split, task), hashes by (trial, split)."""

    trials: dict[str, Row] = field(default_factory=dict)
    measurements: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)


def salvage(path: Path) -> Salvaged:
    """Everything readable in the file and its write-ahead journal."""
    pages = _pages(path)
    found = Salvaged()
    for number in sorted(pages.content):
        for row in _cells(pages, number):
            _sort_in(found, row)
    known = set(found.trials)
    found.measurements = {key: row for key, row in found.measurements.items() if key[0] in known}
    found.outputs = {key: digest for key, digest in found.outputs.items() if key[0] in known}
    return found


def _sort_in(found: Salvaged, row: Row) -> None:
    if len(row) in (14, 15) and _is_trial(row):  # a row of an older schema lacks what was added since
        held = found.trials.get(str(row[1]))
        if held is None or STATES.index(str(held[7])) <= STATES.index(str(row[7])):
            found.trials[str(row[1])] = row
    elif len(row) == 8 and _is_measurement(row):
        found.measurements[str(row[0]), str(row[1]), str(row[2])] = row
    elif len(row) == 3 and row[1] in SPLITS and re.fullmatch(r"[0-9a-f]{64}", str(row[2])):
        found.outputs[str(row[0]), str(row[1])] = str(row[2])


def _is_trial(row: Row) -> bool:
    number, identity, context, method, settings, coefficients, origin, state, error, *times = row
    texts = (identity, context, method, origin)
    return (
        isinstance(number, int) and number > 0 and all(isinstance(text, str) and text for text in texts)
        and HEX.fullmatch(str(identity)) is not None and state in STATES
        and _is_mapping(settings) and _is_mapping(coefficients)
        and (error is None or isinstance(error, str))
        and all(_is_number(value) for value in times[:4]) and (times[4] is None or _is_number(times[4]))
        and (not times[5:] or times[5] is None or isinstance(times[5], int))
    )  # fmt: skip


def _is_measurement(row: Row) -> bool:
    trial, split, task, metric, *numbers = row
    return (
        isinstance(trial, str) and HEX.fullmatch(trial) is not None and split in SPLITS
        and isinstance(task, str) and isinstance(metric, str)
        and all(_is_number(value) for value in numbers) and isinstance(numbers[2], int)
    )  # fmt: skip


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_mapping(value: Value) -> bool:
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


@dataclass
class _Pages:
    content: dict[int, bytes]
    usable: int  # bytes of a page without its reserved space


def _pages(path: Path) -> _Pages:
    data = path.read_bytes() if path.exists() else b""
    size = int.from_bytes(data[16:18], "big")  # section 1.3: the header
    size = 65536 if size == 1 else size
    sound = len(data) >= 512 and data.startswith(b"SQLite format 3\0") and size >= 512 and size & (size - 1) == 0
    size = size if sound else 4096
    reserved = data[20] if sound else 0
    content = {number: data[at : at + size] for number, at in enumerate(range(0, len(data), size), start=1)}
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists():
        content |= _journal(journal.read_bytes(), size)
    return _Pages(content, size - reserved)


def _journal(data: bytes, size: int) -> dict[int, bytes]:
    """The pages of committed transactions (section 4.1 to 4.3: salts and a running checksum say which are whole)."""
    if len(data) < 32 or int.from_bytes(data[8:12], "big") != size:
        return {}
    order = ">" if int.from_bytes(data[:4], "big") & 1 else "<"
    sums = _checksum(data[:24], (0, 0), order)
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    for at in range(32, len(data) - 24 - size + 1, 24 + size):
        header, page = data[at : at + 24], data[at + 24 : at + 24 + size]
        sums = _checksum(header[:8] + page, sums, order)
        if header[8:16] != data[16:24] or struct.unpack(">II", header[16:24]) != sums:
            break
        number, after = struct.unpack(">II", header[:8])
        pending[number] = page
        if after:
            committed |= pending
            pending = {}
    return committed


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = sums
    for a, b in struct.iter_unpack(f"{order}II", data):
        one = (one + a + two) & 0xFFFFFFFF
        two = (two + b + one) & 0xFFFFFFFF
    return one, two


def _cells(pages: _Pages, number: int) -> Iterator[Row]:
    """The rows of one page, section 1.6; a cell that runs out of its page is skipped."""
    page = pages.content[number]
    start = 100 if number == 1 else 0
    kind = page[start] if len(page) > start + 8 else 0
    if kind not in (INDEX, TABLE, INNER):
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    pointers = start + (12 if kind == INNER else 8)
    for place in range(pointers, min(pointers + 2 * count, len(page) - 1), 2):
        at = int.from_bytes(page[place : place + 2], "big")
        try:
            yield _cell(pages, page, at, kind)
        except (IndexError, ValueError, struct.error, OverflowError, KeyError):
            continue


def _cell(pages: _Pages, page: bytes, at: int, kind: int) -> Row:
    at += 4 if kind == INNER else 0
    size, at = _varint(page, at)
    rowid = 0
    if kind == TABLE:
        rowid, at = _varint(page, at)
    usable = pages.usable
    most = usable - 35 if kind == TABLE else (usable - 12) * 64 // 255 - 23
    if not 0 < size < 1 << 24:
        raise ValueError
    if size <= most:
        return _record(page[at : at + size], size, rowid)
    least = (usable - 12) * 32 // 255 - 23
    here = least + (size - least) % (usable - 4)
    here = here if here <= most else least
    payload = page[at : at + here]
    following = int.from_bytes(page[at + here : at + here + 4], "big")
    while following and len(payload) < size:
        more = pages.content[following]
        following = int.from_bytes(more[:4], "big")
        payload += more[4:usable]
    return _record(payload[:size], size, rowid)


def _record(data: bytes, size: int, rowid: int) -> Row:
    """Section 2.1; the number of a table's row stands in the place of its NULL primary key."""
    if len(data) < size:
        raise ValueError
    end, at = _varint(data, 0)
    kinds = []
    while at < end:
        kind, at = _varint(data, at)
        kinds.append(kind)
    row: list[Value] = []
    for kind in kinds:
        value, at = _value(data, at, kind)
        row.append(value)
    if at > size:
        raise ValueError
    if rowid and row and row[0] is None:
        row[0] = rowid
    return tuple(row)


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        return float(struct.unpack(">d", data[at : at + 8])[0]), at + 8
    if kind < 7:
        length = (1, 2, 3, 4, 6, 8)[kind - 1]
        return int.from_bytes(data[at : at + length], "big", signed=True), at + length
    length = (kind - 12) // 2
    if length < 0:
        raise ValueError
    content = data[at : at + length]
    return (content.decode() if kind % 2 else content), at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(8):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    return value << 8 | data[at + 8], at + 9
