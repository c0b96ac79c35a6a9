"""The fingerprints that a study was measured with, as its folder keeps them. No torch here."""

from __future__ import annotations

import json
from pathlib import Path

from study.errors import StudyError

PINS = "fingerprints.json"


def pinned(folder: Path) -> dict[str, str]:
    """{base, expert or file of code: SHA-256 (hex)}; empty before anything was measured.

    Raises:
        StudyError: the file is damaged.
    """
    path = folder / PINS
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        found = error
    if not isinstance(found, dict):
        raise StudyError(
            f"{path} is damaged: it is not a JSON object.",
            f"Set it aside: python -m study repair {folder}.",
        )
    return {str(name): str(value) for name, value in found.items()}
