"""The pictures of the screens in README and docs, taken anew from the app on the demo.

    python -m benchmarks.pictures [--trials 20] [--only explore.png]      # docs/images/*.png

The study is measured first, from seed 0: the same screens come out as long as the app shows the same.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.browsing import ROOT, chromium, measured_demo, served

IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Picture:
    """Where it is taken, what is there once the screen is complete (a selector), and its size in pixels."""

    path: str
    mark: str
    size: tuple[int, int] = (1280, 860)


PICTURES = {
    "home.png": Picture("/", "text=How it works"),
    "specialists.png": Picture("/experts?study=demo", "text=Do the models belong together?"),
    "setup.png": Picture("/setup?study=demo", "text=Task arithmetic"),
    "run.png": Picture("/run?study=demo", "text=All results as a table"),
    "explore.png": Picture("/explore?study=demo", ".mx .task .value", (1280, 1100)),
    "export.png": Picture("/export?study=demo&pick=1~0~0", "text=Write the model file"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        measured_demo(home / "demo", chosen.trials)
        with served(home) as app, chromium() as browser:
            for name in chosen.only:
                take(browser, app.address, PICTURES[name], IMAGES / name)
                print(f"docs/images/{name}")


def take(browser: Browser, address: str, wanted: Picture, path: Path) -> None:
    """One picture, once the screen is complete and its drawing stands still."""
    page = browser.new_page(viewport={"width": wanted.size[0], "height": wanted.size[1]})
    page.goto(f"{address}{wanted.path}")
    page.locator(wanted.mark).first.wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=120_000)
    page.wait_for_timeout(1000)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main()
