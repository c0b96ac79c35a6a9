"""How fast the explorer answers: slider to redraw, processor time per step, in a headless Chromium on the demo.

    python -m benchmarks.explorer_latency [--steps 60] [--out benchmarks/results/explorer_latency.json]

Starts the app on a free port with a demo study of 30 trials, moves a slider key by key, and takes the time from the key
to the second animation frame after it (the drawn one), plus the main thread's own time by the browser's own count.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WATCH = """() => {
  window.drawn = [];
  document.addEventListener('keydown', () => {
    const begun = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() => window.drawn.push(performance.now() - begun)));
  }, true);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/explorer_latency.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as address:
        result = measure(address, chosen.steps)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "raw"}, indent=1))


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The app with one measured demo study, on a free port."""
    environment = {**os.environ, "MERGESCAPE_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE"}
    for words in (["demo", str(home / "demo")], ["run", str(home / "demo"), "--trials", "30"]):
        subprocess.run([sys.executable, "-m", "study", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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


def measure(address: str, steps: int) -> dict[str, Any]:
    """Milliseconds per slider step: wall from key to drawn frame, and the main thread's own."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        page.goto(f"{address}/explore?study=demo")
        page.locator(".mx .task .value").first.wait_for(timeout=60_000)
        opened = time.perf_counter() - begun
        page.wait_for_timeout(1500)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.evaluate(WATCH)
        slider = page.get_by_role("slider", name="Minimum for Road signs")
        slider.focus()
        before = busy(session)
        for number in range(steps):
            slider.press("ArrowRight")
            page.wait_for_function("(n) => window.drawn.length > n", arg=number)
        wall = [float(one) for one in page.evaluate("window.drawn")]
        own = 1000 * (busy(session) - before) / steps
        points = predicted(page)
        browser.close()
    ordered = sorted(wall)
    return {
        "claim": "slider to redraw p95 < 60 ms (fail at 120)",
        "opened_seconds": opened,
        "p50_ms": statistics.median(wall),
        "p95_ms": ordered[int(0.95 * (len(ordered) - 1))],
        "main_thread_ms_per_step": own,
        "points": points,
        "load": os.getloadavg()[0],
        "raw": wall,
    }


def busy(session: Any) -> float:
    """Seconds that the page's main thread has worked."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))


def predicted(page: Page) -> str:
    """What the explorer itself says of the number of mixes."""
    return page.locator(".mx .limits").inner_text()


if __name__ == "__main__":
    main()
