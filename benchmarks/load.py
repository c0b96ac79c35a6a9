"""Visitors who explore while a study runs: errors, seconds until a page is drawn, the server's memory.

python -m benchmarks.load [--visitors 20] [--seconds 300] [--seed 0]. Each visitor speaks the app's own websocket, as a
browser does: opens a page of a measured study, reads every message until it is drawn, waits a little, goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.browsing import ROOT, Server, served
from benchmarks.peers.machine import machine
from study.background.worker import busy, start, stop
from study.demo import write_demo
from study.run import run
from study.study import Study

RESULT = ROOT / "benchmarks" / "results" / "load.json"
PAGES = ("explore", "explore", "explore", "run", "export", "history", "home")
TRIALS = 12
AT_ONCE = 60  # trials of each study that is measured meanwhile
PATIENCE = 60.0  # seconds after which a page counts as an error


@dataclass
class Tally:
    """What the visitors saw: seconds per page by name, errors in words, memory in MB."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def visit(host: str, study: str, chance: random.Random, until: float, tally: Tally) -> None:
    """One visitor: page after page over one connection until the time is over."""
    try:
        async with connect(
            f"ws://{host}/_stcore/stream", origin=f"http://{host}", subprotocols=["streamlit"], max_size=None
        ) as line:
            while time.monotonic() < until:
                page = chance.choice(PAGES)
                begun = time.monotonic()
                await line.send(_ask(page, f"study={study}"))
                problem = await asyncio.wait_for(_drawn(line), PATIENCE)
                tally.seconds.setdefault(page, []).append(time.monotonic() - begun)
                if problem:
                    tally.errors.append(f"{page}: {problem}")
                await asyncio.sleep(chance.uniform(1.0, 4.0))
    except Exception as error:  # whatever ends a visit is an error that the visitor sees
        tally.errors.append(f"{type(error).__name__}: {error}")


def _ask(page: str, query: str) -> bytes:
    message = BackMsg()
    message.rerun_script.page_name = "" if page == "home" else page
    message.rerun_script.query_string = query
    return bytes(message.SerializeToString())


async def _drawn(line: ClientConnection) -> str | None:
    """Read until the page is drawn; the first error box on it, if any."""
    problem = None
    while True:
        message = ForwardMsg()
        data = await line.recv()
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            problem = problem or _error(message.delta.new_element)
        # A page that draws itself again ends its first run early; what the visitor waits for is the last one's end.
        if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return problem


def _error(element: Any) -> str | None:
    if element.WhichOneof("type") == "exception":
        return str(element.exception.message)
    if element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR:
        return str(element.alert.body)
    return None


async def crowd(app: Server, studies: list[str], visitors: int, seconds: float, seed: int) -> Tally:
    """Many visitors at once, each with a study and a chance of its own."""
    tally, host = Tally(), app.address.removeprefix("http://")
    until = time.monotonic() + seconds

    async def watch() -> None:
        while time.monotonic() < until:
            tally.memory.append(_resident(app.process))
            await asyncio.sleep(1.0)

    going = [
        visit(host, studies[number % len(studies)], random.Random(f"{seed} {number}"), until, tally)
        for number in range(visitors)
    ]
    await asyncio.gather(watch(), *going)
    return tally


def _resident(server: psutil.Process) -> float:
    """MB of the server and of the processes that it keeps."""
    total = 0.0
    for one in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss / 1e6
    return total


def prepare(home: Path, measured: Path | None = None) -> str:
    """The name of a measured study to explore."""
    if measured is None:
        run(write_demo(home / "seen"), TRIALS)
    else:
        shutil.copytree(measured, home / "seen")
    return "seen"


class Working:
    """Some worker measures all the time: a study that is finished is followed by a fresh one beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.studies: list[Study] = []
        self.follow()

    def follow(self) -> None:
        """Start the next study if the last one is no longer measured."""
        if not busy():  # the process, not the lock: that is taken only once everything is loaded
            study = write_demo(self.home / f"busy{len(self.studies)}", ("digits", "flags", "signs"))
            start(study.folder, trials=AT_ONCE)
            self.studies.append(study)

    async def until(self, end: float) -> None:
        """Keep somebody at work until then."""
        while time.monotonic() < end:
            await asyncio.sleep(2.0)
            self.follow()

    def finish(self) -> int:
        """Stop the last worker; how many trials all of them measured."""
        self.studies[-1].store.request_cancel()
        stop(self.studies[-1].folder)
        return sum(len(study.done()) for study in self.studies)


async def _beside(working: Working, visits: Coroutine[Any, Any, Tally], seconds: float) -> Tally:
    tally, _ = await asyncio.gather(visits, working.until(time.monotonic() + seconds))
    return tally


def load(visitors: int, seconds: float, seed: int, measured: Path | None = None) -> dict[str, Any]:
    """The whole load; numbers for the result file."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        seen = prepare(home, measured)
        with served(home, MERGESCAPE_READY="0") as app:
            working = Working(home)
            visits = crowd(app, [seen, "busy0"], visitors, seconds, seed)
            try:
                tally = asyncio.run(_beside(working, visits, seconds))
            finally:
                done = working.finish()
    times = sorted(one for each in tally.seconds.values() for one in each)
    return {
        "visitors": visitors,
        "seconds": seconds,
        "pages": len(times),
        "errors": len(tally.errors),
        "what": sorted(set(tally.errors))[:10],
        "p50": median(times) if times else None,
        "p95": times[int(0.95 * (len(times) - 1))] if times else None,
        "p95_by_page": {
            page: sorted(each)[int(0.95 * (len(each) - 1))] for page, each in sorted(tally.seconds.items())
        },
        "memory_mb": {"start": tally.memory[0], "most": max(tally.memory), "end": tally.memory[-1]},
        "trials_measured_meanwhile": done,
    }


def main() -> int:
    """Run, print, keep; 1 when a visitor saw an error."""
    words = argparse.ArgumentParser()
    words.add_argument("--visitors", type=int, default=20)
    words.add_argument("--seconds", type=float, default=300.0)
    words.add_argument("--seed", type=int, default=0)
    asked = words.parse_args()
    found = load(asked.visitors, asked.seconds, asked.seed)
    RESULT.write_text(json.dumps({**found, "seed": asked.seed, "machine": machine()}, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 1 if found["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
