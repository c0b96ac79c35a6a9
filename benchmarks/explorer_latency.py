"""How fast the explorer answers, in a headless Chromium: the goals U1, U2, U3, U4 and U5 of the design notes.

    python -m benchmarks.explorer_latency [--points 5000] [--tasks 8] [--steps 60] [--busy] [--out …json]

A made-up study (benchmarks/synthetic_explorer.py). A slider is moved key by key: wall time from the key to the drawn
frame (the second animation frame after it), the main thread's own time by the browser's own count. Then a drag by the
mouse (redraws and frames per second), then choosing mixes on the map until the whole panel is drawn, and what goes over
the wire per release. --busy: a real study is measured on the same machine meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from benchmarks.browsing import ROOT, chromium, provenance, quantile, served

WATCH = """() => {
  window.drawn = [];
  const watch = () => {
    const begun = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() => window.drawn.push(performance.now() - begun)));
  };
  document.addEventListener('keydown', watch, true);
  document.addEventListener('click', watch, true);
}"""
FRAMES = """() => { window.frames0 = 0; window.counting = true;
  const tick = () => { window.frames0 += 1; if (window.counting) requestAnimationFrame(tick); };
  requestAnimationFrame(tick); }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    chosen = parser.parse_args()
    script = ("benchmarks/synthetic_explorer.py", str(chosen.points), str(chosen.tasks))
    with tempfile.TemporaryDirectory() as name, running(chosen.busy, Path(name)), served(Path(name), *script) as server:
        result = measure(server.address, chosen.steps)
    result |= {"points": chosen.points, "tasks": chosen.tasks, "busy": chosen.busy, **provenance()}
    name = f"explorer_latency{'_busy' if chosen.busy else ''}.json"
    out = chosen.out or ROOT / "benchmarks" / "results" / name
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if not key.startswith("raw")}, indent=1))


