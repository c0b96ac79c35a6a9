"""What the benchmarks of the browser share: the app on a free port, Chromium, quantiles, where a number comes from."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium(play: Playwright) -> Browser:
    """The system's browser without a window."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return play.chromium.launch(executable_path=found, args=FLAGS)


@contextmanager
def served(script: Sequence[str], home: Path) -> Iterator[str]:
    """A Streamlit script with its arguments on a free port; studies live in ``home``."""
    environment = {**os.environ, "MERGESCAPE_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script[0], "--server.port", str(port), "--", *script[1:]]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    served.pid = server.pid  # type: ignore[attr-defined]
    try:
        address = f"http://localhost:{port}"
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def measured_demo(folder: Path, trials: int) -> None:
    """The demo, measured."""
    for words in (["demo", str(folder)], ["run", str(folder), "--trials", str(trials)]):
        subprocess.run([sys.executable, "-m", "study", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


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
