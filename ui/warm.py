"""What the app gets ready while nobody waits for it: processes for the first command and for fits, the map."""

from __future__ import annotations

import gc
import importlib
import inspect
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from study.background import waiting, worker
from ui.login import close_in

FIRST = ("streamlit.emojis", "ui.shell", "ui.guide", "ui.parts")  # what the start page needs
MODULES = ("study.front", "study.predict", "ui.figures", "ui.payload")
FIRST_PAGE = 3.0  # seconds that the warming up waits for a first page, so as not to slow it down
_begun = threading.Event()
_drawn = threading.Event()
_first = threading.Lock()
_importing = threading.Lock()


@asynccontextmanager
async def while_serving(app: Any) -> AsyncIterator[None]:
    """The web application's life: everything is warmed up in the background, once a first page is drawn."""
    close_in()
    _begun.set()
    threading.Thread(target=_load, daemon=True).start()
    yield
    importlib.import_module("study.background.fits").end()


def first_page() -> None:
    """Import what the start page needs: while the browser still loads Streamlit, or here if it was quicker."""
    with _first:
        for name in FIRST:
            importlib.import_module(name)


def page_drawn() -> None:
    """A page stands: what the next click needs may be got ready now."""
    if not _drawn.is_set():
        _drawn.set()  # the thread that waits for it goes on to keep_ready
    else:
        keep_ready()


def tables() -> None:
    """pandas, whole, before anything asks Streamlit for a table: of two threads that import it at the same moment one
    can see half of it."""
    with _importing:
        importlib.import_module("pandas")


def keep_ready() -> None:
    """A process waits for the next command, unless one is at work: the two would only slow each other down."""
    if _begun.is_set() and not worker.busy():
        waiting.keep_ready()


def _load() -> None:
    first_page()
    inspect.stack()  # Streamlit asks for it once, before the first element; it looks up the file of every module
    _drawn.wait(FIRST_PAGE)
    _drawn.set()
    keep_ready()
    tables()
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was loaded stays for good: no later collection needs to look at it again
    importlib.import_module(
        "study.background.fits"
    ).begin()  # last: whoever starts the demo at once needs the processor for its first merges
