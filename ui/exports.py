"""Streams exported files to the browser: /exports/<token>/<name>, flat in memory, resumable; and a worker's log.

A token stands for one finished export, or one study with its log, and is made by the page that shows it; a name must be
in the list that the page gave. No part of a path comes from the address.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from study.background.worker import LOG

MOST = 500
_lock = threading.Lock()
_known: dict[str, dict[str, Path]] = {}
_tokens: dict[Path, str] = {}


def offer(folder: Path, names: list[str]) -> dict[str, str]:
    """Make the named files of a finished export downloadable; {name: address}. The same export keeps its token."""
    with _lock:
        token = _tokens.setdefault(folder, secrets.token_urlsafe(24))
        _known[token] = {name: folder / name for name in names if (folder / name).is_file()}
        while len(_tokens) > MOST:
            oldest = next(iter(_tokens))
            _known.pop(_tokens.pop(oldest), None)
        return {name: f"/exports/{token}/{name}" for name in _known.get(token, {})}


def hosts() -> set[str]:
    """The names under which this server answers: this computer's, and those of `server.allowedHosts`."""
    return {"localhost", "127.0.0.1", "[::1]", *st.get_option("server.allowedHosts")}


def host_of(request: Request) -> str:
    """The name of this computer in a request, without the port."""
    host = request.headers.get("host", "")
    return host if host.startswith("[") and host.endswith("]") else host.rsplit(":", 1)[0]


async def download(request: Request) -> Response:
    """One file, with ranges; `Content-Encoding: identity` keeps the compressing middleware away from gigabytes."""
    if host_of(request) not in hosts():
        return PlainTextResponse("This address is only for the computer that runs Mergescape.", status_code=403)
    path = _known.get(request.path_params["token"], {}).get(request.path_params["name"])
    if path is None or not path.is_file():
        return PlainTextResponse("This file is not here. Open the export page again for a fresh link.", status_code=404)
    headers = {"Content-Encoding": "identity", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if path.name == LOG:  # it may grow meanwhile: what is there now, whose length is known
        headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
        return Response(path.read_bytes(), media_type="text/plain", headers=headers)
    return FileResponse(path, filename=path.name, media_type="application/octet-stream", headers=headers)


def routes() -> list[BaseRoute]:
    """What is served below /exports."""
    return [Route("/{token}/{name:path}", download, methods=["GET", "HEAD"])]
