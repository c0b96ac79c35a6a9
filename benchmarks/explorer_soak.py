"""Many interactions, many tabs, many visits: the goals U7 and U15, and that memory stays flat.

    python -m benchmarks.explorer_soak [--turns 1000] [--tabs 10] [--visits 50] [--out …json]

One server with a measured demo, copied once per tab. First a cold and then warm visits (address to a map that answers);
then a thousand interactions in one tab (heap, DOM nodes and listeners of the page after a collection, the server's
resident memory); then all tabs at once, each on a study of its own, each moving a slider in turn; then visits that come
and go. Requests to other hosts are counted throughout.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page

from benchmarks.browsing import ROOT, chromium, measured_demo, provenance, quantile, served

TURN = """async (count) => {
  const root = Array.from(document.querySelectorAll('*')).map((e) => e.shadowRoot?.querySelector('.mx')).find(Boolean);
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const times = [];
  for (let k = 0; k < count; k += 1) {
    const input = root.querySelectorAll('.track input')[k % 3];
    const begun = performance.now();
    input.value = String((k * 37) % 700);
    input.dispatchEvent(new Event('input'));
    if (k % 5 === 0) root.querySelectorAll('.chip')[k % 7].click();
    if (k % 50 === 0) root.querySelectorAll('.tab')[(k / 50) % 4].click();
    await frame();
    times.push(performance.now() - begun);
  }
  return times;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--tabs", type=int, default=10)
    parser.add_argument("--visits", type=int, default=50)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "explorer_soak.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        measured_demo(home / "study0", 24)
        for number in range(1, chosen.tabs):
            shutil.copytree(home / "study0", home / f"study{number}")
        begun = time.perf_counter()
        with served(home) as app, chromium() as browser:
            address, server = app.address, app.process
            elsewhere: list[str] = []
            first = visit(browser, address, 0, elsewhere)
            result: dict[str, Any] = {
                "start_to_map_seconds": time.perf_counter() - begun,
                "cold_visit_seconds": first[1],
            }
            result |= interactions(first[0], server, chosen.turns)
            print(result, flush=True)
            again = [visit(browser, address, 0, elsewhere, close=True)[1] for _ in range(8)]
            result["warm_visit_p95_seconds"] = quantile(again, 0.95)
            print(result, flush=True)
            result |= tabs(browser, address, chosen.tabs, elsewhere)
            result |= visits(browser, address, server, chosen.visits, elsewhere)
            result["requests_to_other_hosts"] = len(elsewhere)
    result |= provenance()
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "raw"}, indent=1))


def visit(browser: Browser, address: str, number: int, elsewhere: list[str], close: bool = False) -> tuple[Page, float]:
    """A fresh visit to a study's map; the seconds until it shows scores."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    local = (address, address.replace("http", "ws"), "blob:", "data:")
    page.on("request", lambda asked: None if asked.url.startswith(local) else elsewhere.append(asked.url))
    begun = time.perf_counter()
    page.goto(f"{address}/explore?study=study{number}")
    page.locator(".mx .task .value").first.wait_for()
    gone = time.perf_counter() - begun
    if close:
        context.close()
    return page, gone


def interactions(page: Page, server: psutil.Process, turns: int) -> dict[str, Any]:
    """Memory of the page and of the server before and after."""
    session = page.context.new_cdp_session(page)
    page.locator(".mx .tile").first.wait_for(state="attached")

    def sizes() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        return {
            "heap_mb": session.send("Runtime.getHeapUsage")["usedSize"] / 1e6,
            "nodes": counters["nodes"],
            "listeners": counters["jsEventListeners"],
            "server_mb": server.memory_info().rss / 1e6,
        }

    page.evaluate(TURN, 200)
    page.wait_for_timeout(1000)
    before = sizes()
    times = [one for _ in range(turns // 200) for one in page.evaluate(TURN, 200)]
    page.wait_for_timeout(1000)
    after = sizes()
    return {"turns": turns, "before": before, "after": after, "turn_p95_ms": quantile(times, 0.95)}


def tabs(browser: Browser, address: str, count: int, elsewhere: list[str]) -> dict[str, Any]:
    """All tabs open; a step in each in turn, timed from the event to the drawn frame, and until Python has answered."""
    pages = [visit(browser, address, number, elsewhere)[0] for number in range(count)]
    for page in pages:
        page.locator(".mx .tile").first.wait_for(state="attached")
    times, answers = [], []
    for turn in range(6):
        for page in pages:
            page.bring_to_front()
            times += page.evaluate(TURN, 5)
            was = page.evaluate("location.search")
            begun = time.perf_counter()
            page.locator(".mx .chip").nth(1 + turn % 4).click()
            page.wait_for_function("(was) => location.search !== was", arg=was, polling=20)
            answers.append(1000 * (time.perf_counter() - begun))
    for page in pages:
        page.context.close()
    return {
        "tabs": count,
        "tabs_step_p95_ms": quantile(times, 0.95),
        "tabs_answer_p95_ms": quantile(answers, 0.95),
        "raw": {"tabs_step": times, "tabs_answer": answers},
    }


def visits(browser: Browser, address: str, server: psutil.Process, count: int, elsewhere: list[str]) -> dict[str, Any]:
    """The server's resident memory before and after visits that come and go."""
    before = server.memory_info().rss / 1e6
    for _ in range(count):
        visit(browser, address, 0, elsewhere, close=True)
    return {"visits": count, "visits_before_mb": before, "visits_after_mb": server.memory_info().rss / 1e6}


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
