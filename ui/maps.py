"""Which map a visitor sees: first the last that was made; newer ones by themselves until something is chosen on it."""

from __future__ import annotations

import logging
import threading
import time

from study.front import methods_measured
from study.keeping import library
from study.study import Study
from ui import state

log = logging.getLogger(__name__)
SHARED = 10.0  # seconds for which all who open the map of a study that is being measured see the same one
_lock = threading.Lock()
_made: dict[str, tuple[str, float]] = {}
_making: set[str] = set()


def opening_revision(study: Study, measuring: bool) -> str:
    """The revision that a map opens with: the newest.

    While results come in, the last one whose map is made: each new one costs a fit, and nobody should wait for it.
    Where that is older than some seconds, or twice as much is measured by now, the map of the newest is begun for those
    who come later: the first map, from a handful of mixes, is rough and should not stay. The page says how many results
    are newer, and shows them on request.
    """
    place, now = str(study.folder), time.monotonic()
    with _lock:
        revision, since = _made.get(place, ("", 0.0))
        if not measuring or not revision.startswith(study.context):
            revision = study.store.revision()
            _made[place] = (revision, now)
        elif place not in _making and (now - since > SHARED or _outgrown(revision, study.store.revision())):
            _making.add(place)
            threading.Thread(target=_make, args=(study.folder.name, place), daemon=True).start()
    return revision


def _outgrown(revision: str, newest: str) -> bool:
    """Whether twice as many trials are done as at a revision (its third number from the end counts them)."""
    then, now = (int(one.rsplit("-", 3)[1]) for one in (revision, newest))
    return now >= 2 * then


def begin(study: Study) -> None:
    """Begin the first map of a study that is being measured, before anybody asks: who opens it waits for the rest."""
    place, now = str(study.folder), time.monotonic()
    with _lock:
        if place in _making or _made.get(place, ("", 0.0))[0].startswith(study.context):
            return
        _made[place] = (study.store.revision(), now)
        _making.add(place)
    threading.Thread(target=_make, args=(study.folder.name, place), daemon=True).start()


def follows(study: Study, shown: str, method: str, measuring: bool) -> bool:
    """Whether the map went on from the revision ``shown`` to a newer one, whose map is there to be drawn at once."""
    newest = opening_revision(study, measuring)
    if newest == shown:
        return False
    state.payload_of(study, newest, method, state.recall("surrogate"))
    state.remember("map_revision", newest)
    return True


def _make(key: str, place: str) -> None:
    """Draw the newest map for nobody in particular: what it needs is kept (`ui.state`) until it is asked for."""
    begun = time.monotonic()
    try:
        study = library.find(key)
        revision = study.store.revision()
        method = methods_measured(study)[0].name
        state.payload_of(study, revision, method)
        state.samples_of(study, revision, method)
        with _lock:
            _made[place] = (revision, begun)
    except Exception:  # the study may be gone or changed by now; whoever opens it next is told why
        log.exception("the next map of %s", key)
    finally:
        with _lock:
            _making.discard(place)
