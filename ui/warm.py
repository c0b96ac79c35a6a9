"""What the app gets ready while nobody waits for it: a process for the first command, the modules of the map."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from study import waiting, worker
from ui.login import close_in

MODULES = ("study.front", "study.predict", "ui.figures", "ui.payload", "pandas")
_begun = threading.Event()


@asynccontextmanager
async def while_serving(app: Any) -> AsyncIterator[None]:
    """The web application's life: at its start everything is warmed up in the background."""
    close_in()
    _begun.set()
    keep_ready()
    threading.Thread(target=_load, daemon=True).start()
    yield


def keep_ready() -> None:
    """A process waits for the next command, unless one is at work: the two would only slow each other down."""
    if _begun.is_set() and not worker.busy():
        waiting.keep_ready()


def _load() -> None:
    for name in MODULES:
        importlib.import_module(name)
