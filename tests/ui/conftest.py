"""Studies that the pages are opened on."""

import shutil
from pathlib import Path

import pytest

from study.study import Study, open_study


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "studies"
    place.mkdir()
    monkeypatch.setenv("MERGESCAPE_HOME", str(place))
    return place


@pytest.fixture
def measured(home: Path, measured_demo: Path) -> Study:
    shutil.copytree(measured_demo, home / "demo")
    return open_study(home / "demo")


@pytest.fixture
def untouched(home: Path) -> Study:
    from study.demo import write_demo

    return write_demo(home / "demo")
