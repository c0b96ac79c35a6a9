"""The guided demo: one sentence per step on top of the page, to be left at any time."""

from __future__ import annotations

import streamlit as st

from study.study import Study
from ui import copy_guide as told
from ui import state

ON = "guide"


def begin() -> None:
    """From now on every page says what to do next."""
    state.remember(ON, True)


def on() -> bool:
    """Whether the guide is on in this visit."""
    return bool(state.recall(ON))


def step_of(page: str, study: Study) -> int | None:
    """Which of the five steps a page is, given what has happened; None on pages outside the way."""
    if page == "run":
        return 1
    if page == "explore":
        return 3 if (state.recall("choice") or {}).get("touched") else 2
    if page == "export":
        picked = state.picked(study)
        done = picked is not None and any(
            all(abs(trial.coefficients[name] - value) < 1.5e-3 for name, value in picked.items())
            for trial in study.done()
        )
        return 5 if done else 4
    return None


def show(study: Study) -> None:
    """The step of this page, while the guide is on."""
    page = str(state.recall("page", ""))
    step = step_of(page, study) if on() else None
    if step is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="guide"):
        title, text = told.STEPS[step - 1]
        st.markdown(f"**{told.NUMBER.format(n=step)} · {title}** {text}", width="stretch")
        if st.button(told.LEAVE, key="leave-guide", type="tertiary"):
            state.forget(ON)
            st.rerun()
