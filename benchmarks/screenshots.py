"""Pictures of every screen and state, on a desk and on a phone, light and dark, into /screenshots.

python -m benchmarks.screenshots [--only NAME,NAME] [--out screenshots] [--study MEASURED_DEMO]
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.browsing import chromium, measured_demo, served
from benchmarks.screens import SCREENS, prepared

SIZES = {"desk": (1280, 900), "phone": (360, 780)}
COLOURS = ("light", "dark")
TALLEST = 4000
TRIES = 20
# Pictures of samples are backgrounds: they come after everything else, and nothing else tells when they are there.
PICTURES = """async () => {
  const roots = [document, ...Array.from(document.querySelectorAll('*'), (one) => one.shadowRoot).filter(Boolean)];
  const tiles = roots.flatMap((root) => Array.from(root.querySelectorAll('.picture')));
  const named = tiles.map((tile) => getComputedStyle(tile).backgroundImage.match(/url\\("(.+)"\\)/)?.[1]);
  await Promise.all([...new Set(named.filter(Boolean))].map((address) => {
    const picture = new Image();
    picture.src = address;
    return picture.decode();
  }));
}"""
AT_WORK = "[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]"


def main() -> None:
    """Measure a demo where none is given, then take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--study", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    wanted = set(filter(None, chosen.only.split(",")))
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "studies"
        measured = chosen.study or measured_demo(Path(place) / "demo", 12)
        with prepared(home, measured), served(home) as app, chromium() as browser:
            for size in SIZES:
                for colours in COLOURS:
                    take(browser, app.address, size, colours, wanted, chosen.out)
    print(f"{len(list(chosen.out.glob('*.png')))} pictures in {chosen.out}")


def take(browser: Browser, address: str, size: str, colours: str, wanted: set[str], out: Path) -> None:
    """All screens for one size and colour scheme."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours)  # type: ignore[arg-type]
    context.set_default_timeout(150_000)  # a busy machine is slow, not wrong
    page = context.new_page()
    for screen in SCREENS:
        if wanted and screen.name not in wanted:
            continue
        page.set_viewport_size({"width": width, "height": height})
        screen.show(page, address)
        whole(page, width)
        settled(page, out / f"{screen.name}-{size}-{colours}.png")
    context.close()


def whole(page: Page, width: int) -> None:
    """Make the window as tall as the page, once that no longer grows."""
    tall = 0
    for _ in range(TRIES):
        still(page)
        now = int(page.evaluate("document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 900"))
        if now == tall:
            break
        tall = now
    page.set_viewport_size({"width": width, "height": min(TALLEST, tall + 70)})


def still(page: Page) -> None:
    """Wait until nothing is greyed, missing or spinning because Python is at work."""
    page.wait_for_timeout(300)  # what was pressed last has to reach Python first
    page.wait_for_function(f"() => !document.querySelector('{AT_WORK}')", timeout=60_000)
    page.evaluate(PICTURES)


def settled(page: Page, path: Path) -> None:
    """Take pictures until two in a row are the same: nothing fades, slides or is drawn bit by bit any more."""
    before = b""
    for _ in range(TRIES):
        still(page)
        now = page.screenshot(path=str(path), animations="disabled")
        if now == before:
            return
        before = now
    raise TimeoutError(f"{path.name} does not come to rest: {TRIES} pictures, no two in a row alike")


if __name__ == "__main__":
    main()
