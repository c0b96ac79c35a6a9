"""What a visitor does: demo, map, choice, check, export, download; and the downloaded model keeps its word."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import downloaded, findings, no_sideways_scrolling
from tests.forking import run_script
from ui import copy, copy_export, copy_guide

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PHONE = (390, 844, "light")
COUNT_CLICKS = "window.clicks = 0; addEventListener('click', (e) => { if (e.isTrusted) window.clicks += 1; }, true);"


def values(page: Page) -> list[str]:
    return page.locator(".mx .task .value").all_inner_texts()


def changed(page: Page, before: list[str]) -> None:
    """Wait until the scores on the screen are other ones: a busy machine may need some frames."""
    expect(page.locator(".mx .task .value")).not_to_have_text(before)


def drawn(page: Page) -> None:
    """Wait until the map has drawn what was pressed: it does so in the next frame."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def settle(page: Page) -> None:
    """Wait until Python has had the last word on the choice."""
    expect(page.locator(".mx .status")).not_to_have_class("status pending")


def open_map(page: Page, server: str) -> None:
    page.goto(f"{server}/explore?study=demo")
    page.locator(".mx .task .value").first.wait_for()


@pytest.mark.timeout(600)
def test_from_the_demo_to_a_downloaded_model(page: Page, server: str, studies: Path, tmp_path: Path) -> None:
    page.add_init_script(COUNT_CLICKS)
    begun = time.monotonic()
    page.goto(server)
    page.get_by_role("button", name=copy.DEMO_BUTTON, exact=True).click()
    expect(page.get_by_text(copy_guide.STEPS[0][1])).to_be_visible()
    expect(page.get_by_role("heading", name=copy.RUN_TITLE)).to_be_visible()
    assert "study=demo" in page.url
    page.get_by_text(copy.MAP_DONE).wait_for(timeout=300_000)
    # While the finished page replaces the running one, the button of each is there for a moment.
    expect(page.get_by_role("button", name=copy.EXPLORE_BUTTON)).to_have_count(1)
    page.get_by_role("button", name=copy.EXPLORE_BUTTON).click()
    page.locator(".mx .task .value").first.wait_for()
    choose(page)
    page.locator(".mx").get_by_role("button", name="Check this mix").click()
    expect(page.locator(".mx .busy")).not_to_be_empty()  # said at once, where the button is
    expect(page.locator(".mx .status")).to_have_text("checked", timeout=180_000)
    page.locator(".mx").get_by_role("button", name="Use this mix").click()
    expect(page.get_by_text(copy.IS_CHECKED)).to_be_visible()
    expect(page.get_by_role("columnheader", name=copy.COLUMNS["predicted"])).to_be_visible()
    page.get_by_role("button", name=copy.EXPORT_BUTTON).click()
    page.get_by_text(copy.LOAD_TITLE).wait_for(timeout=240_000)
    shown = final_scores(page)
    assert page.evaluate("window.clicks") <= 9, "one click more is the download"
    # A promise to people, with room to spare (half a minute on an idle machine); speed itself is a benchmark. With more
    # at work than there are processors, as other tests are beside this one, everybody's minute takes longer.
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert time.monotonic() - begun < 120 * crowd
    page.get_by_text(copy.OTHER_FILES).click()
    page.get_by_text(copy_export.COMMAND).click()
    for width, colours in ((360, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
        assert findings(page) == []
        no_sideways_scrolling(page)
    for link in page.get_by_role("link", name=re.compile("^Download ")).all():
        name = re.fullmatch(r"Download (\S+) \(.*\)", link.inner_text())
        assert name
        download = downloaded(page, link)
        target = tmp_path / "taken home" / name.group(1)
        target.parent.mkdir(parents=True, exist_ok=True)
        download.save_as(target)
    assert measured_from(tmp_path / "taken home", studies / "demo") == shown


def choose(page: Page) -> None:
    """Turn a slider, nudge, lock, undo: everything answers at once and stays in the address."""
    before = values(page)
    slider = page.get_by_role("slider", name="Minimum for Handwritten digits")
    slider.focus()
    for _ in range(3):
        slider.press("PageUp")
    expect(page.locator(".mx .limits")).to_contain_text("rules out")
    page.locator(".mx").get_by_role("button", name="Undo").click()
    page.locator(".mx").get_by_role("button", name=re.compile("^A little more Flags")).click()
    settle(page)
    changed(page, before)
    page.wait_for_url(re.compile("min=digits.*|.*pick="))
    for _ in range(30):
        if page.locator(".mx .status").inner_text() != "checked":
            return
        page.locator(".mx").get_by_role("button", name=re.compile("^A little more Road signs")).click()
        settle(page)


def final_scores(page: Page) -> dict[str, float]:
    """The column of the final check in the last table on the page, as fractions."""
    rows = page.locator("[data-testid=stTable]").last.locator("tr").all()
    titles = [cell.strip() for cell in rows[0].locator("th").all_inner_texts()]
    column = titles.index(copy.COLUMNS["test"])
    cells = [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in rows[1:]]
    names = {"Handwritten digits": "digits", "Road signs": "signs", "Flags": "flags"}
    return {names[row[0]]: round(float(row[column].split(" ")[0]) / 100, 3) for row in cells}


def measured_from(folder: Path, study: Path) -> dict[str, float]:
    """What open_clip alone measures on the downloaded files."""
    done = run_script(Path(__file__).with_name("measure_download.py"), str(folder), str(study), folder=folder)
    assert done.returncode == 0, done.stderr
    return {task: round(value, 3) for task, value in json.loads(done.stdout).items()}


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_choosing_on_a_phone(page: Page, server: str) -> None:
    open_map(page, server)
    before = values(page)
    page.locator(".mx").get_by_role("button", name="Best at Flags").click()
    settle(page)
    changed(page, before)
    page.locator(".mx").get_by_role("button", name="Add to comparison").click()
    expect(page.locator(".mx .tray")).to_be_visible()
    small = page.evaluate(
        "Array.from(document.querySelectorAll('*')).filter(e => e.shadowRoot)"
        ".flatMap(e => Array.from(e.shadowRoot.querySelectorAll('button')))"
        ".filter(b => b.offsetParent && (b.offsetHeight < 24 || b.offsetWidth < 24)).map(b => b.textContent)"
    )
    assert small == []


def test_no_combination_of_minimums_empties_the_map(page: Page, server: str) -> None:
    open_map(page, server)
    for name in ("Handwritten digits", "Road signs"):
        slider = page.get_by_role("slider", name=f"Minimum for {name}")
        slider.focus()
        slider.press("End")
        for _ in range(25):
            slider.press("PageUp")
    limits, repair = page.locator(".mx .limits"), page.locator(".mx .repair")
    expect(limits).to_contain_text("Ways out")
    drawn(page)
    for _ in range(4):
        repair.first.click()
        drawn(page)
        if repair.count() == 0:
            break
    expect(limits).to_contain_text("are left")


def test_a_link_restores_the_choice(page: Page, server: str) -> None:
    page.goto(f"{server}/explore?study=demo&pick=0.4~0.5~0.6&min=digits:0.6&x=flags&u=gain")
    page.locator(".mx .task .value").first.wait_for()
    expect(page.locator(".mx .unit[aria-pressed=true]:not([data-view])")).to_have_text("Gain")
    expect(page.locator(".mx .level").first).to_contain_text("at least")
    expect(page.locator(".mx .axes select").first).to_have_value("2")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".mx").get_by_role("button", name="Copy link").click()
    expect(page.locator(".mx").get_by_role("button", name="Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_every_slider_step_is_drawn(page: Page, server: str) -> None:
    """How fast is a benchmark's business (benchmarks/explorer_latency.py); here only that no step is lost."""
    open_map(page, server)
    slider = page.get_by_role("slider", name="Minimum for Road signs")
    slider.focus()
    level = page.locator(".mx .task").nth(1).locator(".level")
    seen = set()
    for _ in range(5):
        slider.press("PageUp")
        drawn(page)
        seen.add(level.inner_text())
    assert len(seen) == 5


def test_keyboard_alone(page: Page, server: str) -> None:
    open_map(page, server)
    page.locator(".mx canvas.map").focus()
    before = values(page)
    for _ in range(5):
        page.keyboard.press("]")
    changed(page, before)
    page.keyboard.press("Control+z")
    page.get_by_role("slider", name="Minimum for Flags").focus()
    page.keyboard.press("l")
    expect(page.locator(".mx .lock").nth(2)).to_have_attribute("aria-pressed", "true")
