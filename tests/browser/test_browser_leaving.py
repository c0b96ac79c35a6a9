"""What a page still has to say while its visitor is on the way to the next one must not empty that next page."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.conftest import copied
from ui import copy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
# Once `window.late` is set, what the page says next is said again and again for a while, as the timers of a page and a
# hand that has just come to rest do on a slow machine or a slow connection.
LATE = """
const send = WebSocket.prototype.send;
window.late = 0;
WebSocket.prototype.send = function (data) {
  if (window.late && !window.said) window.said = [this, data];
  return send.call(this, data);
};
setInterval(() => { if (window.said && window.late > 0) { window.late -= 1; send.call(...window.said); } }, 20);
"""


@pytest.fixture(scope="module")
def study(studies: Path, measured_demo: Path) -> str:
    """The measured demo under a key of its own."""
    copied(measured_demo, studies / "leaving")
    return "leaving"


def test_late_words_of_the_map_do_not_empty_the_next_page(page: Page, server: str, study: str) -> None:
    page.add_init_script(LATE)
    page.goto(f"{server}/explore?study={study}")
    page.locator(".mx .tile").first.wait_for(state="attached")
    settled(page)
    page.evaluate("window.late = 100")
    page.locator(".mx").get_by_role("button", name="Use this mix").click()
    expect(page.get_by_role("heading", name=copy.EXPORT_TITLE)).to_be_visible()
    page.wait_for_function("window.late === 0")
    settled(page)
    expect(page.get_by_role("heading", name=copy.EXPORT_TITLE)).to_be_visible(timeout=10_000)
