"""From an input to the frame with a new number: our explorer, a plain Streamlit page, Optuna's dashboard.

    python -m benchmarks.slider_peers [--points 5000] [--tasks 8] [--steps 30] [--environment FOLDER] [--out …json]

The same made-up front (benchmarks/synthetic_explorer.py) in all, in turns, one headless Chromium. Ours and the plain
page: a key moves the least value of task 2. The dashboard has no such slider; its nearest act is to drag the lower end
of a range on an axis of its parallel coordinates, and releasing the mouse is the input. What is waited for has a name
on each page: the number of mixes left, and the plot of them. A MutationObserver sees that the number is another one,
the plot says itself that it is drawn; the time ends with the second animation frame after it, when it is painted.

Every number shown is compared with the count in the data, so what is timed is the answer and not any other change. The
dashboard shows two tasks: with more its server compares every pair of trials for each request; how long one takes with
all tasks is measured apart. --environment: where Optuna's dashboard is installed, or shall be; without it, it is left
out.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.browsing import ROOT, answering, chromium, free_port, provenance, quantile, served
from benchmarks.peers.environment import environment
from benchmarks.peers.sliders import LEFT, TASK, WAYS, Way
from benchmarks.synthetic_explorer import front

PACKAGES = ("optuna==5.0.0", "optuna-dashboard==0.21.0")
SHOWN = 2  # tasks on the dashboard
START = 0.3
ROUNDS = 3
REST = 700  # milliseconds between two steps
PATIENCE = 150_000
ATTEMPTS = 4
LEFT_OUT = "optuna-dashboard: left out, --environment FOLDER names an environment with it, or where to make one"
WATCH = """([event, root, number, signal]) => {
  const read = new Function('return ' + number), place = new Function('return ' + root)();
  const plot = new Function('told', signal);
  const frame = (times, key) =>
    requestAnimationFrame(() => requestAnimationFrame(() => { times[key] ??= performance.now() - times.began; }));
  window.arm = () => { window.times = {before: read(), began: null, seen: null, number: null, plot: null}; };
  window.arm();
  window.addEventListener(event, (e) => { window.times.began ??= e.timeStamp; }, true);
  new MutationObserver(() => {
    const now = window.times;
    if (now.began === null || now.seen !== null || read() === now.before) return;
    now.seen = read();
    frame(now, 'number');
  }).observe(place, {subtree: true, childList: true, characterData: true});
  plot((count) => {
    const now = window.times;
    if (now.began !== null && count !== now.before) { now.drawn = count; frame(now, 'plot'); }
  });
}"""
DONE = "() => window.times.number !== null && window.times.plot !== null"


class NoRange(RuntimeError):
    """No range could be drawn on an axis of the dashboard."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for the dashboard with all tasks")
    parser.add_argument("--environment", type=Path, help="where Optuna's dashboard is installed, or shall be")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "slider_peers.json")
    chosen = parser.parse_args()
    python = _python(chosen.environment)
    with tempfile.TemporaryDirectory() as name:
        data, Y = _written(Path(name) / "front.npz", chosen.points, chosen.tasks)
        answer = _all_tasks(python, data, chosen.tasks, chosen.patience) if python else None
        raw, absent = _measured(python, data, Y, chosen.steps)
    rows = {
        way: {f"{part}_{label}_ms": quantile([one[part] for one in many], share)
              for part in ("number", "plot") for label, share in (("p50", 0.5), ("p95", 0.95))}
        for way, many in raw.items()
    }  # fmt: skip
    result = {"points": chosen.points, "tasks": chosen.tasks, "shown_tasks": {"optuna-dashboard": SHOWN}, "ways": rows,
              "titles": {way: WAYS[way].title for way in rows}, "all_tasks": answer, "absent": absent, "raw": raw,
              "packages": list(PACKAGES) if python else [], **provenance()}  # fmt: skip
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"ways": rows, "all_tasks": answer, "absent": absent}, indent=1))


def _python(folder: Path | None) -> Path | None:
    """The Python of the dashboard's environment; None, and a line that says so, where there is none."""
    if folder is None:
        print(LEFT_OUT)
        return None
    try:
        return environment(folder, PACKAGES)
    except subprocess.CalledProcessError:
        print(f"optuna-dashboard: left out, it could not be installed into {folder} (is there a network?)")
        return None


def _written(path: Path, points: int, tasks: int) -> tuple[Path, NDArray[np.float64]]:
    """The front as numbers, X (k, d) and Y (k, m), in a file; and Y."""
    rows = front(points, tasks, np.random.default_rng(0))["predicted"]
    Y = np.array([[cell["mean"] for cell in row["metrics"].values()] for row in rows])
    np.savez(path, X=np.array([list(row["coefficients"].values()) for row in rows]), Y=Y)
    return path, Y


@contextmanager
def _dashboard(python: Path, data: Path, tasks: int) -> Iterator[str]:
    port = free_port()
    script = ROOT / "benchmarks" / "peers" / "dashboard.py"
    command = [str(python), str(script), str(data), str(tasks), str(port)]
    with answering(command, f"http://127.0.0.1:{port}", "/api/meta") as server:
        yield server.address


