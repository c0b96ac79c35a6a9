"""Studies that the pages are opened on."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from study.background import worker
from study.study import Study, open_study
from tests.conftest import copied


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where studies are kept; what a page has set going there ends with the test."""
    place = tmp_path / "studies"
    place.mkdir()
    monkeypatch.setenv("MERGESCAPE_HOME", str(place))
    yield place
    for child in worker._CHILDREN:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.fixture
def measured(home: Path, measured_demo: Path) -> Study:
    copied(measured_demo, home / "demo")
    return open_study(home / "demo")


@pytest.fixture
def untouched(home: Path) -> Study:
    from study.demo import write_demo

    return write_demo(home / "demo")
