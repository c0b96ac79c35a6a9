"""How long a new visitor waits: start of the app, start page, and from the click on the demo to its first front.

    python -m benchmarks.first_front [--rounds 3] [--out benchmarks/results/first_front.json]

Each round starts the app anew with an empty home, once with a click as soon as the start page can be clicked and once
with a visitor who reads for eight seconds first (by then the app has warmed up). The start page counts as there with
the first frame that shows the button of the demo. The front counts as there when the scores of a predicted mix stand
on the map page; the click on the way to it is made as soon as its button is there, looked for twice a second.
"""

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser

from benchmarks.browsing import chromium, served
from benchmarks.peers.machine import machine
from study.background.worker import stop
from study.folder.lock import holder
from study.study import open_study
from ui import copy

READING = 8.0
ENOUGH = 5  # mixes from which the demo's map opens
SEEN = """(words) => [...document.querySelectorAll("button")].some(
  (one) => one.textContent.trim() === words && one.checkVisibility() && !one.disabled
)"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/first_front.json"))
    chosen = parser.parse_args()
    with chromium() as browser:
        at_once = [visit(browser, 0.0) for _ in range(chosen.rounds)]
        reading = [visit(browser, READING) for _ in range(chosen.rounds)]
    result = {
        "claim": "start page < 2 s; first front < 15 s after the click",
        "seconds": {"at_once": medians(at_once), "after_reading": medians(reading)},
        "raw": {"at_once": at_once, "after_reading": reading},
        "load": os.getloadavg(),
        "machine": machine(),
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("claim", "seconds", "load")}, indent=1))


def visit(browser: Browser, pause: float) -> dict[str, float]:
    """One visitor on a fresh server; seconds of each part."""
    with tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        with served(Path(home)) as app:
            server = time.perf_counter() - begun
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            page.goto(app.address)
            page.wait_for_function(SEEN, arg=copy.DEMO_BUTTON, timeout=60_000)  # once a frame
            start_page = time.perf_counter() - begun
            page.wait_for_timeout(1000 * pause)
            begun, click = time.perf_counter(), time.time()
            page.get_by_role("button", name=copy.DEMO_BUTTON, exact=True).click()
            page.get_by_role("button", name=copy.EXPLORE_BUTTON).first.click(timeout=120_000)
            button = time.perf_counter() - begun
            page.locator(".mx .task .value").first.wait_for(timeout=120_000)
            front = time.perf_counter() - begun
            page.close()
        end(Path(home) / "demo")
        worked = timeline(Path(home) / "demo", click)
    app_to_start_page = server + start_page
    return {
        "server": server,
        "start_page": start_page,
        "app_to_start_page": app_to_start_page,
        **worked,
        "button": button,
        "front": front,
    }


def timeline(folder: Path, click: float) -> dict[str, float]:
    """Seconds from the click until the worker began (its libraries are imported then), until it had read models and
    samples, and until the first mix and as many as the map needs were measured."""
    with closing(sqlite3.connect(folder / "trials.sqlite")) as db:
        began, proposed = db.execute("SELECT started, (SELECT min(created) FROM trials) FROM worker").fetchone()
        done = [row[0] for row in db.execute("SELECT finished FROM trials WHERE state = 'done' ORDER BY finished")]
    return {
        "worker": began - click,
        "prepared": proposed - click,
        "first_mix": done[0] - click,
        "enough_mixes": done[ENOUGH - 1] - click,
    }


def end(folder: Path) -> None:
    """Stop the worker, which outlives the app, and wait until its process, which may still write a word, is gone."""
    pid = holder(folder)
    open_study(folder).store.request_cancel()
    stop(folder)
    if pid is not None:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(timeout=30)


def medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The median of every part."""
    return {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}


if __name__ == "__main__":
    main()
