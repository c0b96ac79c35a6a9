"""Explore's "details for experts": which surrogate, how far it was off, the recipe, the command line."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from study.errors import StudyError
from study.exporting.retell import command_lines, recipe_text
from study.measuring.learned import learned
from study.study import Study
from ui import copy, figures, parts, state

Json = dict[str, Any]
BEST = ""  # of the surrogates; a list that offers None shows it as if nothing were chosen
CONFIG = {"toImageButtonOptions": {"format": "svg"}, "displaylogo": False}


def details(study: Study, payload: Json, revision: str, method: str) -> None:
    """Shown on request only, so that nobody else waits for it. Part of the map's fragment: it follows the choice."""
    if not st.toggle(copy.DETAILS_MAP, key="details"):
        return
    name = choose_surrogate(study, revision, method)
    how_far_off(study, revision, method, name)
    learning(study, method)
    picked = state.picked(study)
    if picked is None:
        return
    st.markdown(f"**{copy.RECIPE_TITLE}**")
    text = recipe_text(study, study.method(method), picked)
    st.code(text, language="yaml", wrap_lines=True)  # nothing to scroll that a keyboard could not
    st.download_button(copy.RECIPE_SAVE, text, "recipe.yaml", "application/yaml", on_click="ignore", key="recipe")
    parts.small(copy.RECIPE_NOTE)
    st.markdown(f"**{copy.COMMANDS_TITLE}**")
    choice = state.recall("choice") or {}
    levels = choice.get("min") or []
    want = {
        task["name"]: task["sign"] * level
        for task, level in zip(payload["tasks"], levels, strict=False)
        if level is not None
    }
    st.code("\n".join(command_lines(study, study.method(method), picked, want, name)), language="bash", wrap_lines=True)


def choose_surrogate(study: Study, revision: str, method: str) -> str | None:
    """Which surrogate the map is drawn from; None = the one that was least off."""
    names = {one["name"]: one["title"] for one in state.surrogates_of(study, revision, method)}
    if not names:
        parts.small(copy.TRUST_NONE)
        return None
    kept = state.recall("surrogate")
    options = [BEST, *names]
    chosen = st.selectbox(
        copy.SURROGATE,
        options,
        index=options.index(kept) if kept in options else 0,
        format_func=lambda name: names.get(name, copy.SURROGATE_BEST),
        help=copy.SURROGATE_HELP,
        key="surrogate-shown",
    )
    wanted = None if chosen == BEST else chosen
    if wanted != kept:
        state.remember("surrogate", wanted)
        st.rerun()
    return wanted


def how_far_off(study: Study, revision: str, method: str, name: str | None) -> None:
    """Each trial predicted from the others, against what was measured."""
    found = state.front_of(study, revision, method=method, surrogate=name)
    pairs = state.left_out_of(study, revision, method, name)
    if not pairs:
        return
    st.markdown(f"**{copy.OFF_TITLE}**")
    parts.small(copy.OFF_NOTE.format(name=found["surrogate"]["name"]))
    parts.small(found["surrogate"]["trust"])
    titles = {task["title"]: task for task in found["tasks"]}
    shown = st.segmented_control(copy.OFF_TASK, list(titles), default=next(iter(titles)), key="off-task", required=True)
    task = titles[str(shown)]
    figure = figures.prediction_figure(pairs[task["name"]], task)
    plot(figure, f"off-{task['name']}", copy.OFF_TITLE)


def learning(study: Study, method: str) -> None:
    """How a method that trains went: its curve on the validation samples, the step that was kept."""
    try:
        facts = learned(study, study.method(method))
    except StudyError:  # it has learned nothing, as most methods never do
        return
    if not facts.get("curve"):
        return
    st.markdown(f"**{copy.LEARNED_TITLE}**")
    parts.small(copy.LEARNED_NOTE.format(step=facts["best"]))
    titles = {task.name: task.title or task.name for task in study.tasks}
    plot(figures.learning_figure(facts, titles), "learned", copy.LEARNED_TITLE)


def plot(figure: go.Figure, key: str, title: str) -> None:
    """A Plotly figure with its own picture button (SVG) and itself as a page."""
    st.plotly_chart(figure, key=key, config=CONFIG)
    st.download_button(
        copy.SAVE_HTML,
        lambda: figure.to_html(include_plotlyjs=True),
        f"{key}.html",
        "text/html",
        on_click="ignore",
        key=f"save-{key}",
        help=parts.plain(title),
    )
