"""Step 3: the run. A fragment looks once a second; the work itself is in another process."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study import library, worker
from study.front import baselines, task_facts
from study.study import Study
from ui import copy, drafts, figures, jobs, parts, state, words
from ui.payload import role_of

GROUP = 3  # the chart is drawn anew every so many results: it should not flicker


def start(study: Study, trials: int) -> None:
    """Start or go on; at once visible."""
    parts.launch(study, trials)
    st.rerun()


def choose_budget(study: Study, facts: dict[str, Any]) -> None:
    """Nothing measured yet: how thorough, and go."""
    st.markdown(copy.RUN_NEW)
    budget = st.segmented_control(
        copy.BUDGET_LABEL, list(copy.BUDGETS), default=30, format_func=lambda n: copy.BUDGETS[n], required=True
    )
    if st.button(copy.START, type="primary", disabled=budget is None):
        start(study, int(budget or 30))


def progress(study: Study, facts: dict[str, Any]) -> None:
    """The bar, the phase and the time left."""
    told = facts["worker"]
    phase = copy.PHASES.get(told["phase"], copy.PHASES["starting"])
    total = max(int(told["total"] or 0), int(told["budget"] or 0) * len(facts["methods"]), 1)
    if told["phase"] == "measuring":
        text = copy.PROGRESS.format(done=facts["done"], total=total)
        if facts["seconds_left"] is not None:
            text = f"{text} · {copy.TIME_LEFT.format(time=words.duration(facts['seconds_left']))}"
        st.progress(min(1.0, facts["done"] / total), text=text)
    else:
        st.progress(min(1.0, facts["done"] / total), text=phase)
    with st.container(horizontal=True, vertical_alignment="center"):
        if told["cancelling"]:
            st.caption(copy.CANCELLING)
        elif st.button(copy.CANCEL, key="cancel"):
            study.store.request_cancel()
            st.rerun(scope="fragment")
        st.caption(copy.CLOSE_TAB)


def ended(study: Study, facts: dict[str, Any], now: str) -> None:
    """How the last run ended, and how to go on."""
    budget = int(facts["worker"]["budget"] or 0)
    total = budget * len(facts["methods"])
    if now == "failed":
        st.error(copy.FAILED.format(error=facts["last_error"] or jobs.last_line(study.folder / worker.LOG)))
        if facts["done"]:
            st.caption(copy.FAILED_SAFE.format(done=facts["done"]))
        elif not parts.is_demo(study) and st.button(copy.CHANGE_DRAFT, type="primary"):
            change(study)
    elif now == "cancelled":
        st.info(copy.PHASES["cancelled"])
    if facts["failed"]:
        st.warning(copy.SOME_FAILED.format(n=facts["failed"], error=facts["last_error"]))
    with st.container(horizontal=True):
        if facts["done"] < total:
            label = copy.RESUME.format(done=facts["done"], total=total)
            if st.button(label, type="primary" if facts["done"] < parts.map_needs(study) else "secondary"):
                start(study, budget)
        elif st.button(copy.RUN_MORE.format(n=10)):
            start(study, max(facts["done"] // max(1, len(facts["methods"])), budget) + 10)


def change(study: Study) -> None:
    """Nothing could be measured: back to the first step, everything filled in; the study goes to the trash."""
    state.draft().update(drafts.draft_from(study.settings))
    library.remove(study.folder.name)
    state.set_study(None)
    parts.go("experts")


def to_the_map(study: Study, facts: dict[str, Any], running: bool) -> None:
    """Explore as soon as there is something to explore."""
    need = parts.map_needs(study)
    if facts["done"] < need:
        if running:
            st.caption(copy.MAP_AT.format(need=need, done=facts["done"]))
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(copy.MAP_READY if running else copy.MAP_DONE, width="stretch")
        if st.button(copy.EXPLORE_BUTTON, type="primary", key="explore"):
            parts.go("explore")


def chart(study: Study, facts: dict[str, Any]) -> None:
    """The live chart and the table under it."""
    lines = baselines(study)
    trials = study.done()
    if not trials:
        return
    tasks = task_facts(study)
    rows: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "role": role_of(trial.id, lines),
            "metrics": {name: one.value for name, one in trial.metrics.items()},
        }
        for trial in trials
    ]
    if len(tasks) > 1:
        st.subheader(copy.LIVE_TITLE)
        shown = rows if not facts["worker"]["running"] else rows[: max(GROUP, len(rows) - len(rows) % GROUP)]
        names = {task["title"]: task for task in tasks}
        x, y = tasks[0], tasks[1]
        if len(tasks) > 2:
            with st.container(horizontal=True):
                x, y = names[axis("x", list(names), 0)], names[axis("y", list(names), 1)]
        st.plotly_chart(
            figures.live_figure(shown, x, y), key="live", alt=copy.LIVE_WORDS, config={"displayModeBar": False}
        )
        st.caption(copy.LIVE_WORDS)
    with st.expander(copy.RESULTS_TITLE):
        st.dataframe(
            [
                {"#": row["number"], **{t["title"]: words.score(row["metrics"][t["name"]], t["unit"]) for t in tasks}}
                for row in reversed(rows)
            ],
            hide_index=True,
        )


def axis(which: str, names: list[str], default: int) -> str:
    """Which task lies along an axis, where there are more than two."""
    label = copy.EXPLORER["axis"][which]
    return str(st.selectbox(label, names, index=default, key=f"axis-{which}", width=220))


@st.fragment(run_every=1.0)
def watch(key: str) -> None:
    """The part that lives while the worker works; hands over to the full page once, when it ends."""
    study, _ = state.current_study()
    if study is None or study.folder.name != key:
        return
    facts = parts.standing(study)
    now = parts.stand(facts)
    if parts.starting(study):
        st.progress(0.0, text=copy.PHASES["starting"])
        return
    if now not in ("running", "cancelling", "stalled"):
        st.rerun()
    if now == "stalled":
        st.warning(copy.STALLED.format(seconds=facts["worker"]["heartbeat_age"]))
    progress(study, facts)
    to_the_map(study, facts, running=True)
    chart(study, facts)


@st.fragment(run_every=2.0)
def lookout(key: str) -> None:
    """Sees that somebody started the worker elsewhere: another tab, the command line."""
    study, _ = state.current_study()
    if study is not None and study.folder.name == key and worker.alive(study.folder):
        st.rerun()


state.enter("run")
current = parts.need_study()
st.title(copy.RUN_TITLE)
known = parts.standing(current)
state_now = parts.stand(known)
if known["worker"]["running"] or parts.starting(current):
    watch(current.folder.name)
elif state_now == "new":
    choose_budget(current, known)
else:
    ended(current, known, state_now)
    to_the_map(current, known, running=False)
    chart(current, known)
if not known["worker"]["running"]:
    lookout(current.folder.name)
log_file = current.folder / worker.LOG
if log_file.exists() and (state_now == "failed" or known["failed"]):
    with st.expander(copy.SHOW_LOG):
        st.code(log_file.read_text(encoding="utf-8", errors="replace")[-4000:], language=None)