@contextmanager
def running(wanted: bool, home: Path) -> Iterator[None]:
    """A study that is being measured meanwhile, in a process of its own."""
    if not wanted:
        yield
        return
    folder = str(home / "busy")
    subprocess.run([sys.executable, "-m", "study", "demo", folder], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    command = [sys.executable, "-m", "study", "run", folder, "--trials", "400"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(12)  # until it measures
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the study ended before the measurement did")
    finally:
        process.terminate()
        process.wait()


def measure(address: str, steps: int) -> dict[str, Any]:
    """All numbers of one visit, milliseconds."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        page.goto(address)
        page.locator(".mx .task .value").first.wait_for(timeout=60_000)
        opened = time.perf_counter() - begun
        page.locator(".mx .tile").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2500)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        wire = {"sent": 0, "received": 0}
        session.send("Network.enable")
        session.on("Network.webSocketFrameSent", lambda e: _count(wire, "sent", e))
        session.on("Network.webSocketFrameReceived", lambda e: _count(wire, "received", e))
        page.evaluate(WATCH)
        wall, own = slide(page, session, steps)
        page.wait_for_timeout(1500)
        result = {
            "opened_seconds": opened,
            "p50_ms": quantile(wall, 0.5),
            "p95_ms": quantile(wall, 0.95),
            "main_thread_ms_per_step": own,
            **drag(page),
            "release_bytes": release(page, wire),
        }
        panel = choose(page, max(10, steps // 2))
        result |= {"panel_p50_ms": quantile(panel, 0.5), "panel_p95_ms": quantile(panel, 0.95)}
        result["server_runs"] = answer(page, steps)
        for name in ("wall", "own"):
            result[f"server_{name}_p95_ms"] = float(page.locator("#server").get_attribute(f"data-{name}") or "nan")
        result |= {"raw": wall, "raw_panel": panel}
    return result


def _count(wire: dict[str, int], way: str, event: dict[str, Any]) -> None:
    frame = event["response"]
    size = len(frame["payloadData"])
    wire[way] += size * 3 // 4 if frame["opcode"] == 2 else size


def slide(page: Page, session: Any, steps: int) -> tuple[list[float], float]:
    """Key by key; the wall times, and the main thread's own time per step."""
    slider = page.get_by_role("slider", name="Minimum for Task 2")
    slider.focus()
    before = busy(session)
    for number in range(steps):
        slider.press("ArrowRight" if number % 40 < 20 else "ArrowLeft")
        page.wait_for_function("(n) => window.drawn.length > n", arg=number)
    wall = [float(one) for one in page.evaluate("window.drawn")]
    return wall, 1000 * (busy(session) - before) / steps


def drag(page: Page) -> dict[str, float]:
    """Two seconds of dragging by the mouse: redraws and animation frames per second."""
    box = box_of(page.get_by_role("slider", name="Minimum for Task 3"))
    middle = box["y"] + box["height"] - 19
    page.mouse.move(box["x"] + 12, middle)
    page.mouse.down()
    drawn = "Number(document.querySelector('[data-drawn]')?.dataset.drawn ?? window.mx().dataset.drawn)"
    page.evaluate(
        "window.mx = () => Array.from(document.querySelectorAll('*')).map(e => e.shadowRoot?.querySelector('.mx'))"
        ".find(Boolean)"
    )
    page.evaluate(FRAMES)
    first, begun = page.evaluate(drawn), time.perf_counter()
    step = 0
    while time.perf_counter() - begun < 2.0:
        step += 1
        page.mouse.move(box["x"] + 12 + (step * 3) % (box["width"] * 0.6), middle)
    gone = time.perf_counter() - begun
    last, frames = page.evaluate(drawn), page.evaluate("(window.counting = false, window.frames0)")
    page.mouse.up()
    page.get_by_role("slider", name="Minimum for Task 3").press("Home")
    return {
        "drag_redraws_per_s": (last - first) / gone,
        "drag_frames_per_s": frames / gone,
        "drag_moves_per_s": step / gone,
    }


def release(page: Page, wire: dict[str, int]) -> dict[str, float]:
    """Bytes over the wire for one change and the answer to it, mean of five."""
    before = dict(wire)
    for _ in range(5):
        page.get_by_role("slider", name="Minimum for Task 1").press("ArrowRight")
        page.wait_for_timeout(900)
    return {way: (wire[way] - before[way]) / 5 for way in wire}


def answer(page: Page, count: int) -> int:
    """Release a slider so often that the server's 95th percentile is none of the first messages; how often it ran."""
    told = page.locator("#server")
    for number in range(count):
        before = told.get_attribute("data-runs")
        page.get_by_role("slider", name="Minimum for Task 1").press("ArrowLeft" if number % 2 else "ArrowRight")
        page.wait_for_function("(n) => document.querySelector('#server').dataset.runs !== n", arg=before)
    return int(told.get_attribute("data-runs") or "0")


def choose(page: Page, count: int) -> list[float]:
    """From a click on the map to the whole panel drawn: numbers, sentence, plots and pictures."""
    page.get_by_role("slider", name="Minimum for Task 1").press("Home")
    page.evaluate("window.drawn.length = 0")
    box = box_of(page.locator(".mx canvas.map"))
    for number in range(count):
        x = box["x"] + box["width"] * (0.25 + 0.5 * ((number * 0.37) % 1))
        y = box["y"] + box["height"] * (0.2 + 0.5 * ((number * 0.61) % 1))
        page.mouse.click(x, y)
        page.wait_for_function("(n) => window.drawn.length > n", arg=number)
    return [float(one) for one in page.evaluate("window.drawn")]


def box_of(element: Locator) -> dict[str, float]:
    """Where an element is on the screen."""
    box = element.bounding_box()
    if box is None:
        raise RuntimeError("the explorer is not on the screen")
    return dict(box)


def busy(session: Any) -> float:
    """Seconds that the page's main thread has worked."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
