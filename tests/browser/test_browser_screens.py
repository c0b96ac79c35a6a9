"""Every screen in every state opens without an error, fits, and has no serious finding of axe-core."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from benchmarks.screens import SCREENS, prepared
from tests.browser.conftest import downloaded, findings, no_sideways_scrolling
from ui import copy, copy_history, copy_run

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
LOOKS = {"desk, light": (1280, 900, "light"), "phone, dark": (360, 780, "dark")}
WRONG = "[data-testid=stException], [data-testid=stAlertContentError]"
MEANT = {"run-failed", "run-memory", "run-damaged", "experts-wrong"}  # their error box is what they show
HERE = [screen for screen in SCREENS if screen.name != "explore"]  # the map has tests of its own


@pytest.fixture(scope="module")
def states(studies: Path, measured_demo: Path) -> Iterator[None]:
    with prepared(studies, measured_demo):
        yield


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("states")
def test_every_screen_is_sound(page: Page, server: str) -> None:
    """Every screen is opened once, by turns on a desk and on a phone, and then looked at in the other way as well."""
    found: dict[str, object] = {}
    for number, screen in enumerate(HERE):
        turn = list(LOOKS.items())[:: 1 if number % 2 else -1]
        _look_as(page, *turn[0][1])
        screen.show(page, server)
        for name, look in turn:
            _look_as(page, *look)
            serious = findings(page)
            no_sideways_scrolling(page)
            boxes = page.locator(WRONG).all_inner_texts()
            if serious or (boxes and screen.name not in MEANT):
                found[f"{screen.name}, {name}"] = serious or boxes
        if screen.name == "run-new":
            _look_as(page, *LOOKS["desk, light"])
            step = page.get_by_test_id("stTopNavLink").filter(has_text=copy.NAV["explore"])
            expect(step).to_contain_text(copy.NOT_YET)
            expect(step).to_have_accessible_description(copy.WAIT_MAP.format(need=5, done=0))
    page.goto(server)
    assert not found, found


def _look_as(page: Page, width: int, height: int, colours: Literal["light", "dark"]) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=colours)


@pytest.mark.usefixtures("states")
def test_a_pause_ends_by_a_click(page: Page, server: str) -> None:
    page.goto(f"{server}/run?study=paused")
    page.get_by_role("button", name=copy_run.GO_ON).click()
    expect(page.get_by_role("button", name=copy_run.GO_ON)).to_have_count(0)


# One download a page: a browser may ask before a second one, and there is nobody here to answer.
@pytest.mark.usefixtures("states")
def test_the_table_comes_home_by_a_click(page: Page, server: str) -> None:
    page.goto(f"{server}/run?study=cancelled")
    table = downloaded(page, page.get_by_role("button", name=copy_run.TABLE_CSV))
    assert len(Path(table.path()).read_text().splitlines()) == 13


@pytest.mark.usefixtures("states")
def test_the_log_comes_home_by_a_click(page: Page, server: str) -> None:
    page.goto(f"{server}/run?study=cancelled")
    page.get_by_text(copy_run.LOG, exact=True).click()
    log = downloaded(page, page.get_by_role("link", name=copy_run.LOG_DOWNLOAD))
    assert "preparing samples" in Path(log.path()).read_text()


@pytest.mark.usefixtures("states")
def test_a_study_goes_out_as_a_zip_and_comes_in_again(page: Page, server: str, studies: Path, tmp_path: Path) -> None:
    page.goto(f"{server}/history")
    page.get_by_label(copy_history.FIND).fill("cancelled")
    page.get_by_label(copy_history.FIND).press("Enter")
    expect(page.get_by_role("button", name=copy.OPEN, exact=True)).to_have_count(1)
    page.get_by_role("button", name=copy_history.MORE).click()
    zipped = downloaded(page, page.get_by_role("link", name=copy_history.DOWNLOAD))
    zipped.save_as(tmp_path / "taken.zip")
    page.keyboard.press("Escape")
    page.locator("input[type=file]").set_input_files(tmp_path / "taken.zip")
    expect(page.get_by_text(re.compile("is here now"))).to_be_visible()
    assert (studies / "taken" / "study.yaml").is_file()
