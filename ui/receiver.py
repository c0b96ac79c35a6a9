"""A button that takes a packed study in: the file goes from the browser's disk to ours, never through memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent / "upload"
HTML = (
    '<div class="up"><label><span></span><input type="file" accept=".zip,application/zip"></label>'
    '<output aria-live="polite"></output></div>'
)


def receiver(to: str, text: dict[str, str], key: str) -> str | None:
    """Show the button; the key of the study that has just arrived."""
    mount = st.components.v2.component(
        "mergescape_receiver",
        html=HTML,
        css=(FOLDER / "upload.css").read_text(encoding="utf-8"),
        js=(FOLDER / "upload.js").read_text(encoding="utf-8"),
    )
    result: Any = mount(key=key, data={"to": to, "text": text}, on_arrived_change=_nothing)
    return str(result.arrived["key"]) if result.arrived else None


def _nothing() -> None:
    """Streamlit asks for a callback per value; the page reads the value itself."""