def _all_tasks(python: Path, data: Path, tasks: int, patience: float) -> dict[str, float | bool]:
    """Seconds until the dashboard's server has sent the trials with all tasks; or that patience ended before."""
    with _dashboard(python, data, tasks) as address:
        begun = time.perf_counter()
        try:
            urllib.request.urlopen(f"{address}/api/studies/0?after=0", timeout=patience).read()
        except TimeoutError:
            return {"seconds": patience, "answered": False}
        return {"seconds": time.perf_counter() - begun, "answered": True}


def _measured(
    python: Path | None, data: Path, Y: NDArray[np.float64], steps: int
) -> tuple[dict[str, list[dict[str, float]]], dict[str, str]]:
    """Milliseconds of every step, per way, in turns; and why a way is missing."""
    with ExitStack() as stack:
        sizes = [str(size) for size in Y.shape]
        ours = stack.enter_context(served(data.parent, "benchmarks/synthetic_explorer.py", *sizes)).address
        plain = stack.enter_context(served(data.parent, "benchmarks/peers/plain_streamlit.py", str(data))).address
        browser = stack.enter_context(chromium())
        pages = {
            "ours": _opened_slider(browser.new_page(), ours, ".mx .tile"),
            "streamlit": _opened_slider(browser.new_page(), plain, "[data-testid=stMetricValue]"),
        }
        absent = {} if python else {"optuna-dashboard": "not asked for"}
        if python:
            address = stack.enter_context(_dashboard(python, data, SHOWN))
            try:
                pages["optuna-dashboard"] = _opened_dashboard(browser.new_page(), address)
            except (PlaywrightTimeout, NoRange) as error:
                absent["optuna-dashboard"] = str(error).splitlines()[0]
        raw: dict[str, list[dict[str, float]]] = {way: [] for way in pages}
        for _ in range(ROUNDS):
            for way, page in pages.items():
                page.bring_to_front()
                page.wait_for_timeout(REST)
                for _ in range(max(1, steps // ROUNDS)):
                    raw[way].append(_timed(WAYS[way], page, Y, len(raw[way])))
        return raw, absent


def _opened_slider(page: Page, address: str, mark: str) -> Page:
    """A page with a slider whose minimum stands where many mixes are."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    page.locator(mark).first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(4000)
    for unit in page.get_by_role("button", name="Score", exact=True).all():
        unit.click()  # ours: the score itself, not what is kept of the specialist's
    slider = page.get_by_role("slider", name="Minimum for Task 2")
    slider.focus()
    for _ in range(round(100 * START)):
        slider.press("ArrowRight")
    return page


def _opened_dashboard(page: Page, address: str) -> Page:
    """The dashboard's page for choosing trials, with a range drawn on the axis of the second task."""
    page.set_default_timeout(PATIENCE)
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.goto(f"{address}/dashboard/studies/0/smartSelection", wait_until="commit", timeout=PATIENCE)
    axis = page.locator(".parcoords .axis-brush").nth(TASK)
    axis.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(4000)
    everything = page.evaluate(LEFT)
    for _ in range(ATTEMPTS):
        page.evaluate("(place) => { window.brush = place; }", _drawn(page, axis))
        try:
            page.wait_for_function(f"(all) => {LEFT} < all", arg=everything, timeout=PATIENCE / ATTEMPTS)
        except PlaywrightTimeout:
            continue  # it does not take the mouse while it draws
        return page
    raise NoRange("no range could be drawn on an axis: its page was busy drawing")


def _drawn(page: Page, axis: Locator) -> list[float]:
    """Draw a range from a little above the middle of an axis to its top; where its lower end is on the screen."""
    box = axis.bounding_box()
    if box is None:
        raise RuntimeError("the dashboard's parallel coordinates are not on the screen")
    x, low = box["x"] + box["width"] / 2, box["y"] + 0.65 * box["height"]
    page.mouse.move(x, low - 1)
    page.mouse.move(x, low)
    page.mouse.down()
    page.mouse.move(x, box["y"] + 5, steps=10)
    page.mouse.up()
    return [x, low]


def _timed(way: Way, page: Page, Y: NDArray[np.float64], number: int) -> dict[str, float]:
    """One step. Raises RuntimeError where the page shows a number that the data do not have."""
    if number == 0:
        page.wait_for_timeout(4000)
        page.evaluate(WATCH, [way.event, way.root, f"({way.number})", way.signal])
    page.evaluate("window.arm()")
    way.step(page, number)
    page.wait_for_function(DONE, timeout=PATIENCE)
    times = page.evaluate("window.times")
    page.wait_for_timeout(REST)
    if times["seen"] != times["drawn"] or not way.fits(page, Y, times["seen"]):
        raise RuntimeError(f"{way.title}: {times} is not what the data say")
    return {"number": times["number"], "plot": times["plot"], "left": times["seen"]}


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
