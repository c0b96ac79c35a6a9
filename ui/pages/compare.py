"""Two studies or two ways of blending on one map, and a sentence that says where each is better."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.choosing import versus
from study.front import REFUSALS, methods_measured
from study.keeping import library
from ui import charts, copy, methods, parts, state, words
from ui import copy_history as told

Json = dict[str, Any]


def candidates() -> dict[str, str]:
    """{"study:method": title} of everything that has a map."""
    found = {}
    for entry in library.studies():
        if entry.problem or not entry.done:
            continue
        study = library.find(entry.key)
        names = [one.name for one in methods_measured(study)]
        for name in names:
            found[f"{entry.key}:{name}"] = f"{entry.name} · {methods.title(name)}"
    twice = {title for title in found.values() if list(found.values()).count(title) > 1}
    return {one: f"{title} ({one.partition(':')[0]})" if title in twice else title for one, title in found.items()}


def pick(label: str, known: dict[str, str], key: str, default: int) -> str:
    """One side of the comparison; kept in the address."""
    asked = st.query_params.get(key, "")
    index = list(known).index(asked) if asked in known else min(default, len(known) - 1)
    chosen = st.selectbox(label, list(known), index=index, format_func=lambda one: known[one], key=f"side-{key}")
    st.query_params[key] = chosen
    return str(chosen)


def front_of(choice: str) -> Json:
    """The front of one side."""
    key, _, method = choice.partition(":")
    return state.front_of(library.find(key), method=method)


def titles(first: str, second: str, known: dict[str, str]) -> tuple[str, str]:
    """What the sentences call the two: the method where the study is the same, else the study."""
    one, other = first.split(":"), second.split(":")
    if one[0] == other[0]:
        return methods.title(one[1]), methods.title(other[1])
    return known[first], known[second]


def where(stretch: versus.Stretch, y: Json, whole: tuple[float, float]) -> str:
    """The stretch of a task's scores in words."""
    low, high = words.score(stretch.low, y["unit"]), words.score(stretch.high, y["unit"])
    up = y["direction"] == "max"
    if (stretch.high >= whole[1]) if up else (stretch.low <= whole[0]):
        return told.AT_LEAST.format(task=y["title"], low=low if up else high)
    if (stretch.low <= whole[0]) if up else (stretch.high >= whole[1]):
        return told.BELOW.format(task=y["title"], low=high if up else low)
    return told.BETWEEN.format(task=y["title"], low=low, high=high)


def sentences(pair: tuple[Json, Json], names: tuple[str, str], x: Json, y: Json) -> list[str]:
    """Where each is better along task y, in words."""
    found = versus.stretches(*pair, x, y)
    whole = (min(one.low for one in found), max(one.high for one in found))
    if all(one.winner is None for one in found):
        return [told.DRAW_ALL]
    said = []
    for one in found:
        if one.winner is None:
            said.append(told.DRAW.format(where=where(one, y, whole)))
            continue
        gap = words.score(one.gap, x["unit"]).replace(" %", " points") if one.gap < float("inf") else "…"
        winner = names[one.winner]
        if len(found) == 1:
            said.append(told.ALWAYS.format(winner=winner, task=y["title"], gap=gap, x=x["title"]))
        elif one.gap < float("inf"):
            said.append(told.WHERE.format(winner=winner, where=where(one, y, whole), gap=gap, x=x["title"]))
    return said


def show(pair: tuple[Json, Json], names: tuple[str, str]) -> None:
    """Axes, map, sentences."""
    tasks = versus.shared_tasks(*pair)
    if len(tasks) == 1:
        best = [words.score(_best(front, tasks[0]), tasks[0]["unit"]) for front in pair]
        st.markdown(told.ONE_TASK.format(task=tasks[0]["title"], first=names[0], second=names[1], a=best[0], b=best[1]))
        return
    by_title = {task["title"]: task for task in tasks}
    left, right = st.columns(2)
    x = by_title[left.selectbox(told.AXIS_X, list(by_title), index=0, key="compare-x")]
    y = by_title[right.selectbox(told.AXIS_Y, list(by_title), index=1, key="compare-y")]
    if x["name"] == y["name"]:
        st.info(told.SAME_CHOICE)
        return
    said = sentences(pair, names, dict(x), dict(y))
    for one in said:
        st.markdown(f"- {parts.plain(one)}")
    figure = charts.two_fronts(pair, names, dict(x), dict(y))
    st.plotly_chart(figure, key="two", alt=" ".join(said), config={"displayModeBar": False})
    st.caption(told.PREDICTED_NOTE)
    first, second = versus.beaten(*pair, tasks)
    shares = {"p0": f"{100 * first:.0f} %", "p1": f"{100 * second:.0f} %"}
    st.caption(parts.plain(told.BEATEN.format(first=names[0], second=names[1], **shares)))


def _best(front: Json, task: Any) -> float:
    values = versus.points(front, [task])
    return float(values[:, 0].max()) * (-1 if task["direction"] == "min" else 1)


state.enter("compare")
st.title(told.COMPARE_TITLE)
st.markdown(told.COMPARE_LEAD)
everything = candidates()
if len(everything) < 2:
    st.info(told.COMPARE_EMPTY)
else:
    one, two = st.columns(2)
    with one:
        first = pick(told.FIRST, everything, "a", 0)
    with two:
        second = pick(told.SECOND, everything, "b", 1)
    if first == second:
        st.info(told.SAME_CHOICE)
    else:
        try:
            with st.spinner(copy.MAKING_MAP):
                fronts = (front_of(first), front_of(second))
            show(fronts, titles(first, second, everything))
        except REFUSALS as error:
            st.warning(parts.plain(str(error)))
