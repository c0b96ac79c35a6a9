"""The merging methods as plain data, for the browser: read once from `python -m merging --list`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from functools import lru_cache
from typing import Any

from study.background import waiting
from study.checkout import ROOT
from study.errors import StudyError

TITLE = re.compile(r'^ {4}title: ClassVar\[str\] = "(.+)"$', re.MULTILINE)
_lock = threading.Lock()  # twenty visitors at once are one question, not twenty processes


def catalogue() -> list[dict[str, Any]]:
    """Each method's name, title, summary, class, settings with ranges, data needs, paper.

    A process of its own lists them, because the methods need torch and the browser's process must not load it.

    Raises:
        StudyError: the listing failed; its last line says why.
    """
    said = waiting.told()
    if said:
        listed: list[dict[str, Any]] = json.loads(said)["methods"]
        return listed
    with _lock:
        return _asked()


@lru_cache(maxsize=256)
def title(name: str) -> str:
    """A method's title as its file in `merging/methods/` says it, at once and without torch.

    A name without a file there is its own title.
    """
    file = ROOT / "merging" / "methods" / f"{name}.py"
    found = TITLE.search(file.read_text(encoding="utf-8")) if name.isidentifier() and file.is_file() else None
    return found[1] if found else name


@lru_cache(maxsize=1)
def _asked() -> list[dict[str, Any]]:
    result = subprocess.run(
        [sys.executable, "-m", "merging", "--list", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise StudyError(f"The merging methods cannot be listed: {last}.", "Run: python -m merging --list.")
    listed: list[dict[str, Any]] = json.loads(result.stdout)["methods"]
    return listed
