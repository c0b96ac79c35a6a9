"""A method's settings as widgets, from the ranges that its class states."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui import copy_setup as told

Json = dict[str, Any]
STEPS = 100


def settings_form(method: Json, kept: Json, key: str) -> Json:
    """One widget per setting; only what differs from the default is returned, so that a study file stays short."""
    if not method["settings"]:
        st.caption(told.SETTINGS_NONE)
    found = {one["name"]: setting(one, kept.get(one["name"], one["default"]), key) for one in method["settings"]}
    return {one["name"]: found[one["name"]] for one in method["settings"] if found[one["name"]] != one["default"]}


def setting(one: Json, value: Any, key: str) -> Any:
    """One setting as the widget that fits its kind: switch, list, slider, number, text."""
    name, hint, place = one["name"].replace("_", " "), one["help"], f"{key}-{one['name']}"
    if one["kind"] == "bool":
        return st.checkbox(name, value=bool(value), help=hint, key=place)
    if one["kind"] == "choice":
        options = list(one["choices"])
        return st.selectbox(name, options, index=options.index(value), help=hint, key=place)
    if one["kind"] == "int":
        return int(st.number_input(name, int(one["low"]), int(one["high"]), int(value), 1, help=hint, key=place))
    if one["kind"] == "float":
        low, high = float(one["low"]), float(one["high"])
        step = (high - low) / STEPS
        return float(st.number_input(name, low, high, float(value), step, format="%.4g", help=hint, key=place))
    return st.text_input(name, value=str(value), help=f"{hint} {one['form']}", key=place)
