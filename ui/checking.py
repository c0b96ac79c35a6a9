"""A check asked for on the map: proposing it as a trial, seeing to it that somebody measures it, the answer."""

from __future__ import annotations

import time
from contextlib import suppress

import streamlit as st

from study.background import worker
from study.background.fits import beside
from study.predict import predict
from study.study import Study
from ui import copy, parts, state, words

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
    failed = False
    answer = None
    if trial is None or trial.state == "done":
        answer = copy.CHECK_DONE
        state.remember("map_revision", study.store.revision())
    elif trial.state == "failed" or (late and not told["running"] and told["phase"] == "failed"):
        failed, answer = True, copy.CHECK_FAILED.format(error=trial.error or told["error"])
    if answer:
        state.forget("asked")
        state.remember("answered", (failed, answer))
        st.rerun()
    if late and not told["running"]:
        worker.start(study.folder)  # the last worker ended just before it saw the wish
        state.remember("asked_at", time.monotonic())
    if state.recall("plain_charts") or state.recall("failure"):  # the fast map says it beside its button
        st.info(copy.CHECK_MORE if told["running"] and told["budget"] else copy.CHECK_QUEUED)


def told_answer() -> None:
    """How the last check ended: good news passes by and moves nothing, bad news stays until the next check."""
    failed, text = state.recall("answered") or (False, "")
    if failed:
        st.error(text)
    elif text:
        st.toast(text)
        state.forget("answered")


def check_words(study: Study) -> str:
    """What happens while a mix is checked, and how long that takes; it stands beside the button."""
    facts = parts.standing(study)
    each = words.duration(facts["seconds_per_trial"] or 1.0)
    return (copy.CHECK_NEXT if facts["worker"]["running"] else copy.CHECK_WAIT).format(time=each)
