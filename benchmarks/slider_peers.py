"""From a step of a control to the redrawn page, beside a plain Streamlit page and Optuna's dashboard.

    python -m benchmarks.slider_peers [--points 5000] [--tasks 8] [--steps 30] [--environment FOLDER] [--out …json]

The same made-up front (benchmarks/synthetic_explorer.py) in all three, in turns, one headless Chromium. Ours and the
plain page: a key moves the slider of a minimum. The dashboard has no such control; the nearest one is brushing a
minimum on an axis of its trial selection, here one step of the mouse. The time runs from the key or the mouse to the
last change of the page that it causes, which ends when nothing has changed for .4 s.
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.browsing import chromium, provenance, quantile, served
from benchmarks.peers.environment import environment
from benchmarks.served import answers
from benchmarks.synthetic_explorer import front

ROOT = Path(__file__).resolve().parent.parent
PLAIN = "benchmarks/peers/plain_streamlit.py"
QUIET = 400
ROUNDS = 3
WATCH = """() => {
  window.began = 0; window.changed = 0;
  const roots = [document, ...Array.from(document.querySelectorAll('*')).map(e => e.shadowRoot).filter(Boolean)];
  const watch = new MutationObserver(() => { window.changed = performance.now(); });
  roots.forEach(r => watch.observe(r, {subtree: true, childList: true, attributes: true, characterData: true}));
  const begin = () => { window.began = performance.now(); };
  ['keydown', 'mousemove'].forEach(e => document.addEventListener(e, begin, true));
}"""
SETTLED = f"() => window.changed > window.began && performance.now() - window.changed > {QUIET}"
Step = Callable[[Page, int], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--environment", type=Path, help="Where the peers' environment is made, or stands already.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "slider_peers.json")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        python = environment(chosen.environment or folder / "environment")
        data = _written(folder / "front.npz", chosen.points, chosen.tasks)
        sizes = [str(chosen.points), str(chosen.tasks)]
        ours = stack.enter_context(served(["benchmarks/synthetic_explorer.py", *sizes], folder))
        plain = stack.enter_context(served([PLAIN, str(data)], folder))
        dashboard = stack.enter_context(_dashboard(python, data))
        with sync_playwright() as play:
            browser = chromium(play)
            ways = {
                "ours": (_open_ours(browser.new_page(), ours), _key("Minimum for Task 2")),
                "streamlit": (_open_plain(browser.new_page(), plain), _key("Minimum for task 2")),
            }
            absent = {}
            try:
                ways["optuna-dashboard"] = (_open_dashboard(browser.new_page(), dashboard), _brush)
            except PlaywrightTimeout:
                absent["optuna-dashboard"] = "its parallel coordinates did not appear within two minutes"
            raw: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, (page, step) in ways.items():
                    page.bring_to_front()
                    raw[name] += _timed(page, step, max(1, chosen.steps // ROUNDS), len(raw[name]))
            browser.close()
    rows = {name: {"p50_ms": quantile(many, 0.5), "p95_ms": quantile(many, 0.95)} for name, many in raw.items()}
    result = {
        "points": chosen.points,
        "tasks": chosen.tasks,
        "ways": rows,
        "absent": absent,
        "raw": raw,
        **provenance(),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({**rows, **absent}, indent=1))


def _written(path: Path, points: int, tasks: int) -> Path:
    """The front as numbers: X (k, d) and Y (k, m)."""
    rows = front(points, tasks, np.random.default_rng(0))["predicted"]
    X = [list(row["coefficients"].values()) for row in rows]
    Y = [[cell["mean"] for cell in row["metrics"].values()] for row in rows]
    np.savez(path, X=np.array(X), Y=np.array(Y))
    return path


@contextmanager
def _dashboard(python: Path, data: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = ROOT / "benchmarks" / "peers" / "dashboard.py"
    command = [str(python), str(script), str(data), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        answers(address, path="/dashboard/")
        yield address
    finally:
        server.terminate()
        server.wait()


def _open_ours(page: Page, address: str) -> Page:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    page.locator(".mx .tile").first.wait_for(timeout=60_000)
    return _watched(page)


def _open_plain(page: Page, address: str) -> Page:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    page.locator("[data-testid=stMetricValue]").first.wait_for(timeout=60_000)
    return _watched(page)


def _open_dashboard(page: Page, address: str) -> Page:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{address}/dashboard/studies/0/smartSelection")
    page.locator(".parcoords .axis-brush").first.wait_for(timeout=120_000)
    return _watched(page)


def _watched(page: Page) -> Page:
    page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    return page


def _key(name: str) -> Step:
    def step(page: Page, number: int) -> None:
        slider = page.get_by_role("slider", name=name)
        slider.focus()
        slider.press("ArrowRight" if number % 40 < 20 else "ArrowLeft")

    return step


def _brush(page: Page, number: int) -> None:
    """One step of a brush: from the top of the second axis down to a little lower than last time."""
    box = page.locator(".parcoords .axis-brush").nth(1).bounding_box()
    if box is None:
        raise RuntimeError("the dashboard's parallel coordinates are not on the screen")
    middle, low = box["x"] + box["width"] / 2, box["y"] + box["height"] * (0.5 + 0.01 * (number % 40))
    page.mouse.move(middle, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(middle, low)
    page.mouse.up()


def _timed(page: Page, step: Step, count: int, first: int) -> list[float]:
    """Milliseconds of so many steps."""
    found = []
    for number in range(first, first + count):
        step(page, number)
        page.wait_for_function(SETTLED, timeout=60_000)
        found.append(float(page.evaluate("window.changed - window.began")))
    return found


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
