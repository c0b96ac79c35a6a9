"""A run as a visitor lives it: the goals U8, U9, U10 and U11, and the way from the start page to a file, in seconds.

    python -m benchmarks.live_run [--size 1500] [--out benchmarks/results/live_run.json]

One server per part. *progress*: the demo by clicks; how long after a trial stands in the store the page says so; the
whole run. *reload*: the same page loaded again and in a second tab during the run, until it shows the progress. *stop*:
from the click to its acknowledgement, and how many trials are finished after it. *killed*: the server is killed
(SIGKILL) during a run; what the worker still finishes. *download*: a file of --size MB is fetched from an export;
megabytes a second, and by how much the server's resident memory grows meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page

from benchmarks.browsing import Server, chromium, served
from benchmarks.peers.machine import machine
from study.background.worker import alive, stop
from study.study import Study, open_study
from ui import copy, copy_run

BAR = "[data-testid=stProgress]"
SHOWN = re.compile(re.escape(copy.PROGRESS).replace(r"\{done\}", r"(\d+)").replace(r"\{total\}", r"\d+"))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1500, help="megabytes of the file that is downloaded")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/live_run.json"))
    chosen = parser.parse_args()
    with chromium() as browser:
        result = {
            "progress": progress(browser),
            "reload": reload(browser),
            "stop": stopping(browser),
            "killed": killed(browser),
            "download": download(browser, chosen.size),
            "load": os.getloadavg(),
            "machine": machine(),
        }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps({part: {k: v for k, v in found.items() if k != "raw"} for part, found in _parts(result)}, indent=1)
    )


def _parts(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, found) for name, found in result.items() if isinstance(found, dict) and name != "machine"]


@contextmanager
def running(browser: Browser) -> Iterator[tuple[Server, Page, Study]]:
    """A fresh server on which a visitor has just started the demo: (the server, the page, the study)."""
    with tempfile.TemporaryDirectory() as home:
        with served(Path(home)) as app:
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(app.address)
            page.get_by_role("button", name=copy.DEMO_BUTTON, exact=True).click(timeout=60_000)
            _until(lambda: (Path(home) / "demo" / "trials.sqlite").exists())
            study = open_study(Path(home) / "demo")
            try:
                yield app, page, study
            finally:
                page.context.close()
                study.store.request_cancel()
                stop(study.folder)


def _until(happened: Callable[[], object], seconds: float = 180.0) -> float:
    """Look every 20 ms; the seconds that it took."""
    begun = time.perf_counter()
    while not happened():
        if time.perf_counter() - begun > seconds:
            raise TimeoutError(f"it did not happen within {seconds} s")
        time.sleep(0.02)
    return time.perf_counter() - begun


def _told(page: Page) -> int:
    """How many mixes the page says are measured; -1 while it says nothing."""
    bars = page.locator(BAR).all_inner_texts()
    found = SHOWN.search(bars[0]) if bars else None
    return int(found.group(1)) if found else -1


def _done(study: Study) -> int:
    return sum(trial.origin != "baseline" for trial in study.done())


def progress(browser: Browser) -> dict[str, Any]:
    """Seconds from a trial in the store to its number on the page; from the click to the end of the run."""
    begun = time.perf_counter()
    stored: dict[int, float] = {}
    seen: dict[int, float] = {}
    with running(browser) as (_, page, study):
        while not page.get_by_text(copy.MAP_DONE).count():
            number, now = _done(study), time.perf_counter()
            for one in range(1, number + 1):
                stored.setdefault(one, now)
            for one in range(1, _told(page) + 1):
                seen.setdefault(one, time.perf_counter())
            page.wait_for_timeout(20)
        whole = time.perf_counter() - begun
    late = [max(0.0, seen[one] - stored[one]) for one in seen if one in stored]
    return {
        "trials": len(stored),
        "late_p50": statistics.median(late),
        "late_most": max(late),
        "start_to_end": whole,
        "raw": late,
    }


def reload(browser: Browser, rounds: int = 3) -> dict[str, Any]:
    """Seconds until a page loaded again, and a second tab, show at least the progress that was shown before."""
    again, second = [], []
    with running(browser) as (_, page, study):
        for number in range(1, rounds + 1):
            _until(lambda at=5 * number: _done(study) >= at)
            was = max(_told(page), 1)
            begun = time.perf_counter()
            page.reload()
            _until(lambda was=was: _told(page) >= was)
            again.append(time.perf_counter() - begun)
            other = page.context.new_page()
            begun = time.perf_counter()
            other.goto(page.url)
            _until(lambda other=other, was=was: _told(other) >= was)
            second.append(time.perf_counter() - begun)
            other.close()
    return {
        "reload": statistics.median(again),
        "second_tab": statistics.median(second),
        "raw": {"reload": again, "second_tab": second},
    }


def stopping(browser: Browser) -> dict[str, float]:
    """Seconds from "Stop" to its acknowledgement and to the end; trials finished after it."""
    with running(browser) as (_, page, study):
        _until(lambda: _done(study) >= 5)
        page.get_by_role("button", name=copy.CANCEL).click()
        page.get_by_role("button", name=copy_run.STOP, exact=True).click()
        before, begun = _done(study), time.perf_counter()
        page.get_by_text(copy.CANCELLING).or_(page.get_by_text(copy_run.PHASES["cancelled"])).first.wait_for()
        acknowledged = time.perf_counter() - begun
        _until(lambda: not alive(study.folder))
        ended = time.perf_counter() - begun
        return {"acknowledged": acknowledged, "ended": ended, "trials_after": _done(study) - before}


def killed(browser: Browser) -> dict[str, Any]:
    """The server dies; the worker goes on: trials done before and after, trials lost."""
    with running(browser) as (app, _, study):
        _until(lambda: _done(study) >= 5)
        before = {trial.id for trial in study.done()}
        app.process.kill()
        _until(lambda: not alive(study.folder))
        after = {trial.id for trial in study.done()}
        return {
            "before": len(before),
            "after": len(after),
            "lost": len(before - after),
            "end": study.store.progress().phase,
        }


def download(browser: Browser, size: int) -> dict[str, float]:
    """Speed and memory of a large download: an export whose model file was blown up to ``size`` MB."""
    with running(browser) as (app, page, study):
        page.get_by_role("button", name=copy.EXPLORE_BUTTON).first.click(timeout=120_000)
        page.locator(".mx .task .value").first.wait_for()
        page.locator(".mx").get_by_role("button", name="Use this mix").click()
        page.get_by_role("button", name=copy.EXPORT_ANYWAY).click(timeout=120_000)
        page.get_by_text(copy.LOAD_TITLE).wait_for(timeout=120_000)
        page.get_by_text(copy.OTHER_FILES).click()
        link = page.get_by_role("link", name=re.compile(r"^Download \S+\.safetensors")).first
        target = str(link.get_attribute("href"))
        [model] = (study.folder / "exports").rglob(Path(target).name)
        os.truncate(model, size * 1_000_000)
        return _fetch(app.address + target if target.startswith("/") else target, app.process)


def _fetch(address: str, server: psutil.Process) -> dict[str, float]:
    before = server.memory_info().rss
    most, over = [before], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most.append(server.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun, received = time.perf_counter(), 0
    with urllib.request.urlopen(address) as answer:
        while part := answer.read(1 << 20):
            received += len(part)
    gone = time.perf_counter() - begun
    over.set()
    watcher.join()
    return {
        "megabytes": received / 1e6,
        "megabytes_per_second": received / 1e6 / gone,
        "growth_mb": (max(most) - before) / 1e6,
    }


if __name__ == "__main__":
    main()
