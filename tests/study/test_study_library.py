"""The studies of this computer: nothing that is removed, copied or taken in is lost or mixed up."""

from pathlib import Path

import pytest

from study.errors import StudyError
from study.keeping import library
from study.keeping.pack import pack
from study.study import open_study
from tests.conftest import copied


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured_demo: Path) -> Path:
    monkeypatch.setenv("MERGESCAPE_HOME", str(tmp_path / "studies"))
    copied(measured_demo, tmp_path / "studies" / "demo")
    return tmp_path / "studies"


def test_a_copy_has_everything_and_stands_alone(home: Path) -> None:
    key = library.duplicate("demo")
    assert key == "demo-copy" and library.find(key).settings.name.endswith("(copy)")
    assert library.find(key).store.trials() == library.find("demo").store.trials()
    copied = library.find(key)
    trial = copied.done()[0]
    copied.store.propose("another", trial.method, {}, trial.coefficients, "asked")
    assert len(library.find("demo").store.trials()) == len(copied.store.trials()) - 1


def test_the_trash_keeps_until_it_is_emptied(home: Path) -> None:
    token = library.remove("demo")
    [removed] = library.trash()
    assert removed.token == token and removed.name.startswith("Demo") and library.studies() == []
    assert library.restore(token) == "demo" and library.trash() == []
    library.remove("demo")
    assert library.empty_trash() == 1 and library.trash() == []
    with pytest.raises(StudyError, match="no longer in the trash"):
        library.restore(token)


def test_a_packed_study_is_taken_in_beside_the_first(home: Path, tmp_path: Path) -> None:
    pack(open_study(home / "demo"), tmp_path / "demo.zip")
    key = library.take_in(tmp_path / "demo.zip", "../demo.zip")
    assert key == "demo-2" and library.find(key).store.trials() == library.find("demo").store.trials()
