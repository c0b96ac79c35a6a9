"""Step 3: the run. A fragment looks every second or sooner; the work itself is in another process."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from study.background import worker
from study.keeping import library
from study.study import Study
from ui import copy, doctoring, draft_settings, exports, jobs, maps, parts, results, state, words
from ui import copy_run as told
from ui.fragments import fragment
from ui.glossary import meaning

MIXING = ("measuring", "paused")  # the phases in which mixes are made
LOOK, LOOK_SOON = 1.0, 0.4  # seconds between two looks at a run: usually, and until its map opens
SLOW = 3.0  # seconds of a mix from which the chart is drawn from the first mixes on
SHOWN = 4000  # bytes of the log on the page; the rest is in the download


def start(study: Study, trials: int, device: str | None = None) -> None:
    """Start or go on; at once visible."""
    parts.launch(study, trials, device)
    st.rerun()


def choose_budget(study: Study) -> None:
    """Nothing measured yet: how thorough, how long that takes, and go."""
    st.markdown(copy.RUN_NEW)
    budget = st.segmented_control(
        copy.BUDGET_LABEL if len(study.settings.methods) < 2 else copy.BUDGET_EACH,
        list(copy.BUDGETS),
        default=state.recall("budget", 30),
        format_func=lambda n: copy.BUDGETS[n],
        required=True,
    )
    doctoring.estimate(study, int(budget or 30))
    stopped = doctoring.stops(study) and not parts.is_demo(study)
    with st.container(horizontal=True):
        if stopped and st.button(copy.CHANGE_DRAFT, type="primary", help=told.CHANGE_HELP):
            change(study)
        if st.button(copy.START, type="secondary" if stopped else "primary", disabled=budget is None):
            start(study, int(budget or 30))
    st.subheader(told.DOCTOR_TITLE)
    doctoring.section(study, ask_first=True)
    command(study, int(budget or 30))


def command(study: Study, budget: int) -> None:
    """What does the same without a browser."""
    with st.expander(told.COMMAND):
        st.code(
            f"python -m study run {study.folder} --trials {budget}\npython -m study table {study.folder} trials.csv",
            language="bash",
            wrap_lines=True,
        )


def progress(study: Study, facts: dict[str, Any]) -> None:
    """The bar, the phase and the time left; pause and stop."""
    now = facts["worker"]
    total = max(int(now["total"] or 0), asked_for(facts), 1)
    text, share = told.PHASES.get(now["phase"], told.PHASES["starting"]), facts["done"] / total
    if now["phase"] not in MIXING and now["total"]:
        share = now["done"] / now["total"]
        text = step_words(text, facts)
    if now["phase"] in MIXING:
        text = copy.PROGRESS.format(done=facts["done"], total=total)
        ends = facts["seconds_left_range"]
        if facts["seconds_left"] is not None:
            left, spread = words.duration(facts["seconds_left"]), words.span(*ends) if ends else None
            said = told.LEFT.format(time=left, span=spread) if spread else copy.TIME_LEFT.format(time=left)
            text = f"{text} · {said}"
    st.progress(min(1.0, share), text=text)
    if now["phase"] == "paused":
        st.info(told.PAUSED)
    buttons(study, facts)


def asked_for(facts: dict[str, Any]) -> int:
    """The mixes that the last run was to have measured in the end, of all ways of blending together."""
    return int(facts["worker"]["budget"] or 0) * len(facts["methods"])


def step_words(phase: str, facts: dict[str, Any]) -> str:
    """How far the step before the mixes is, how long it may still take, and what is measured already."""
    now = facts["worker"]
    done, total, early = int(now["done"]), int(now["total"]), now["phase"] in told.ENDS_EARLY
    parts_of = [(told.PHASE_MOST if early else told.PHASE_STEP).format(phase=phase, done=done, total=total)]
    left = step_left(now["phase"], done, total)
    if left is not None:
        parts_of.append((told.LEFT_AT_MOST if early else told.LEFT_OF_STEP).format(time=words.duration(left)))
    if facts["done"]:
        parts_of.append(told.AND_MEASURED.format(done=facts["done"], total=max(asked_for(facts), facts["done"])))
    return " · ".join(parts_of)


def step_left(phase: str, done: int, total: int) -> float | None:
    """Seconds that a step may still take, by its pace since this visit saw it begin; None until that is known."""
    before, first, since = state.recall("pace", ("", 0, 0.0))
    if before != phase or done < first:
        state.remember("pace", (phase, done, time.monotonic()))
        return None
    gone, passed = done - first, time.monotonic() - since
    return passed / gone * (total - done) if gone >= 3 and passed > 5 and done < total else None


def buttons(study: Study, facts: dict[str, Any]) -> None:
    """Pause, go on, stop (which asks first)."""
    now = facts["worker"]
    with st.container(horizontal=True, vertical_alignment="center"):
        mixing = now["phase"] in MIXING
        if now["cancelling"]:
            st.caption(copy.CANCELLING if mixing else told.STOPPING)
            return
        if now["pausing"]:
            if st.button(told.GO_ON, key="go-on", type="primary"):
                study.store.request_pause(False)
                parts.draw_again()
            if now["phase"] != "paused":
                st.caption(told.PAUSING)
        elif now["phase"] == "measuring" and st.button(told.PAUSE, key="pause"):
            study.store.request_pause()
            parts.draw_again()
        with st.popover(copy.CANCEL if mixing else told.STOP_NOW, key="stop"):
            st.markdown((told.SURE if mixing else told.SURE_NOW).format(done=facts["done"]))
            if st.button(told.STOP, key="cancel", type="primary"):
                study.store.request_cancel()
                parts.draw_again()
        st.caption(copy.CLOSE_TAB)


def stalled(study: Study, facts: dict[str, Any]) -> None:
    """No sign of life: wait, or start anew where it stopped."""
    st.warning(copy.STALLED.format(seconds=facts["worker"]["heartbeat_age"]))
    number = facts["done"] + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(told.RESTART.format(n=number), key="restart"):
            study.store.request_cancel()
            worker.stop(study.folder, patience=2.0)
            parts.launch(study, int(facts["worker"]["budget"] or 0))
            st.rerun()
        st.caption(told.STALLED_HELP.format(n=number))


def ended(study: Study, facts: dict[str, Any], now: str) -> None:
    """How the last run ended, and how to go on."""
    error = str(facts["last_error"] or jobs.last_line(study.folder / worker.LOG))
    if now == "failed":
        st.error(copy.FAILED.format(error=parts.plain(error)))
        if facts["done"]:
            st.caption(copy.FAILED_SAFE.format(done=facts["done"]))
        elif not parts.is_demo(study) and st.button(copy.CHANGE_DRAFT, type="primary"):
            change(study)
    elif now == "interrupted":
        st.warning(told.INTERRUPTED.format(done=facts["done"]))
    elif now == "cancelled":
        st.info(told.PHASES["cancelled"])
    if facts["failed"]:
        st.warning(copy.SOME_FAILED.format(n=facts["failed"], error=parts.plain(error)))
    go_on(study, facts, "memory" in error.lower() and (now == "failed" or bool(facts["failed"])))


def go_on(study: Study, facts: dict[str, Any], no_memory: bool) -> None:
    """The buttons that continue a run, or make it longer."""
    budget = int(facts["worker"]["budget"] or 0)
    total = asked_for(facts)
    if no_memory:
        st.info(told.NO_MEMORY)
    with st.container(horizontal=True):
        if facts["done"] < total:
            label = copy.RESUME.format(done=facts["done"], total=total)
            if st.button(label, type="primary" if facts["done"] < parts.map_needs(study) else "secondary"):
                start(study, budget)
            if no_memory and st.button(told.ON_CPU):
                start(study, budget, "cpu")
        elif st.button((copy.RUN_MORE if len(facts["methods"]) < 2 else copy.RUN_MORE_EACH).format(n=10)):
            start(study, max(facts["done"] // max(1, len(facts["methods"])), budget) + 10)


def change(study: Study) -> None:
    """Nothing could be measured: back to the first step, everything filled in; the study goes to the trash."""
    state.draft().update(draft_settings.draft_from(study.settings, study.folder))
    library.remove(study.folder.name)
    state.set_study(None)
    parts.go("experts")


def to_the_map(study: Study, facts: dict[str, Any], running: bool) -> None:
    """Explore as soon as there is something to explore."""
    need = parts.map_needs(study)
    if parts.whole(facts) < need:
        if running:
            text = told.MAP_AT_ALL if facts["partial"] else copy.MAP_AT
            st.caption(text.format(need=need, done=parts.whole(facts)))
        return
    if running and state.recall("map_open") != study.folder.name:
        maps.begin(study)
        state.remember("map_open", study.folder.name)
        st.rerun()  # the navigation opens the next steps
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        whole = parts.stand(facts) == "done" and facts["done"] >= asked_for(facts)
        st.markdown(copy.MAP_READY if running else copy.MAP_DONE if whole else told.MAP_PART, width="stretch")
        if st.button(copy.EXPLORE_BUTTON, type="primary", key="explore"):
            parts.go("explore")


def chart_is_due(study: Study, facts: dict[str, Any]) -> bool:
    """Whether to draw the live chart. Where mixes take a moment only, it comes a look after the way to the map.

    A browser is busy for seconds when it draws its first chart, and then the first mixes take twice as long.
    """
    if (facts["seconds_per_trial"] or 0.0) > SLOW:
        return True
    shown = bool(state.recall("map_shown") == study.folder.name)
    if state.recall("map_open") == study.folder.name:
        state.remember("map_shown", study.folder.name)
    return shown


def watch(key: str) -> None:
    """The part that lives while the worker works; hands over to the full page once, when it ends."""
    study = state.study_of(key)
    if study is None:
        return
    facts = parts.standing(study)
    now = parts.stand(facts)
    if parts.starting(study):
        st.progress(0.0, text=told.PHASES["starting"])
        return
    if now not in ("running", "cancelling", "stalled", "paused"):
        st.rerun()
    if now == "stalled":
        stalled(study, facts)
    progress(study, facts)
    to_the_map(study, facts, running=True)
    if chart_is_due(study, facts):
        results.chart(study, facts)


@fragment(run_every=2.0)
def lookout(key: str) -> None:
    """Sees that somebody started the worker elsewhere: another tab, the command line."""
    study = state.study_of(key)
    if study is not None and worker.alive(study.folder):
        st.rerun()


state.enter("run")
current = parts.need_study()
st.title(copy.RUN_TITLE, help=meaning("mix"))
known = parts.standing(current)
state_now = parts.stand(known)
if known["worker"]["running"] or parts.starting(current):
    open_already = state.recall("map_open") == current.folder.name
    fragment(LOOK if open_already else LOOK_SOON)(watch)(current.folder.name)
elif state_now == "new":
    choose_budget(current)
else:
    if state_now == "done":  # the way on comes first; else what went wrong does
        to_the_map(current, known, running=False)
    ended(current, known, state_now)
    if state_now != "done":
        to_the_map(current, known, running=False)
    results.chart(current, known)
    results.downloads(current)
    command(current, int(known["worker"]["budget"] or 30))
if not known["worker"]["running"]:
    lookout(current.folder.name)
log_file = current.folder / worker.LOG
if log_file.exists() and log_file.stat().st_size:
    with st.expander(told.LOG):
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - SHOWN))
            st.code(file.read(SHOWN).decode("utf-8", errors="replace"), language=None, wrap_lines=True)
        st.link_button(told.LOG_DOWNLOAD, exports.offer(current.folder, [worker.LOG])[worker.LOG])
