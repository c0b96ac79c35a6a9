"""What the tests share: a demo study that was really measured, once per test session."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.forking import end_forking, run_package

# Before anything loads torch: waiting threads must not spin, the machine may be shared.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Nothing of a test is kept in the home of who runs it.
os.environ["MERGESCAPE_CACHE"] = ""
if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core already
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says something about the machine, not about the program.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent


def run_command(*words: str, package: str = "study", fresh: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run a command of the program as a person would; ``fresh``: in an interpreter that has loaded nothing yet."""
    return run_package(package, *words, fresh=fresh)


def pytest_unconfigure() -> None:
    """The forking process ends with the tests."""
    end_forking()


def as_json(*words: str, fresh: bool = False) -> dict[str, Any]:
    """The JSON of a command that must succeed; stdout holds it and nothing else."""
    done = run_command(*words, "--json", fresh=fresh)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


class ByFile(LoadFileScheduling):
    """A file stays in one test process, for its fixtures; so do all browser tests, for their server, and all faults."""

    def _split_scope(self, nodeid: str) -> str:
        whole = next((folder for folder in ("tests/browser/", "tests/faults/") if nodeid.startswith(folder)), None)
        return whole or str(super()._split_scope(nodeid))


# What takes longest, the longest first: at the end there are only short ones, and no process is left alone with much.
# The second needs no measured study, so that it need not wait for the first to make one.
LONG = (
    "tests/browser/",
    "tests/merging/test_every_method.py",
    "tests/study/test_study_learning.py",
    "tests/study/test_study_ray.py",
    "tests/study/test_study_commands.py",
    "tests/study/test_study_executor.py",
    "tests/study/test_study_export.py",
    "tests/faults/",
    "tests/docs/test_docs_commands.py",
    "tests/surrogate/test_surrogate_search.py",
    "tests/ui/test_ui_pages.py",
    "tests/ui/test_ui_server.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; the others as they are."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """How pytest-xdist deals tests out (its own groups have no effect under pytest 9.2)."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def measured_demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The demo study with 12 measured trials, one for all test processes. Copy it (`demo_copy`) before changing
    anything."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "measured-demo"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            draft = folder.with_name("measured-demo.part")
            as_json("demo", str(draft))
            report = as_json("run", str(draft), "--trials", "12", "--device", "cpu")
            assert report["done"] == 12, report
            draft.rename(folder)
    return folder


def copied(measured: Path, target: Path) -> Path:
    """A private copy of a measured study that others may be reading.

    Without what SQLite keeps beside its file while they do: it may be gone the next moment, and holds nothing of a
    study that nobody writes.
    """
    return Path(shutil.copytree(measured, target, ignore=shutil.ignore_patterns("*.sqlite-wal", "*.sqlite-shm")))


@pytest.fixture
def demo_copy(measured_demo: Path, tmp_path: Path) -> Path:
    """A private copy of the measured demo study."""
    target = tmp_path / "study"
    copied(measured_demo, target)
    return target


@pytest.fixture
def fresh_demo(tmp_path: Path) -> Path:
    """A demo study in which nothing was measured."""
    from study.demo import write_demo

    return write_demo(tmp_path / "fresh").folder
