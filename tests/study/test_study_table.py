"""The table of trials: every number comes back, and no cell is a formula."""

import csv
import io
from pathlib import Path

import pytest

from study.errors import StudyError
from study.keeping.table import as_csv, table, write_table
from study.study import open_study


def test_every_number_comes_back(measured_demo: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    study = open_study(measured_demo)
    assert write_table(study, tmp_path / "t.csv") == write_table(study, tmp_path / "t.parquet") == 12
    rows = table(study)
    read = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert [float(row["digits"]) for row in read] == [row["digits"] for row in rows]
    assert [float(row["c.signs"]) for row in read] == [row["c.signs"] for row in rows]
    found = parquet.read_table(tmp_path / "t.parquet")
    assert found.to_pylist() == rows
    types = {name: str(found.schema.field(name).type) for name in ("fidelity", "digits.n", "test.digits", "error")}
    assert types == {"fidelity": "int64", "digits.n": "int64", "test.digits": "double", "error": "string"}


def test_no_cell_is_a_formula() -> None:
    rows = [{"error": "=HYPERLINK(1)", "value": -1.5, "=name": "@x"}]
    assert as_csv(rows) == "error,value,'=name\n'=HYPERLINK(1),-1.5,'@x\n"


def test_other_endings_and_existing_files_are_refused(measured_demo: Path, tmp_path: Path) -> None:
    study = open_study(measured_demo)
    (tmp_path / "t.csv").write_text("mine")
    for name in ("t.xlsx", "t.csv"):
        with pytest.raises(StudyError):
            write_table(study, tmp_path / name)
    assert (tmp_path / "t.csv").read_text() == "mine"
