"""Every trial of a study as one table: for spreadsheets, notebooks, papers."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from study.axes import axes
from study.errors import StudyError
from study.folder.trial import Measured, Trial
from study.study import Study

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for a formula


def table(study: Study) -> list[dict[str, Any]]:
    """One row per trial, oldest first. Columns: number, trial, method, origin, state, fidelity (validation samples per
    task that it saw; empty: all), `c.EXPERT` or `c.EXPERT@GROUP` (coefficients), `TASK`, `TASK.stderr`, `TASK.n`
    (validation), `test.TASK`, `test.TASK.stderr`, seconds by part, finished, error."""
    return [_row(study, trial) for trial in study.store.trials()]


def _row(study: Study, trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": trial.number,
        "trial": trial.id,
        "method": trial.method,
        "origin": trial.origin,
        "state": trial.state,
        "fidelity": trial.fidelity,
    }
    row |= {f"c.{name}": trial.coefficients[name] for name in study.coefficients}
    for task in axes(study):
        one, test = trial.metrics.get(task.name), trial.test.get(task.name)
        row |= {task.name: _value(one), f"{task.name}.stderr": _error(one), f"{task.name}.n": one.n if one else None}
        row |= {f"test.{task.name}": _value(test), f"test.{task.name}.stderr": _error(test)}
    row |= {f"seconds.{part}": seconds for part, seconds in trial.seconds.items()}
    return {**row, "finished": trial.finished, "error": trial.error}


def _value(one: Measured | None) -> float | None:
    return None if one is None else one.value


def _error(one: Measured | None) -> float | None:
    return None if one is None else one.stderr


def as_csv(rows: list[dict[str, Any]]) -> str:
    """The table as CSV with full precision; a text that a spreadsheet would run as a formula gets a ' before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow([_safe(name) for name in rows[0]])
    for row in rows:
        writer.writerow([_safe(value) for value in row.values()])
    return out.getvalue()


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value) if isinstance(value, float) else value


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """The table as a Parquet file; a column without a value in it has the type that its values would have."""
    import pyarrow  # here: the screens show a table without it
    from pyarrow import parquet

    out = io.BytesIO()
    found = pyarrow.Table.from_pylist(rows)
    for place, column in enumerate(found.schema):
        if pyarrow.types.is_null(column.type):
            typed = pyarrow.field(column.name, _type_of(column.name))
            found = found.set_column(place, typed, pyarrow.nulls(found.num_rows, typed.type))
    parquet.write_table(found, out)
    return out.getvalue()


def _type_of(name: str) -> str:
    """The Parquet type of the values of a column."""
    if name == "error":
        return "string"
    return "int64" if name == "fidelity" or name.endswith(".n") else "float64"


def write_table(study: Study, out: Path) -> int:
    """Write the table as OUT.csv or OUT.parquet; the number of rows.

    Raises:
        StudyError: another ending, the file exists, or it cannot be written.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise StudyError(f"'{out}' ends neither in .csv nor in .parquet.", "Name the file OUT.csv or OUT.parquet.")
    if out.exists():
        raise StudyError(f"'{out}' exists already.", "Choose a new name: nothing is ever overwritten.")
    rows = table(study)
    try:
        out.write_bytes(as_csv(rows).encode() if out.suffix == ".csv" else as_parquet(rows))
    except OSError as error:
        raise StudyError(f"'{out}' cannot be written: {error}.", "Is the disk full, or the folder read-only?") from None
    return len(rows)
