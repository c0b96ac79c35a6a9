"""What the web application serves beside Streamlit: exports, whole studies, pictures.

The modules that answer, and all that they import, are loaded when they are first asked: the server stands sooner.
"""

from __future__ import annotations

import importlib

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import Receive, Scope, Send

SERVED = {"/exports": "ui.exports", "/studies": "ui.archives", "/pictures": "ui.pictures"}


def routes() -> list[BaseRoute]:
    """For `streamlit.App`."""
    return [Mount(path, app=_Later(module)) for path, module in SERVED.items()]


class _Later:
    """The routes of a module, imported with the first request."""

    def __init__(self, module: str) -> None:
        self.module = module

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        module = await run_in_threadpool(importlib.import_module, self.module)
        await Router(module.routes())(scope, receive, send)
