"""Whole studies in and out over HTTP: a zip is streamed from the folder, an uploaded one goes straight to the disk.

/studies/<token> gives the study that the page with that token shows; PUT /studies/<token> takes one in. A token is made
by the page, so no part of a path comes from the address and no other site can send anything here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from study.errors import StudyError
from study.keeping import library
from study.keeping.pack import stream
from study.keeping.unpack import ROOM
from study.server import allowance
from ui.exports import MOST, host_of, hosts

GONE = "This link is too old. Open the page again for a fresh one."
TOO_LARGE = "This server takes files of up to {most:.0f} MB."
FULL = "The disk is full: the file needs {needed:.0f} MB, {free:.0f} MB are free."
_lock = threading.Lock()
_studies: dict[str, str] = {}
_doors: dict[str, None] = {}


def offer(key: str) -> str:
    """The address of a study's zip; the same study keeps its address."""
    with _lock:
        token = next((token for token, known in _studies.items() if known == key), None) or secrets.token_urlsafe(24)
        _studies[token] = key
        while len(_studies) > MOST:
            _studies.pop(next(iter(_studies)))
    return f"/studies/{token}"


def door() -> str:
    """An address that takes one packed study after another in, for the page that asked."""
    token = secrets.token_urlsafe(24)
    with _lock:
        _doors[token] = None
        while len(_doors) > MOST:
            _doors.pop(next(iter(_doors)))
    return f"/studies/{token}"


def known_door(address: str) -> bool:
    """Whether an address of `door` is still open: a server that started anew knows none."""
    return address.removeprefix("/studies/") in _doors


async def download(request: Request) -> Response:
    """The zip of one study, made while it is sent."""
    key = _studies.get(request.path_params["token"])
    if host_of(request) not in hosts() or key is None:
        return PlainTextResponse(GONE, status_code=404)
    try:
        study = library.find(key)
    except StudyError as error:
        return PlainTextResponse(str(error), status_code=404)
    headers = {
        "Content-Disposition": f'attachment; filename="{key}.zip"',
        "Content-Encoding": "identity",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(stream(study), media_type="application/zip", headers=headers)


async def upload(request: Request) -> Response:
    """One packed study, as the bare body of the request; {"key": …} or {"error": one line}."""
    if host_of(request) not in hosts() or request.path_params["token"] not in _doors:
        return JSONResponse({"error": GONE}, status_code=404)
    place = library.home()
    place.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".upload-", suffix=".part", dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            room = min(shutil.disk_usage(place).free - ROOM, allowance().upload)
            async for block in request.stream():
                room -= len(block)
                if room < 0:
                    if file.tell() + len(block) > allowance().upload:
                        return JSONResponse({"error": TOO_LARGE.format(most=allowance().upload / 1e6)}, status_code=413)
                    full = FULL.format(
                        needed=(file.tell() + len(block)) / 1e6, free=shutil.disk_usage(place).free / 1e6
                    )
                    return JSONResponse({"error": full}, status_code=413)
                file.write(block)
        key = await run_in_threadpool(library.take_in, Path(name), request.query_params.get("name", "study"))
    except (StudyError, OSError) as error:
        return JSONResponse(
            {"error": str(error).replace(f"'{name}'", "This file").replace(name, "This file")}, status_code=400
        )
    finally:
        Path(name).unlink(missing_ok=True)
    return JSONResponse({"key": key})


def routes() -> list[BaseRoute]:
    """What is served below /studies."""
    return [
        Route("/{token}", download, methods=["GET"]),
        Route("/{token}", upload, methods=["PUT"]),
    ]
