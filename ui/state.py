"""The only file that touches session state, the address's parameters and caches. Holds ids and small dicts only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from study.background.fits import beside
from study.choosing.flips import flips
from study.choosing.trust import left_out, surrogates
from study.errors import StudyError
from study.folder.layers import labels, title
from study.front import front, methods_measured
from study.keeping import library
from study.study import Study
from ui import copy, methods
from ui.drafts import DEFAULT_KIND
from ui.link import PARTS, parse_choice, strengths_text, write_choice
from ui.payload import explorer_payload
from ui.pictures import packed_flips

Json = dict[str, Any]
POINTS = 500  # predicted mixes on the map; every move in the browser is a pass over all of them
OVERLAY = 120  # of every other way of blending
CHOICE = (*PARTS, "by")  # parameters of an address: what is chosen on the map, and of which way of blending
CHOOSING = ("run", "explore", "export")  # the pages whose address carries it


def current_key() -> str | None:
    """The key of the open study: the address wins, so that a link opens what it says."""
    asked = st.query_params.get("study")
    if asked is not None and asked != st.session_state.get("study"):
        st.session_state["study"] = asked
    key = st.session_state.get("study")
    return str(key) if key else None


def keep_address() -> None:
    """Navigation links drop parameters, so every page writes the study and the choice back into its address."""
    key = st.session_state.get("study")
    if key and st.query_params.get("study") != key:
        st.query_params["study"] = key
    asked = _linked()
    if key and asked:
        st.session_state["linked"] = asked
    elif key and st.session_state.get("linked") and st.session_state.get("page") in CHOOSING:
        st.query_params.update(st.session_state["linked"])


def _linked() -> dict[str, str]:
    """What the address says of the choice on the map."""
    return {name: st.query_params[name] for name in CHOICE if name in st.query_params}


def method_kept(study: Study) -> str | None:
    """The way of blending that this visit or the address chose, where the study has it."""
    address = st.session_state.get("linked", {}) | _linked()
    found = st.session_state.get("method") or address.get("by")
    return found if found in [one.name for one in study.settings.methods] else None


def keep_method(name: str) -> None:
    """Remember the way of blending and write it into the address."""
    st.session_state["method"] = name
    if st.query_params.get("by") != name:
        st.query_params["by"] = name


def set_study(key: str | None) -> None:
    """Open another study (or none) and forget what was chosen in the last one."""
    st.session_state["study"] = key
    for name in ("start", "choice", "linked", "map_revision", "asked", "method", "surrogate"):
        st.session_state.pop(name, None)
    st.query_params.clear()
    if key:
        st.query_params["study"] = key


def current_study() -> tuple[Study | None, str | None]:
    """The open study, or None with the one line that says why not (None where nothing was asked for)."""
    key = current_key()
    if key is None:
        return None, None
    try:
        return library.find(key), None
    except StudyError as error:
        return None, str(error)


def study_of(key: str) -> Study | None:
    """The open study, for a part of a page that was drawn for it; None once another one is open.

    A study that was removed or damaged meanwhile, in another tab perhaps, has the whole page drawn anew: it says so.
    """
    study, problem = current_study()
    if problem and current_key() == key:
        st.rerun()
    return study if study is not None and study.folder.name == key else None


def enter(page: str) -> bool:
    """Note which page is shown; True on the first run after coming from another one."""
    before = st.session_state.get("page")
    st.session_state["page"] = page
    return bool(before != page)


def remember(name: str, value: Any) -> None:
    """Keep a small value for this visit."""
    st.session_state[name] = value


def recall(name: str, default: Any = None) -> Any:
    """What `remember` kept."""
    return st.session_state.get(name, default)


def forget(name: str) -> Any:
    """Take a remembered value out."""
    return st.session_state.pop(name, None)


@st.cache_data(max_entries=24, show_spinner=False)
def _front(key: str, revision: str, points: int, method: str | None, surrogate: str | None) -> Json:
    study = library.find(key)
    return beside(front, study, surrogate, points=points, method=method)


def front_of(
    study: Study,
    revision: str | None = None,
    points: int = POINTS,
    method: str | None = None,
    surrogate: str | None = None,
) -> Json:
    """The study's front, computed once per revision.

    Raises:
        StudyError: there are no done trials.
    """
    return _front(study.folder.name, revision or study.store.revision(), points, method, surrogate)


def titles_of(study: Study) -> dict[str, str]:
    """What a screen calls each expert and each coefficient."""
    groups = study.settings.groups
    pairs = [(one, label) for one in study.experts for label in labels(groups)]
    named = {
        name: title(one.title or one.name, label, groups)
        for name, (one, label) in zip(study.coefficients, pairs, strict=True)
    }
    return {expert.name: expert.title or expert.name for expert in study.experts} | named


def payload_of(study: Study, revision: str, method: str, surrogate: str | None = None) -> Json:
    """The explorer's message for a revision; the same bytes every time, so that it is sent once."""
    choice = study.method(method)
    titles = titles_of(study)
    found = front_of(study, revision, method=method, surrogate=surrogate)
    listed = [one.name for one in methods_measured(study)]
    shown = {name: methods.title(name) for name in listed}
    for other in (name for name in listed if name != method):
        theirs = front_of(study, revision, points=OVERLAY, method=other)
        found = {**found, **{part: [*found[part], *theirs[part]] for part in ("measured", "predicted")}}
    value = explorer_payload(found, study.bounds(choice), titles, method, copy.EXPLORER, shown)
    mark = hashlib.sha256(f"{study.folder}|{revision}|{method}|{surrogate}".encode()).hexdigest()[:16]
    return {**value, "rev": mark, "study": study.folder.name}


