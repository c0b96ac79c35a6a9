"""What the benchmarks of the browser share: servers, Chromium, a measured demo, where a number comes from."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 90.0  # seconds until a server answers


@dataclass(frozen=True)
class Server:
    """A server of this computer that answers."""

    address: str
    process: psutil.Process


@contextmanager
def served(home: Path, *script: str, **environment: str) -> Iterator[Server]:
    """The app as `make app` starts it, or another Streamlit script with its arguments; studies live in ``home``."""
    port = free_port()
    name, *words = script or ("app.py",)
    command = [sys.executable, "-m", "streamlit", "run", name, "--server.port", str(port), "--", *words]
    environment = {"MERGESCAPE_HOME": str(home), "PYTHONPATH": str(ROOT)} | environment
    with answering(command, f"http://localhost:{port}", "/_stcore/health", **environment) as server:
        yield server


@contextmanager
def answering(command: Sequence[str], address: str, health: str, **environment: str) -> Iterator[Server]:
    """A server once it answers at its address and the path ``health``; it ends with the block.

    Raises:
        RuntimeError: it ended, or said nothing within PATIENCE; with what it printed.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + PATIENCE
            while not _answers(address + health):
                if time.monotonic() > deadline or process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"nobody answers at {address}: {log.read().decode(errors='replace')}")
                time.sleep(0.05)
            yield Server(address, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium without a window, or Playwright's own."""
    with sync_playwright() as play:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = play.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def measured_demo(folder: Path, trials: int) -> Path:
    """The demo study with so many mixes measured."""
    for words in (["demo", str(folder)], ["run", str(folder), "--trials", str(trials)]):
        subprocess.run([sys.executable, "-m", "study", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted(values)[round(share * (len(values) - 1))]


def provenance() -> dict[str, Any]:
    """Commit, machine, versions, load."""
    import plotly
    import streamlit

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    versions = {"python": platform.python_version(), "streamlit": streamlit.__version__, "plotly": plotly.__version__}
    machine = {"cpus": os.cpu_count(), "system": platform.platform(terse=True), "processor": platform.processor()}
    return {"commit": commit.strip(), "machine": machine, "versions": versions, "load": os.getloadavg()[0]}
