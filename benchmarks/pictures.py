"""The pictures of the screens in README and docs, taken anew from the app on the demo.

    python -m benchmarks.pictures [--trials 20]      # docs/images/explore.png

The study is measured first, from seed 0: the same screens come out as long as the app shows the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.served import ROOT, chromium, served

IMAGES = ROOT / "docs" / "images"
SIZES = {"explore.png": (1280, 1100)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        for words in (["demo", str(home / "demo")], ["run", str(home / "demo"), "--trials", str(chosen.trials)]):
            subprocess.run([sys.executable, "-m", "study", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        with served(home) as address, chromium() as browser:
            for name, size in SIZES.items():
                take(browser, f"{address}/explore?study=demo", size, IMAGES / name)
                print(f"docs/images/{name}")


def take(browser: Browser, address: str, size: tuple[int, int], path: Path) -> None:
    """One picture of the map page, once a mix is predicted on it and its drawing stands still."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    page.locator(".mx .task .value").first.wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=120_000)
    page.wait_for_timeout(1000)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main()
