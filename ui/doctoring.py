"""What the preflight doctor found, in plain words: findings, overlap, memory, the estimate of a run."""

from __future__ import annotations

import threading
import time
from typing import Any

import streamlit as st

from study.background import worker
from study.preflight import doctor
from study.study import Study
from ui import charts, jobs, methods, parts, state, words
from ui import copy_run as told
from ui.fragments import fragment

LONG = 900.0  # seconds after which an estimate suggests a quick look first
SPREAD = (0.8, 1.6)  # what a run took, as a share of the doctor's estimate from one small batch


_lock = threading.Lock()
_sent: dict[str, tuple[str, int, float]] = {}  # by folder: the last doctor that anybody sent, for `jobs.working`


def ask(study: Study) -> None:
    """Let the doctor look, in a process of its own; one that somebody else has sent is waited for, not doubled."""
    place = str(study.folder)
    with _lock:
        known = _sent.get(place)
        if known is None or not jobs.working(*known[1:]):
            pid = doctor.start(study)
            known = _sent[place] = (study.folder.name, pid, jobs.born(pid))
    state.remember("doctor", known)


def looking(study: Study) -> bool:
    """Whether the doctor that this visit sent is still at it."""
    key, pid, born = state.recall("doctor", ("", 0, 0.0))
    return bool(key == study.folder.name and jobs.working(pid, born))


def section(study: Study, ask_first: bool = False) -> doctor.Report | None:
    """The whole report with a way to make it; the report, if there is one."""
    report = doctor.last_report(study)
    if looking(study):
        wait(study.folder.name)
        return report
    sent = state.recall("doctor", ("",))[0] == study.folder.name
    if report is None and not sent and ask_first and not worker.alive(study.folder):
        ask(study)
        wait(study.folder.name)
        return None
    if report is None:
        if sent:
            st.warning(told.DOCTOR_FAILED.format(error=parts.plain(jobs.last_line(study.folder / worker.LOG))))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(told.DOCTOR_START, key="doctor"):
                ask(study)
                st.rerun()
            st.caption(told.DOCTOR_LEAD)
        return None
    findings(report)
    return report


@fragment(run_every=1.0)
def wait(key: str) -> None:
    """Until the doctor has looked; then the page is drawn anew."""
    study = state.study_of(key)
    if study is None:
        return
    if not looking(study):
        st.rerun()
    begun = state.recall("doctor", ("", 0, time.time()))[2]
    st.info(told.DOCTOR_RUNNING.format(time=words.duration(time.time() - begun)))


def stops(study: Study) -> bool:
    """Whether the doctor has found what no run of this study would survive."""
    report = None if looking(study) else doctor.last_report(study)
    return report is not None and report.level == "stop"


def findings(report: doctor.Report) -> None:
    """One box per finding, the worst first, each with what to do."""
    show = {"stop": st.error, "warn": st.warning, "note": st.info}
    if report.level == "fine":
        st.success(told.DOCTOR_FINE)
    elif report.level == "stop":
        st.markdown(told.DOCTOR_STOP)
    for one in report.findings:
        if one.level != "note":
            show[one.level](words_of(one))
    notes = [one for one in report.findings if one.level == "note"]
    if notes:
        with st.expander(told.LEVELS["note"]):
            for one in notes:
                st.markdown(words_of(one))


def words_of(one: doctor.Finding) -> str:
    """A finding as a person reads it; fields of study.yaml by what the form calls them."""
    text = f"{one.text} {one.remedy}".strip()
    for field, label in told.FIELDS.items():
        text = text.replace(field, label)
    return f"**{parts.plain(one.where)}**: {parts.plain(text)}"


def overlap(study: Study, report: doctor.Report) -> None:
    """How far each specialist moved, how alike their changes are, what room they need."""
    titles = {expert.name: expert.title or expert.name for expert in study.experts}
    room(report.cost)
    if len(report.cosines) > 1:
        st.subheader(told.OVERLAP_TITLE)
        st.plotly_chart(
            charts.overlap(report.cosines, titles), key="overlap", alt=told.OVERLAP_WORDS, width="content",
            config={"displayModeBar": False},
        )  # fmt: skip
        st.caption(told.OVERLAP_WORDS)
    for name, share in report.norm_ratio.items():
        st.caption(told.DISTANCE.format(name=parts.plain(titles.get(name, name)), share=f"{100 * share:.1f} %"))


def room(cost: Any) -> None:
    """Memory and disk, beside what is free."""
    if cost.get("memory_bytes") and cost.get("disk_bytes"):
        st.caption(
            told.ROOM.format(
                need=words.size(cost["memory_bytes"]),
                free=words.size(cost["memory_free_bytes"]),
                disk=words.size(cost["disk_bytes"]),
                disk_free=words.size(cost["disk_free_bytes"]),
            )
        )


def estimate(study: Study, mixes: int) -> None:
    """How long so many mixes will take, from what was measured: trials of this study, else the doctor's small batch."""
    each = parts.standing(study)["seconds_per_trial"]
    report = doctor.last_report(study)
    each = each or (report.cost.get("seconds_per_trial") if report else None)
    if not each:
        st.caption(told.ESTIMATE_NONE)
        return
    ways = len(study.settings.methods)
    whole = float(each) * mixes * ways
    spread = words.span(*(whole * share for share in SPREAD)) or words.duration(whole)
    mixed = told.MIXES if ways == 1 else told.MIXES_EACH
    told_of = mixed.format(n=mixes, ways=ways)
    st.caption(told.ESTIMATE.format(mixes=told_of, time=words.duration(whole), span=spread))
    if methods.learns([one.name for one in study.settings.methods]):
        st.caption(told.ESTIMATE_LEARNS)
    if whole > LONG:
        st.warning(told.ESTIMATE_LONG)
