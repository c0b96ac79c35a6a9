"""Parts of a page that are drawn anew by themselves, and what went wrong in one line instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from study.errors import StudyError
from ui import copy, state

log = logging.getLogger(__name__)
Given = ParamSpec("Given")


@contextmanager
def in_one_line(place: str) -> Iterator[None]:
    """Say what is raised inside on the page, and write the details into the log; reruns and stops pass through."""
    try:
        yield
    except StudyError as error:
        st.error(str(error))
    except Exception as error:
        said = f"{place}: {type(error).__name__}: {error}"
        if state.recall("logged") != said:  # a fragment that looks once a second fails once a second
            log.exception("%s", place)
            state.remember("logged", said)
        st.error(copy.UNEXPECTED.format(error=str(error) or type(error).__name__))
        st.caption(copy.UNEXPECTED_HELP)


def fragment(run_every: float | None = None) -> Callable[[Callable[Given, None]], Callable[Given, None]]:
    """`st.fragment` whose own errors are one clear line too: a rerun of a fragment does not pass through the page."""

    def made(function: Callable[Given, None]) -> Callable[Given, None]:
        @wraps(function)
        def guarded(*args: Given.args, **kwargs: Given.kwargs) -> None:
            with in_one_line(function.__qualname__):
                function(*args, **kwargs)

        return st.fragment(guarded, run_every=run_every)

    return made


def forget() -> None:
    """Drop the fragments of the page that is being left; what the browser still sends for them is then ignored.

    A timer of that page, or a hand that has just come to rest on its map, may speak up while the next page is drawn.
    Streamlit (1.67) would run the fragment afterwards under the name of the page that was left; its browser side then
    clears the screen for that page, where nothing is drawn any more, and the visitor is left with a blank one.
    """
    context = get_script_run_ctx()
    if context is not None:
        context.fragment_storage.clear()


def arrive() -> None:
    """At the very start of a run: forget the fragments of another page that was shown until now."""
    context = get_script_run_ctx()
    shown = context.page_script_hash if context is not None else ""
    if st.session_state.get("shown") not in (None, shown):
        forget()
    st.session_state["shown"] = shown
