"""Explore with real clicks and keys: every view and state, what flips, files of the plots, findings of axe-core."""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import downloaded, findings, no_sideways_scrolling
from tests.conftest import as_json, copied
from ui import copy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
NARROW = (360, 740, "dark")
ZOOMED = (640, 450, "light")  # what 200 % zoom leaves of 1280 x 900
TEXT = copy.EXPLORER


@pytest.fixture(scope="module")
def study(studies: Path, measured_demo: Path) -> str:
    """The measured demo with a second method, under a key of its own."""
    folder = studies / "explore"
    copied(measured_demo, folder)
    as_json("run", str(folder), "--method", "ties", "--trials", "7", "--device", "cpu")
    return folder.name


def open_map(page: Page, server: str, study: str, more: str = "") -> None:
    page.goto(f"{server}/explore?study={study}{more}")
    page.locator(".mx .task .value").first.wait_for()
    page.locator(".mx .tile").first.wait_for(state="attached")


def press(page: Page, name: str) -> None:
    page.locator(".mx").get_by_role("button", name=name, exact=True).first.click()


def tab(page: Page, name: str) -> None:
    page.locator(".mx").get_by_role("tab", name=re.compile(f"^{name}")).click()


def saved(page: Page, label: str, kind: str) -> bytes:
    page.locator(f".mx summary[aria-label='{label}']").click()
    button = page.locator(".mx").get_by_role("button", name=f"{label}: {kind}")
    return Path(downloaded(page, button).path()).read_bytes()


@pytest.mark.timeout(600)  # the second method is measured within it
def test_every_view_and_its_files(page: Page, server: str, study: str) -> None:
    open_map(page, server, study)
    expect(page.locator(".mx .methods")).to_contain_text("TIES")
    for label in ("base", "average", "specialist"):
        expect(page.locator(f".mx .legend .{label}")).to_have_text(TEXT["legend"][label])
    toggle = page.locator(".mx .legend .other button")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".mx .methods")).to_be_hidden()
    toggle.click()
    for view in ("pairs", "proportions", "map"):
        press(page, TEXT["views"][view])
        expect(page.locator(".mx .note")).to_have_text(TEXT["viewNote"].get(view, ""))
        assert findings(page) == []
        drawing = saved(page, TEXT["saveMap"], "SVG").decode()
        assert drawing.startswith("<svg") and "<path" in drawing
    assert saved(page, TEXT["saveMap"], "PNG").startswith(b"\x89PNG")
    told = saved(page, TEXT["saveLadders"], "HTML").decode()
    assert "<table" in told and "<script" not in told and page.locator(".mx .words").inner_text() in told


def test_samples_follow_the_strengths_and_name_what_flips(page: Page, server: str, study: str) -> None:
    open_map(page, server, study, "&pick=0.8~0.3~0.3")
    expect(page.locator(".mx .words")).to_contain_text(re.compile(r"\d+ of 400 more Handwritten digits right"))
    page.get_by_text(TEXT["strengths"]).click()
    before = page.locator(".mx .tiles").inner_text()
    slider = page.locator(".mx .strengths input").first
    for _ in range(40):
        slider.press("ArrowLeft")
    expect(page.locator(".mx .tiles")).not_to_have_text(before)
    counts = page.locator(".mx .counts")
    against_average = counts.inner_text()
    page.locator(".mx .gallery").get_by_label(TEXT["comparedWith"]).select_option("base")
    expect(counts).not_to_have_text(against_average)
    page.locator(".mx .gallery").get_by_label(TEXT["filter"]).select_option("lost")
    expect(page.locator(".mx .tile:visible")).to_have_count(page.locator(".mx .tile.lost").count())
    picture = page.locator(".mx .tile .picture").first.get_attribute("style") or ""
    address = re.search(r"/pictures/[\w-]+\.png", picture)
    assert address and page.request.get(server + address.group()).headers["content-type"] == "image/png"
    tab(page, TEXT["tabs"]["mixups"])
    cells = page.locator(".mx .confusion td").all_inner_texts()
    assert sum(int(cell) for cell in cells if cell) == 400
    expect(page.locator(".mx .changes li")).to_have_count(10)
    assert findings(page) == []


def test_comparing_and_the_other_states(page: Page, server: str, study: str) -> None:
    open_map(page, server, study)
    press(page, TEXT["keep"])
    expect(page.locator(".mx .tray .hint")).to_have_text(TEXT["trayOne"])
    press(page, "Best at Flags")
    page.locator(".mx canvas.map").focus()
    page.keyboard.press("t")
    expect(page.locator(".mx .tray small").first).to_contain_text("won")
    expect(page.locator(".mx canvas.radar")).to_be_visible()
    assert findings(page) == []
    tab(page, TEXT["tabs"]["table"])
    page.locator(".mx .panel:visible").get_by_role("button", name=TEXT["choose"]).nth(3).click()
    press(page, TEXT["wobble"])
    expect(page.locator(".mx .tools button").first).to_have_attribute("aria-pressed", "true")
    for name in ("Handwritten digits", "Road signs"):
        slider = page.get_by_role("slider", name=f"Minimum for {name}")
        slider.press("End")
        for _ in range(20):
            slider.press("PageUp")
    expect(page.locator(".mx .limits")).to_contain_text("The closest one misses")
    expect(page.locator(".mx .task.stuck .odds").first).not_to_be_empty()
    assert findings(page) == []
    page.locator(".mx canvas.map").focus()
    page.keyboard.press("?")
    expect(page.locator(".mx dialog.keys")).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".mx dialog.keys")).to_be_hidden()


