"""A check asked for on the map: proposing it as a trial, seeing to it that somebody measures it, the answer."""

from __future__ import annotations

import time
from contextlib import suppress

import streamlit as st

from study.background import worker
from study.background.fits import beside
from study.predict import predict
from study.study import Study
from ui import copy, parts, state

PATIENCE = 20.0  # seconds that a new worker may need before it shows itself


def ask_for_check(study: Study, method: str, pick: list[float]) -> None:
    """Propose the mix as a trial and see to it that somebody measures it."""
    names = study.coefficients
    low, high = study.bounds(study.method(method))
    inside = [min(max(value, low), high) for value in pick]
    strengths = dict(zip(names, inside, strict=True))
    with suppress(ValueError):  # the prediction from before the check, to be shown beside it
        state.keep_guess(strengths, beside(predict, study, [strengths], method=method)["points"][0]["metrics"])
    identity = study.propose(study.method(method), strengths, "asked")
    if not worker.alive(study.folder):
        worker.start(study.folder)
    state.remember("asked", identity)
    state.remember("asked_at", time.monotonic())
    state.forget("answered")


def await_check(study: Study, asked: str) -> None:
    """Say how the requested check stands; when there is an answer, draw the page anew."""
    trial = next((one for one in study.store.trials() if one.id == asked), None)
    told = parts.standing(study)["worker"]
    late = time.monotonic() - state.recall("asked_at", 0.0) > PATIENCE
    answer = None
    if trial is None or trial.state == "done":
        answer = copy.CHECK_DONE
        state.remember("map_revision", study.store.revision())
    elif trial.state == "failed" or (late and not told["running"] and told["phase"] == "failed"):
        answer = copy.CHECK_FAILED.format(error=trial.error or told["error"])
    if answer:
        state.forget("asked")
        state.remember("answered", answer)
        st.rerun()
    if late and not told["running"]:
        worker.start(study.folder)  # the last worker ended just before it saw the wish
        state.remember("asked_at", time.monotonic())
    st.info(copy.CHECK_MORE if told["running"] and told["budget"] else copy.CHECK_QUEUED)
