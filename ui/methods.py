"""The ways of blending, for the screens: titles, groups by what they need, what suits a study."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.background import waiting
from study.background.catalogue import catalogue
from ui import copy

Json = dict[str, Any]


@st.cache_data(show_spinner=copy.METHODS_LOADING)
def listed() -> list[Json]:
    """All methods with their facts, read once."""
    return catalogue()


def title(name: str) -> str:
    """A method's title; made from its name where the list has not been read yet (that takes seconds)."""
    found = listed() if waiting.told() else []
    return next((str(one["title"]) for one in found if one["name"] == name), name.replace("_", " ").capitalize())
