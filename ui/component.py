"""Mounts the explorer: joins its JavaScript files into one module, hands it the payload, gives back what was chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent / "explorer"
ORDER = (
    "maths", "pack", "samples", "fronts", "words", "marks", "svg", "store", "plane", "map", "pairs", "ladders", "rows",
    "save", "stage", "panel", "gallery", "mixups", "compare", "tabs", "main",
)  # fmt: skip
IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@lru_cache(maxsize=1)
def script() -> str:
    """All files as one ES module: the imports between them fall away, the default export stays."""
    parts = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ORDER]
    return "\n".join(EXPORT.sub("", IMPORT.sub("", part)) for part in parts)


def explorer(data: dict[str, Any], key: str, on_choice: Callable[[], None]) -> Any:
    """Show the explorer. The result has .choice (what is chosen), .failure, .need (the large parts of the message) and
    .wish, what was asked for last: {"name": "check", "use" or "turn" (to another way of blending), "stamp", ...}."""
    mount = st.components.v2.component(
        "mergescape_explorer",
        html='<div class="mx"></div>',
        css=(FOLDER / "explorer.css").read_text(encoding="utf-8"),
        js=script(),
    )
    return mount(
        key=key,
        data=data,
        on_choice_change=on_choice,
        on_wish_change=_nothing,
        on_need_change=_nothing,
        on_failure_change=_nothing,
    )


def _nothing() -> None:
    """Streamlit asks for a callback per value; the page reads the value itself."""
