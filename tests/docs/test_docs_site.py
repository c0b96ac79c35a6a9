"""`make docs` builds, with every link checked, and the pages load nothing from other hosts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(https?://[^\"' >]+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
STYLE = re.compile(r"url\([\"']?(https?://[^)\"']+)|@import\s+[\"'](https?://[^\"']+)")


def build(root: Path) -> "subprocess.CompletedProcess[str]":
    """`make docs` on a copy, so that nothing is left in the checkout."""
    shutil.copy(ROOT / "mkdocs.yml", root)
    shutil.copytree(ROOT / "docs", root / "docs", dirs_exist_ok=True)
    return run(root)


def run(root: Path) -> "subprocess.CompletedProcess[str]":
    """The command of the Makefile."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200)


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "build" / "docs"
    pages = {page.with_suffix(".html").name for page in (ROOT / "docs").glob("*.md")}
    assert pages <= {page.name for page in built.rglob("*.html")}
    for page in sorted(built.rglob("*.html")):
        for url in LOADED.findall(page.read_text(encoding="utf-8")):
            raise AssertionError(f"{page.name} loads {url}")
    for sheet in built.rglob("*.css"):
        found = STYLE.search(sheet.read_text(encoding="utf-8"))
        assert not found, f"{sheet.name}: {found[0] if found else ''}"


@pytest.mark.parametrize(
    ("link", "said"), [("nowhere.md", "page does not exist"), ("speed.md#no-such-part", "anchor does not exist")]
)
def test_a_link_that_leads_nowhere_stops_the_build(link: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "speed.md", tmp_path / "docs")
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n[somewhere]({link})\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: Small\nstrict: true\n")
    done = run(tmp_path)
    assert done.returncode != 0 and said in done.stdout + done.stderr


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem
)
def test_pictures_and_files_that_a_page_names_are_there(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://", "#")):
            assert (page.parent / link.split("#")[0]).is_file(), link


def test_every_page_has_a_place_in_the_navigation() -> None:
    named = set(re.findall(r"[\w_]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert named == {page.name for page in (ROOT / "docs").glob("*.md")}
