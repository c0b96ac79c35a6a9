"""A real server and a real Chromium; an error box, a console error or a request to another host fails the test."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Download, Error, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
# Streamlit asks for these below the page's path first and at the root after that; the first answer is a 404.
EXPECTED = ("/_stcore/health", "/_stcore/host-config")
STILL = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const endless = (a) => a.effect.getTiming().iterations === Infinity;
  done(document.getAnimations().every((a) => a.playState !== 'running' || endless(a)));
})))"""
expect.set_options(timeout=150_000)  # a busy machine is slow, not wrong


def chromium() -> str | None:
    """The system's browser, by any of its names; None: Playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server under test keeps its studies."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="session")
def server(studies: Path) -> Iterator[str]:
    """The app as `make app` starts it."""
    port = free_port()
    environment = {**os.environ, "MERGESCAPE_HOME": str(studies), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    log = studies / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    base = f"http://localhost:{port}"
    deadline = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(f"{base}/_stcore/health", timeout=2):
                break
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.2)
    yield base
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, server: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh visit; size and colours by `@pytest.mark.parametrize("page", [...], indirect=True)`."""
    width, height, colours = getattr(request, "param", (1280, 900, "light"))
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours)
    visit = context.new_page()
    wrong: list[str] = []
    visit.on("pageerror", lambda error: wrong.append(f"error in the page: {error}"))
    visit.on("request", lambda asked: None if _local(asked.url, server) else wrong.append(f"other host: {asked.url}"))
    visit.on("response", lambda got: wrong.append(f"{got.status} {got.url}") if _bad(got.status, got.url) else None)
    visit.on(
        "console",
        lambda told: wrong.append(f"console: {told.text}") if told.type == "error" and "404" not in told.text else None,
    )
    visit.set_default_timeout(180_000)
    yield visit
    for box in visit.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts():
        wrong.append(f"error box: {box}")
    context.close()
    assert not wrong, "\n".join(wrong)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failed test: where its page stood, what it showed, and the last words of the server."""
    report = yield
    given = getattr(item, "funcargs", {})
    if report.failed and report.when == "call" and "page" in given:
        page: Page = given["page"]
        log = (given["studies"] / "server.log").read_text(errors="replace")
        report.sections.append(("the server", log[-2000:]))
        with suppress(Error):  # a page that hangs or has crashed can say no more; the test has failed already
            state = page.locator("[data-testid=stApp]").get_attribute("data-test-script-state", timeout=5_000)
            report.sections.append((f"{page.url}, {state}", page.locator("body").inner_text(timeout=5_000)[:4000]))
    return report


def settled(page: Page) -> None:
    """Wait until Python has drawn everything, nothing is greyed, and nothing fades or moves but what never ends."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("[data-stale='true']")).to_have_count(0)
    page.wait_for_function(STILL)


def downloaded(page: Page, button: Locator) -> Download:
    """What a click on the button or link brings home.

    What is being unfolded must stand still first: a button that moves between the press and the release of the mouse
    is not clicked, by a person's hand either.
    """
    settled(page)
    with page.expect_download() as download:
        button.click()
    return download.value


def findings(page: Page) -> list[tuple[str, str, str]]:
    """Serious and critical findings of axe-core that last, in the shadow of the component as well.

    What a page that is just being redrawn shows for a moment, faded, counts as little as it does for a reader.
    """
    for _ in range(3):
        settled(page)
        serious = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        if not serious:
            break
    return [(one["id"], node["html"][:160], node["failureSummary"]) for one in serious for node in one["nodes"][:1]]


def no_sideways_scrolling(page: Page) -> None:
    """The page is no wider than its window."""
    wide = page.evaluate(
        "(() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth; })()"
    )
    assert wide <= 1, f"the page is {wide} px wider than the screen"


def _local(url: str, server: str) -> bool:
    return url.startswith((server, server.replace("http", "ws"), "blob:", "data:", "about:"))


def _bad(status: int, url: str) -> bool:
    return status >= 400 and not url.endswith(EXPECTED)
