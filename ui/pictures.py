"""Real samples for the explorer: what flips as the browser needs it, and the pictures, one sheet per task.

A sheet is one PNG with all pictures of a task side by side. Its address holds a token that the page has made; no part
of a path comes from the address.
"""

from __future__ import annotations

import io
import secrets
import threading
from functools import lru_cache
from typing import Any

from PIL import Image, ImageOps
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from study.choosing.flips import Flips, degree
from study.choosing.gallery import picture
from study.errors import StudyError
from study.keeping import library
from study.study import Study
from ui.exports import host_of, hosts
from ui.packing import signed, whole

Json = dict[str, Any]
Sheet = tuple[str, str, tuple[str, ...]]  # study, task, ids of samples
SHOWN = 24
SIDE = 72
TEXT = 280
MOST = 400
_lock = threading.Lock()
_known: dict[str, Sheet] = {}
_tokens: dict[Sheet, str] = {}


def packed_flips(study: Study, found: list[Flips], d: int) -> Json:
    """All tasks' flips for the browser; the gallery's samples come with the address of their sheet, or as texts."""
    places = [task.name for task in study.tasks]
    return {"degree": degree(d), "tasks": [{"task": places.index(one.task), **_packed(study, one)} for one in found]}


def _packed(study: Study, one: Flips) -> Json:
    weights, steps = signed(one.weights)
    first = picture(study, one.task, one.ids[0]) if one.ids else None
    shown = one.ids[:SHOWN]
    texts = [str(picture(study, one.task, sample))[:TEXT] for sample in shown] if isinstance(first, str) else None
    return {
        "classes": list(one.classes),
        "k": len(one.rows),
        "targets": whole(one.targets),
        "sample": whole(one.sample),
        "label": whole(one.label),
        "weights": weights,
        "steps": steps,
        "said": {name: whole(labels) for name, labels in one.said.items()},
        "steady": [
            [int(i), int(j), int(one.steady[i, j])] for i, j in zip(*one.steady.nonzero(), strict=True)
        ],
        "agreement": round(one.agreement, 5),
        "complete": one.complete,
        "shown": len(shown),
        "texts": texts,
        "sheet": address(study.folder.name, one.task, shown) if first is not None and texts is None else None,
        "side": SIDE,
    }  # fmt: skip


def address(key: str, task: str, ids: tuple[str, ...]) -> str:
    """Where the browser finds a sheet; the same sheet keeps its token."""
    sheet = (key, task, ids)
    with _lock:
        token = _tokens.setdefault(sheet, secrets.token_urlsafe(18))
        _known[token] = sheet
        while len(_tokens) > MOST:
            oldest = next(iter(_tokens))
            _known.pop(_tokens.pop(oldest), None)
    return f"/pictures/{token}.png"


@lru_cache(maxsize=32)
def _drawn(key: str, task: str, ids: tuple[str, ...]) -> bytes:
    study = library.find(key)
    sheet = Image.new("RGB", (SIDE * len(ids), SIDE), "white")
    for place, sample in enumerate(ids):
        one = picture(study, task, sample)
        if not isinstance(one, str):
            way = Image.Resampling.NEAREST if min(one.size) < SIDE else Image.Resampling.BOX
            sheet.paste(ImageOps.fit(one.convert("RGB"), (SIDE, SIDE), way), (place * SIDE, 0))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def sheet(request: Request) -> Response:
    """One task's pictures. Not async: Starlette runs it in a thread, so that drawing blocks nobody."""
    if host_of(request) not in hosts():
        return PlainTextResponse("This address is only for the computer that runs Mergescape.", status_code=403)
    wanted = _known.get(request.path_params["token"])
    if wanted is None:
        return PlainTextResponse("These pictures are not here. Open the map again.", status_code=404)
    try:
        drawn = _drawn(*wanted)
    except (StudyError, OSError, ValueError) as error:
        return PlainTextResponse(f"The pictures cannot be read: {error}", status_code=404)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


def routes() -> list[BaseRoute]:
    """What is served below /pictures."""
    return [Route("/{token}.png", sheet, methods=["GET"])]
