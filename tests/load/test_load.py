"""A few visitors for some seconds; `make load` sends twenty for five minutes while a study runs."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.browsing import served
from benchmarks.load import crowd
from tests.conftest import copied


def test_visitors_see_no_error(measured_demo: Path, tmp_path: Path) -> None:
    copied(measured_demo, tmp_path / "seen")
    with served(tmp_path, MERGESCAPE_READY="0") as app:
        # In a thread of its own: the browser tests' driver leaves an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            visits = crowd(app, ["seen"], visitors=3, seconds=3.0, seed=0)
            tally = thread.submit(asyncio.run, visits).result()
    assert tally.errors == []
    assert sum(map(len, tally.seconds.values())) >= 3
    assert max(tally.memory) < 2000, tally.memory
