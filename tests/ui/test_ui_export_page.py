"""What the export page says when something cannot be written, and where it says so."""

import json
from pathlib import Path

import pytest

from study.errors import StudyError
from study.study import Study
from tests.ui.visiting import texts, visit
from ui import copy, jobs, parts
from ui import copy_export as told

MIX = {"digits": 1.0, "signs": 0.0, "flags": 0.0}
PICK = "1~0~0"


def job(study: Study, name: str, log: str) -> None:
    """An export whose process is gone, and what it wrote last."""
    place = study.folder / "exports"
    place.mkdir(exist_ok=True)
    note = {"coefficients": MIX, "method": "task_arithmetic", "dtype": "as base", "started": 1.0, "pid": 2**22 + 7}
    (place / f"{name}.job").write_text(json.dumps(note))
    (place / f"{name}.log").write_text(log)


def test_a_folder_that_cannot_be_written_is_one_line(measured: Study) -> None:
    (measured.folder / "exports").write_text("a file where a folder should be")
    app = visit("export", study="demo", pick=PICK)
    app.button(key="write").click().run()
    assert [one.value for one in app.error] and not app.exception
    said = app.error[0].value.replace("\\", "")
    assert f"'{measured.folder / 'exports'}' cannot be written: File exists." in said and "Allow Mergescape" in said
    with pytest.raises(StudyError, match="cannot be written"):
        jobs.start_forms(measured, MIX, "task_arithmetic")


@pytest.mark.parametrize(("log", "said"), [("The disk is full.\n", "The disk is full."), ("", told.NO_WORD)])
def test_a_failed_export_is_told_beside_its_button(measured: Study, log: str, said: str) -> None:
    job(measured, "my-mix", log)
    app = visit("export", study="demo", pick=PICK)
    assert [one.value for one in app.error] == [copy.EXPORT_FAILED.format(name="my-mix", error=said)]
    kinds = [(one.type, getattr(one, "label", "")) for one in app.main if one.type in ("button", "error", "expander")]
    labels = [label for _, label in kinds]
    error = next(k for k, (kind, _) in enumerate(kinds) if kind == "error")
    assert labels.index(copy.EXPORT_BUTTON) < error < labels.index(told.COMMAND)


@pytest.mark.parametrize(
    ("direction", "value", "points"),
    [("max", 0.79, None), ("max", 0.77, "5.0"), ("max", 0.99, None), ("min", 0.85, None), ("min", 0.87, "5.0")],
)
def test_a_check_misses_its_prediction_beyond_its_own_error(direction: str, value: float, points: str | None) -> None:
    task = {"name": "t", "title": "Signs", "unit": "fraction", "direction": direction}
    predicted = {"t": {"mean": 0.82, "low": 0.80, "high": 0.84}}
    found = parts.missed([task], predicted, {"t": {"value": value, "stderr": 0.02}})
    assert found == ([copy.MISSED.format(task="Signs", points=5.0)] if points else [])


def test_a_name_that_is_taken_is_told(measured: Study, tmp_path: Path) -> None:
    job(measured, "cars", "")
    app = visit("export", study="demo", pick=PICK)
    assert "already" not in texts(app)
    name = next(one for one in app.text_input if one.label == copy.EXPORT_NAME)
    name.set_value("cars").run()
    assert told.NAME_TAKEN.format(name="cars", free="cars-2") in texts(app)
