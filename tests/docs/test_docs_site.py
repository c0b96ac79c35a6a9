"""`make docs` builds, with every link checked, and the pages load nothing from other hosts."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(https?://[^\"' >]+)")
STYLE = re.compile(r"url\([\"']?(https?://[^)\"']+)|@import\s+[\"'](https?://[^\"']+)")


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    built = sorted((tmp_path / "site").rglob("*.html"))
    assert len(built) > 15
    for page in built:
        for url in LOADED.findall(page.read_text(encoding="utf-8")):
            raise AssertionError(f"{page.name} loads {url}")
    for sheet in (tmp_path / "site").rglob("*.css"):
        found = STYLE.search(sheet.read_text(encoding="utf-8"))
        assert not found, f"{sheet.name}: {found[0] if found else ''}"