@pytest.mark.parametrize("page", [NARROW, ZOOMED], indirect=True)
def test_narrow_and_zoomed(page: Page, server: str, study: str) -> None:
    open_map(page, server, study)
    for name in TEXT["tabs"].values():
        tab(page, name)
        no_sideways_scrolling(page)
    assert findings(page) == []


def test_for_experts_and_new_results(page: Page, server: str, study: str, studies: Path) -> None:
    open_map(page, server, study, "&pick=0.5~0.45~0.4&min=digits:0.6")
    page.get_by_text(copy.DETAILS_MAP).click()
    expect(page.get_by_text(copy.OFF_TITLE, exact=True)).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    line = page.locator("[data-testid=stCode]").last
    expect(line).to_contain_text("--at digits=0.5,signs=0.45,flags=0.4 --method task_arithmetic")
    expect(line).to_contain_text("--want digits=0.6")
    page.get_by_role("combobox", name=copy.SURROGATE).click()
    page.get_by_role("option").nth(-1).click()
    expect(line).to_contain_text("--surrogate quadratic")
    expect(page.locator(".mx .task .value").first).to_be_visible()
    assert findings(page) == []
    drawn = page.locator(".mx").first.get_attribute("data-drawn")
    as_json("measure", str(studies / study), "--at", "digits=0.61,signs=0.37,flags=0.52")
    expect(page.get_by_text(copy.NEW_RESULT)).to_be_visible()
    assert page.locator(".mx").first.get_attribute("data-drawn") == drawn  # not redrawn under the hand
    page.get_by_role("button", name=copy.UPDATE_MAP).click()
    expect(page.get_by_text(copy.NEW_RESULT)).to_be_hidden()


def test_a_study_that_is_removed_in_another_tab_says_so(page: Page, server: str, study: str, studies: Path) -> None:
    shutil.copytree(studies / study, studies / "passing")
    open_map(page, server, "passing")
    (studies / "passing" / "study.yaml").unlink()
    expect(page.get_by_text("is not on this computer")).to_be_visible()
    expect(page.get_by_role("button", name=copy.GO_HOME)).to_be_visible()


def test_plain_charts_where_the_fast_map_fails(page: Page, server: str, study: str) -> None:
    page.add_init_script(
        "const real = Element.prototype.replaceChildren;"
        "Element.prototype.replaceChildren = function (...parts) {"
        "  if (this.className.startsWith?.('mx')) throw new Error('too old');"
        "  return real.apply(this, parts); };"
    )
    page.goto(f"{server}/explore?study={study}")
    expect(page.get_by_text(copy.COMPONENT_FAILED.format(error="too old"))).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    kept = page.get_by_text(re.compile(r"^\d+ of \d+ mixes keep all your minimums"))
    expect(kept).to_be_visible()
    before = kept.inner_text()
    page.get_by_role("slider", name=TEXT["minimumFor"].format(task="Flags")).press("PageUp")
    expect(kept).not_to_have_text(before)
    expect(page.get_by_role("button", name=TEXT["use"])).to_be_visible()
    assert findings(page) == []


def test_memory_stays_flat(page: Page, server: str, study: str) -> None:
    """200 interactions; benchmarks/explorer_soak.py makes thousands."""
    open_map(page, server, study)
    session = page.context.new_cdp_session(page)
    sizes = []
    for _ in range(5):
        page.evaluate(TURN, 40)
        session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        sizes.append((counters["nodes"], counters["jsEventListeners"], heap))
    nodes, listeners, heap = zip(*sizes[1:], strict=True)
    assert nodes[-1] - nodes[0] < 400 and listeners[-1] - listeners[0] < 100, json.dumps(sizes)
    assert heap[-1] - heap[0] < 3_000_000, json.dumps(sizes)


TURN = """async (count) => {
  const root = Array.from(document.querySelectorAll('*')).map((e) => e.shadowRoot?.querySelector('.mx')).find(Boolean);
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (let k = 0; k < count; k += 1) {
    const input = root.querySelectorAll('.track input')[k % 3];
    input.value = String((k * 37) % 700);
    input.dispatchEvent(new Event('input'));
    if (k % 5 === 0) root.querySelectorAll('.chip')[k % 7].click();
    await frame();
  }
}"""
