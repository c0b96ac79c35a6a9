"""The measured mixes as a live chart, a table, and files to take away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.front import baselines, task_facts
from study.keeping.table import as_csv, as_parquet, table
from study.study import Study
from ui import copy, figures, methods, words
from ui import copy_run as told
from ui.payload import role_of

GROUP = 3  # the chart is drawn anew every so many results: it should not flicker


def chart(study: Study, facts: dict[str, Any]) -> None:
    """The live chart and the table under it."""
    lines = baselines(study)
    trials = study.done(partial=True)
    if not trials:
        return
    tasks = task_facts(study)
    titles = {name: methods.title(name) for name in {trial.method for trial in trials}}
    every: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "role": role_of(trial.id, lines),
            "method": titles[trial.method],
            "metrics": {name: one.value for name, one in trial.metrics.items()},
            "fidelity": trial.fidelity,
        }
        for trial in trials
    ]
    several = len(facts["methods"]) > 1
    rows = [row for row in every if row["fidelity"] is None]  # others are not to be compared with these
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
                {"#": row["number"]}
                | ({told.BLENDING: row["method"]} if several else {})
                | {t["title"]: words.score(row["metrics"][t["name"]], t["unit"]) for t in tasks}
                | ({told.SEEN: str(row["fidelity"] or told.SEEN_ALL)} if len(rows) < len(every) else {})
                for row in reversed(every)
            ],
            hide_index=True,
        )


def axis(which: str, names: list[str], default: int) -> str:
    """Which task lies along an axis, where there are more than two."""
    label = copy.EXPLORER["axis"][which]
    return str(st.selectbox(label, names, index=default, key=f"axis-{which}", width=220))


def downloads(study: Study) -> None:
    """The whole table of trials as a file; small, so it may go through memory."""
    rows = table(study)
    key = study.folder.name
    with st.container(horizontal=True):
        st.download_button(told.TABLE_CSV, as_csv(rows), f"{key}.csv", "text/csv", on_click="ignore")
        st.download_button(
            told.TABLE_PARQUET, as_parquet(rows), f"{key}.parquet", "application/vnd.apache.parquet", on_click="ignore"
        )
