"""On a Ray cluster (a local one of two workers) a study measures what it would alone, though a worker is killed."""

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from study.errors import StudyError
from study.run import run
from study.running.places import Place
from tests.study.test_study_executor import TRIALS, Killer, same
from tests.study.test_study_resume import small_demo

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed (pip install -r requirements-ray.txt)"
)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For Ray's sockets, whose paths may not be long, and what a node writes; gone when the cluster has ended."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.filterwarnings("ignore")  # Ray's own, in this process
def test_a_cluster_finds_what_one_process_does_though_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_folder: Path
) -> None:
    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.setenv(name, str(short_folder))
    alone, study = small_demo(tmp_path / "alone"), small_demo(tmp_path / "study")
    run(alone, trials=TRIALS, device="cpu")
    with Killer(study, "ray::Remote") as killer:
        report = run(study, trials=TRIALS, place=Place("ray", "cpu", 2, "local", ship=True))
    assert killer.killed and report.measured == TRIALS and same(alone, study)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"No Ray cluster answers at '127\.0\.0\.1:1'"):
        run(small_demo(tmp_path / "study"), trials=1, place=Place("ray", "cpu", 1, "127.0.0.1:1"))
