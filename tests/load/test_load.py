"""A few visitors for some seconds; `make load` sends twenty for five minutes while a study runs."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.load import crowd, serving


def test_visitors_see_no_error(measured_demo: Path, tmp_path: Path) -> None:
    shutil.copytree(measured_demo, tmp_path / "seen")
    with serving(tmp_path) as (host, server):
        # In a thread of its own: the browser tests' driver leaves an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            visits = crowd(host, server, ["seen"], visitors=3, seconds=3.0, seed=0)
            tally = thread.submit(asyncio.run, visits).result()
    assert tally.errors == []
    assert sum(map(len, tally.seconds.values())) >= 3
    assert max(tally.memory) < 2000, tally.memory
