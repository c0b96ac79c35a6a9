"""What people get wrong in their data: one clear line that names file or row and what to do, exit code 2."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from study.commands.terminal import main
from study.study import open_study

Change = Callable[[Path], dict[str, Any]]
FEW = {"calibration": 0, "validation": 8, "test": 8}


def _folder(folder: Path) -> Path:
    """Twelve pictures in each of three class folders."""
    for number, name in enumerate(("cat", "cow", "dog")):
        (folder / "data" / name).mkdir(parents=True)
        for place in range(12):
            colour = (80 * number, 20 * place, 9)
            Image.new("RGB", (32, 32), colour).save(folder / "data" / name / f"{place:02}.png")
    return folder / "data"


def _empty_class(folder: Path) -> dict[str, Any]:
    (_folder(folder) / "emu").mkdir()
    return {"data": "data"}


def _truncated(folder: Path) -> dict[str, Any]:
    for file in (_folder(folder) / "dog").iterdir():
        file.write_bytes(file.read_bytes()[:40])
    return {"data": "data", "samples": FEW}


def _unknown_label(folder: Path) -> dict[str, Any]:
    file = folder / "tasks" / "digits" / "sheet.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    facts["labels"][3] = "sevne"
    file.write_text(json.dumps(facts), encoding="utf-8")
    return {}


def _top5_of_three(folder: Path) -> dict[str, Any]:
    _folder(folder)
    return {"data": "data", "samples": FEW, "metric": "top5"}


def _grades_without_order(folder: Path) -> dict[str, Any]:
    _folder(folder)
    return {"data": "data", "samples": FEW, "metric": "spearman"}


def _areas_of_one_class(folder: Path) -> dict[str, Any]:
    _folder(folder)
    return {"data": "data", "samples": {"calibration": 0, "validation": 1, "test": 8}, "metric": "auroc"}


def _measurements(folder: Path) -> dict[str, Any]:
    rows = "\n".join(f"text {number},{number / 7:.2f}" for number in range(20))
    (folder / "scores.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    return {"data": "scores.csv", "metric": "spearman"}


def _texts_for_pictures(folder: Path) -> dict[str, Any]:
    rows = "\n".join(f"text {number},{number % 2}" for number in range(20))
    (folder / "texts.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    return {"data": "texts.csv", "samples": FEW}


def _no_label(folder: Path) -> dict[str, Any]:
    (folder / "texts.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b"}\n', encoding="utf-8")
    return {"data": "texts.jsonl"}


def _one_name_twice(folder: Path) -> dict[str, Any]:
    return {"name": "signs"}


CASES: dict[Change, list[str]] = {
    _empty_class: ["Class folder '", "emu' has no images", "Remove it, or add images"],
    _truncated: ["dog/", ".png' cannot be read", "Replace or remove the file", "unreadable: skip"],
    _unknown_label: ["sheet.json' has the unknown label 'sevne' at tile 3", "class names or numbers from 0 to 9"],
    _top5_of_three: ["Task 'digits': metric 'top5' is 1 for every model: the task has 3 classes", "Choose accuracy"],
    _grades_without_order: ["Task 'digits': metric 'spearman' compares grades", "class 'cat' is no number", "classes:"],
    _areas_of_one_class: ["metric 'auroc' compares classes, and all 1 validation samples are of one", "Raise samples"],
    _measurements: ["scores.csv', row 1: label '0.00' is a measurement, not a class", "grades in order"],
    _texts_for_pictures: ["sees pictures; the task holds texts"],
    _no_label: ["texts.jsonl' has no label in row 2", "label, class, category"],
    _one_name_twice: ["two tasks are called 'signs'", "a name of its own"],
}


def _line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that must be refused says last on stderr, with exit code 2 and no traceback."""
    monkeypatch.setattr(sys, "argv", ["study", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "Traceback" not in said, said
    return said.strip().splitlines()[-1]


def _edit(folder: Path, field: str, changed: dict[str, Any]) -> None:
    """Change the study's first task, or its base."""
    file = folder / "study.yaml"
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    (value["tasks"][0] if field == "tasks" else value[field]).update(changed)
    file.write_text(yaml.safe_dump(value), encoding="utf-8")


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__.strip("_"))
def test_bad_data_are_named_in_one_line(
    fresh_demo: Path, change: Change, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(fresh_demo, "tasks", change(fresh_demo))
    said = _line(monkeypatch, capsys, "run", str(fresh_demo), "--trials", "2", "--device", "cpu")
    assert all(part in said for part in CASES[change]), said
    if change is not _one_name_twice:
        assert open_study(fresh_demo).done() == []


def test_a_missing_tokenizer_is_named(
    fresh_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(fresh_demo, "base", {"tokenizer": "models/other.txt.gz"})
    said = _line(monkeypatch, capsys, "run", str(fresh_demo), "--trials", "2", "--device", "cpu")
    assert "Tokenizer '" in said and "other.txt.gz' of model" in said and "gzipped BPE file" in said


def test_unreadable_pictures_are_skipped_by_choice_and_counted(
    fresh_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _folder(fresh_demo)
    for number in range(0, 12, 2):
        (data / "dog" / f"{number:02}.png").write_bytes(b"not a picture")
    samples = {"calibration": 0, "validation": 15, "test": 15}
    _edit(fresh_demo, "tasks", {"data": "data", "samples": samples, "unreadable": "skip"})
    monkeypatch.setattr(sys, "argv", ["study", "doctor", str(fresh_demo), "--device", "cpu"])
    main()
    said = capsys.readouterr().out
    assert re.search(
        r"WARN  task 'digits': [56] samples of 'digits' cannot be read and were skipped, first 'dog/", said
    )
