"""The ways of blending, for the screens: titles, groups by what they need, what suits a study."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from study.background import waiting
from study.background.catalogue import catalogue, title
from ui import copy
from ui.glossary import meaning, plainly

__all__ = ["explained", "learns", "listed", "title"]
Json = dict[str, Any]


@st.cache_data(show_spinner=copy.METHODS_LOADING)
def listed() -> list[Json]:
    """All methods with their facts, read once."""
    return catalogue()


def learns(names: Collection[str]) -> bool:
    """Whether one of these learns from examples; False where the list has not been read yet."""
    found = listed() if waiting.told() else []
    return any(one["needs_data"] and one["name"] in names for one in found)


def explained(names: Collection[str]) -> str:
    """Each of these in one sentence, as far as the list has been read; what a way of blending is."""
    found = [one for one in (listed() if waiting.told() else []) if one["name"] in names]
    lines = [copy.METHOD_LINE.format(title=one["title"], summary=plainly(one["summary"])) for one in found]
    return "\n\n".join([meaning("way of blending"), *lines])