@st.cache_data(max_entries=16, show_spinner=False)
def _samples(key: str, revision: str, method: str) -> Json:
    study = library.find(key)
    names = study.coefficients
    drawn = _front(key, revision, POINTS, method, None)["predicted"]
    at = np.array([[point["coefficients"][name] for name in names] for point in drawn])
    try:
        found = beside(flips, study, study.method(method), at.reshape(-1, len(names)))
        return packed_flips(study, found, len(names))
    except (ValueError, OSError) as error:  # too few mixes, no answers to show, data that has moved
        return {"problem": str(error), "tasks": [], "degree": 1}


@st.cache_data(max_entries=24, show_spinner=False)
def _left_out(key: str, revision: str, method: str, surrogate: str | None) -> Json:
    study = library.find(key)
    try:
        return dict(beside(left_out, study, study.method(method), surrogate))
    except ValueError:  # too few mixes for a prediction
        return {}


def left_out_of(study: Study, revision: str, method: str, surrogate: str | None) -> Json:
    """Each trial predicted from the others, by task; empty while there are too few."""
    return _left_out(study.folder.name, revision, method, surrogate)


@st.cache_data(max_entries=24, show_spinner=False)
def _surrogates(key: str, revision: str, method: str) -> list[dict[str, str]]:
    study = library.find(key)
    return beside(surrogates, study, study.method(method))


def surrogates_of(study: Study, revision: str, method: str) -> list[dict[str, str]]:
    """The surrogates that can be fitted now."""
    return _surrogates(study.folder.name, revision, method)


def samples_of(study: Study, revision: str, method: str) -> Json:
    """What the explorer needs to show single samples; {"problem": why not} where it cannot."""
    return _samples(study.folder.name, revision, method)


def opening(study: Study, payload: Mapping[str, Any]) -> Json:
    """Where the explorer begins: the choice of this visit, else what the address says."""
    kept = st.session_state.get("choice")
    if kept:
        return dict(kept)
    start, unknown = parse_choice(st.session_state.get("linked", {}) | _linked(), payload)
    for name in unknown:
        st.toast(copy.LINK_UNKNOWN.format(name=name))
    return start


def keep_choice(choice: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """Remember what is chosen on the map and write it into the address, so that the address can be shared."""
    st.session_state["choice"] = dict(choice)
    wanted = write_choice(choice, payload)
    for name in PARTS:
        if name in wanted:
            if st.query_params.get(name) != wanted[name]:
                st.query_params[name] = wanted[name]
        elif name in st.query_params:
            del st.query_params[name]
    st.session_state["linked"] = _linked()


def keep_pick(pick: list[float]) -> None:
    """Remember a mix that was chosen by its strengths alone, and write it into the address."""
    st.session_state["choice"] = {"pick": pick}
    st.query_params["pick"] = strengths_text(pick)
    st.session_state["linked"] = _linked()


def picked(study: Study) -> dict[str, float] | None:
    """The strengths of the chosen mix, from this visit or from the address."""
    choice = st.session_state.get("choice") or {}
    address = st.session_state.get("linked", {}) | _linked()
    numbers = choice.get("pick") or _numbers(address.get("pick", ""))
    names = study.coefficients
    return dict(zip(names, numbers, strict=True)) if len(numbers) == len(names) else None


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split("~")] if text else []
    except ValueError:
        return []


def draft() -> Json:
    """The new study that is being put together on the first two pages."""
    value: Json = st.session_state.setdefault(
        "draft", {"name": "", "model": DEFAULT_KIND, "tokenizer": "", "base": "", "experts": 2, "tasks": 2}
    )
    return value


def keep_guess(strengths: Mapping[str, float], metrics: Json) -> None:
    """Remember what was predicted for a mix before it was checked."""
    st.session_state["guess"] = {_mix(strengths): metrics}


def guess(strengths: Mapping[str, float]) -> Json | None:
    """What was predicted for a mix before it was checked, if that was seen in this visit."""
    found: Json | None = st.session_state.get("guess", {}).get(_mix(strengths))
    return found


def _mix(strengths: Mapping[str, float]) -> str:
    return ",".join(f"{name}={value:.3f}" for name, value in sorted(strengths.items()))
