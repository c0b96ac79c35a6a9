"""The process that waits with everything imported obeys one command, as a fresh interpreter would."""

import json
import sys
import time
from pathlib import Path

import pytest

from study.background import catalogue, waiting, worker


def test_a_waiting_process_lists_the_methods_and_obeys_one_command(
    fresh_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_told", [])
    monkeypatch.delenv(waiting.SWITCH, raising=False)
    waiting.keep_ready()
    [process] = waiting._ready
    waiting.keep_ready()
    assert waiting._ready == [process], "never more than one waits"
    log = fresh_demo / "first.log"
    words = ["-m", "study", "status", str(fresh_demo), "--json"]
    assert worker.spawn([sys.executable, *words], log) == process.pid
    assert process.wait(timeout=120) == 0
    assert json.loads(log.read_text())["done"] == 0
    while waiting.told() is None:  # a thread reads it; the time-out of tests ends what never comes
        time.sleep(0.01)
    listed = {one["name"]: one["title"] for one in catalogue.catalogue()}
    assert listed["ties"] == "TIES" and {name: catalogue.title(name) for name in listed} == listed
    assert catalogue.title("own") == "own" and catalogue.title("../method") == "../method"
    # Nobody waits any more, so the next command starts in a fresh interpreter, with the same result.
    assert waiting.hand_over(["status"], log) is None


def test_nothing_waits_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.SWITCH, "0")
    waiting.keep_ready()
    assert waiting._ready == []
