"""Parts of a page that are drawn anew by themselves, and what went wrong in one line instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st

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
