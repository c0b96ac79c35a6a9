"""Explore without the fast map: sliders, a Plotly chart and a table, where the explorer does not start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from study.study import Study
from ui import copy, figures, parts, state, words

Json = dict[str, Any]
ROWS = 50


def basic(study: Study, revision: str, method: str, failure: str | None) -> Json | None:
    """Draw it; returns the strengths of the chosen mix. Its part of the page reruns alone."""
    if failure:
        st.warning(copy.COMPONENT_FAILED.format(error=failure))
    found = state.front_of(study, revision, method=method)
    tasks = found["tasks"]
    rows = [*found["predicted"], *found["measured"]]
    least = minimums(tasks, rows)
    kept = [row for row in rows if all(_up(row, t) >= least[t["name"]] for t in tasks)]
    parts.small(copy.BASIC_LEFT.format(alive=len(kept), n=len(rows)))
    if not kept:
        st.warning(copy.EXPLORER["none"].split(".")[0] + ".")
        kept = rows
    kept.sort(key=lambda row: -min(_share(row, t, rows) for t in tasks))
    chosen = kept[table(tasks, kept[:ROWS])]
    if len(tasks) > 1:
        names = [task["title"] for task in tasks]
        across, upwards = st.columns(2)
        x = across.selectbox(
            copy.EXPLORER["axis"]["x"], range(len(tasks)), format_func=lambda i: names[i], key="basic-x"
        )
        y = upwards.selectbox(
            copy.EXPLORER["axis"]["y"], range(len(tasks)), index=1, format_func=lambda i: names[i], key="basic-y"
        )
        figure = figures.basic_map(
            found["predicted"], found["measured"], found["baselines"], tasks[x], tasks[y], chosen
        )
        st.plotly_chart(figure, key="basic")
    st.markdown(copy.BASIC_PICK.format(list=words.listed([f"{t['title']} {_text(chosen, t)}" for t in tasks])))
    return dict(chosen["coefficients"])


def minimums(tasks: Sequence[Json], rows: Sequence[Json]) -> dict[str, float]:
    """A slider per task; the returned levels are turned so that more is better."""
    found = {}
    places = st.columns(min(len(tasks), 4))
    for number, task in enumerate(tasks):
        column = places[number % len(places)]
        values = sorted(_up(row, task) for row in rows)
        ends = (values[0], max(values[-1], values[0] + 1e-6))
        scale = 100.0 if task["unit"] == "fraction" else 1.0
        found[task["name"]] = (
            column.slider(
                copy.EXPLORER["minimumFor"].format(task=task["title"]),
                ends[0] * scale,
                ends[1] * scale,
                ends[0] * scale,
                key=f"basic-{task['name']}",
            )
            / scale
        )
        found[task["name"]] -= 1e-9
    return found


def table(tasks: Sequence[Json], rows: Sequence[Json]) -> int:
    """The best balanced of the mixes that are left; a click on a row chooses it."""
    columns = {task["title"]: [_text(row, task) for row in rows] for task in tasks}
    kinds = [copy.EXPLORER["kindShort"]["checked" if "trial" in row else "predicted"] for row in rows]
    event = st.dataframe(
        {copy.EXPLORER["trayMix"]: kinds, **columns},
        key="basic-table",
        on_select="rerun",
        selection_mode="single-row",
        height=240,
    )
    selected = event["selection"]["rows"]
    return selected[0] if selected and selected[0] < len(rows) else 0


def _value(row: Json, task: Json) -> float:
    cell = row["metrics"][task["name"]]
    return float(cell.get("mean", cell.get("value")))


def _up(row: Json, task: Json) -> float:
    return -_value(row, task) if task["direction"] == "min" else _value(row, task)


def _share(row: Json, task: Json, rows: Sequence[Json]) -> float:
    values = [_up(one, task) for one in rows]
    return (_up(row, task) - min(values)) / max(max(values) - min(values), 1e-9)


def _text(row: Json, task: Json) -> str:
    return words.score(_value(row, task), task["unit"])
