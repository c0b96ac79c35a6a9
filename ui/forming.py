"""The two forms of some ways of blending: the one the map moves, and the one worked out anew for a chosen mix."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.background import worker
from study.front import task_facts
from study.study import Study
from ui import copy, jobs, methods, parts, state, words
from ui import copy_export as told
from ui.fragments import fragment


def two_formed(method: str) -> bool:
    """Whether a way of blending has both."""
    facts = next((one for one in methods.listed() if one["name"] == method), {})
    return facts.get("class") == "frozen" and bool(facts.get("exact_form"))


def choose(study: Study, method: str, strengths: dict[str, float]) -> bool:
    """Which form to write; True: worked out anew. Nothing is asked where there is one form only."""
    if not two_formed(method):
        return False
    exact = st.radio(
        told.FORM, [False, True], key="form", help=told.FORM_HELP, captions=list(told.FORM_NOTES),
        format_func=lambda anew: told.FORMS[anew],
    )  # fmt: skip
    how_far(study, method, strengths)
    return bool(exact)


def comparing(study: Study, method: str, strengths: dict[str, float]) -> bool:
    """Whether the two forms of this mix are being compared for this visitor."""
    log, pid, born = state.recall("forms", ("", 0, 0.0))
    return log == str(jobs.forms_log(study, strengths, method)) and jobs.working(pid, born)


def how_far(study: Study, method: str, strengths: dict[str, float]) -> None:
    """How much the two forms differ on these models, once somebody has asked for it."""
    found, error = jobs.forms(study, strengths, method)
    if found:
        shown(study, found)
        return
    if comparing(study, method, strengths):
        watch(study.folder.name, method, strengths)
        return
    busy = worker.alive(study.folder)
    if error and not busy:  # else somebody else is comparing them
        st.error(told.FORMS_FAILED.format(error=parts.plain(error)))
    if st.button(told.COMPARE_FORMS, key="compare-forms", disabled=busy, help=told.COMPARE_FORMS_HELP):
        state.remember("forms", jobs.start_forms(study, strengths, method))
        st.rerun()


def shown(study: Study, found: dict[str, Any]) -> None:
    """The distance in one sentence, the scores of both in a table."""
    share = words.score(float(found["distance"]), "fraction")
    st.markdown(told.APART.format(share=share))
    rows = [
        {
            copy.COLUMNS["task"]: parts.plain(task["title"]),
            told.FORMS[False]: words.with_error(found["frozen"][task["name"]], task["unit"]),
            told.FORMS[True]: words.with_error(found["exact"][task["name"]], task["unit"]),
        }
        for task in task_facts(study)
    ]
    st.table(rows, border="horizontal", hide_index=True)


def written(facts: dict[str, Any]) -> str | None:
    """Which form a finished export has, in words; None where its way of blending has one only."""
    form = facts.get("forms")
    if not form:
        return None
    return told.WRITTEN[form["written"]].format(share=words.score(float(form["distance"]), "fraction"))


@fragment(run_every=1.0)
def watch(key: str, method: str, strengths: dict[str, float]) -> None:
    """Wait for the comparison; the full page is drawn again once it is there."""
    study = state.study_of(key)
    if study is None:
        return
    if jobs.forms(study, strengths, method)[0] or not comparing(study, method, strengths):
        st.rerun()
    st.info(told.COMPARING)
