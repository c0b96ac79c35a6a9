"""Pieces that several pages show: the header with the study's state, empty states, tables of scores."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

from study.background import worker
from study.keeping import library
from study.status import status
from study.study import Study
from ui import copy, fragments, guide, jobs, state, words
from ui.shell import path
from ui.steps import map_needs as map_needs

Json = dict[str, Any]
COLOURS = {"running": "blue", "done": "green", "failed": "red", "stalled": "orange", "interrupted": "orange"}


def standing(study: Study) -> Json:
    """`study.status` as plain data."""
    return dict(status(study))


def stand(facts: Mapping[str, Any]) -> str:
    """The state of a study in one word, from `status`."""
    told = facts["worker"]
    if told["cancelling"]:
        return "cancelling"
    if told["stalled"]:
        return "stalled"
    return in_a_word(told["running"], told["phase"], facts["done"])


def in_a_word(running: bool, phase: str | None, done: int) -> str:
    """The state of a study from whether its worker lives, what that said last, and how much is measured."""
    if running:
        return "paused" if phase == "paused" else "running"
    if phase in ("failed", "cancelled"):
        return str(phase)
    if phase not in (None, "finished"):
        return "interrupted"  # it ended without a word: killed, or the computer was switched off
    return "done" if done else "new"


def open_key(key: str) -> None:
    """Open a study where it stands: on the map if there is one."""
    state.set_study(key)
    study = library.find(key)
    go("explore" if len(study.done()) >= map_needs(study) else "run")


def launch(study: Study, trials: int | None, device: str | None = None) -> None:
    """Start a worker, and remember that it is on its way: it needs some seconds before it shows itself."""
    since = time.time()
    pid = worker.start(study.folder, trials, device=device, surrogate=surrogate_of(study))
    state.remember("starting", (study.folder.name, pid, jobs.born(pid), since))


def starting(study: Study) -> bool:
    """Whether a worker that was just started has not shown itself yet."""
    key, pid, born, since = state.recall("starting", ("", 0, 0.0, 0.0))
    if key != study.folder.name:
        return False
    begun = study.store.progress().started
    if (begun is not None and begun >= since - 1) or not jobs.working(pid, born):
        state.forget("starting")
        return False
    return True


def is_demo(study: Study) -> bool:
    """Whether this is the built-in demo."""
    return study.settings.base.model.endswith("mergescape-demo.json")


def draw_again() -> NoReturn:
    """Draw the running fragment anew. Within a run of the whole page, which a click may end up in, the whole page."""
    with suppress(StreamlitAPIException):
        st.rerun(scope="fragment")
    st.rerun()


def header(study: Study, facts: Mapping[str, Any]) -> None:
    """Name, demo badge, state."""
    now = "running" if starting(study) else stand(facts)
    badges = f":{COLOURS.get(now, 'gray')}-badge[{copy.STATES[now]}]"
    if is_demo(study):
        badges = f":violet-badge[{copy.DEMO_BADGE}] {badges}"
    st.markdown(f"**{plain(study.settings.name)}** {badges}")


def need_study() -> Study:
    """The open study, its header drawn; stops the page with a way out where there is none."""
    study, problem = state.current_study()
    if study is None:
        st.info(problem or copy.NO_STUDY)
        if st.button(copy.GO_HOME, type="primary"):
            fragments.forget()
            st.switch_page(path("home"))
        st.stop()
    header(study, standing(study))
    guide.show(study)
    return study


def go(name: str) -> None:
    """Move to another page, the study stays open."""
    key = state.current_key()
    fragments.forget()
    st.switch_page(path(name), query_params={"study": key} if key else None)


def surrogate_of(study: Study) -> str | None:
    """The kind of prediction that a person chose for this study in this visit; None: the best by its own error."""
    chosen = state.recall("surrogate")
    return str(chosen) if chosen and study.folder.name == state.current_key() else None


def exams(study: Study) -> int:
    """For how many mixes the final check was done by somebody who was choosing (the plain baselines do not count)."""
    return sum(bool(trial.test) for trial in study.store.trials() if trial.origin != "baseline")


def whole(facts: Mapping[str, Any]) -> int:
    """How many mixes were measured on all examples, from `status`: what a search saw only in part is on no map."""
    return int(facts["done"]) - int(facts["partial"])


def scores(
    tasks: list[Json], predicted: Json | None, checked: Json | None, test: Json | None, lines: Mapping[str, Any]
) -> list[Json]:
    """One row per task for the table of a mix; empty columns are left out."""
    rows = []
    for task in tasks:
        name, unit = task["name"], task["unit"]
        row = {copy.COLUMNS["task"]: plain(task["title"])}
        if predicted:
            row[copy.COLUMNS["predicted"]] = words.likely(predicted[name], unit)
        if checked:
            row[copy.COLUMNS["checked"]] = words.with_error(checked[name], unit)
        if test:
            row[copy.COLUMNS["test"]] = words.with_error(test[name], unit)
        alone = lines.get(f"expert:{name}")
        if alone:
            now = checked[name]["value"] if checked else predicted[name]["mean"] if predicted else None
            row[copy.COLUMNS["specialist"]] = _alone(task, now, alone["metrics"][name]["value"])
        if "average" in lines:
            row[copy.COLUMNS["average"]] = words.score(lines["average"]["metrics"][name]["value"], unit)
        rows.append({column: text.replace(" %", "\u00a0%") for column, text in row.items()})  # kept on one line
    return rows


def _alone(task: Json, now: float | None, alone: float) -> str:
    """What the specialist scores, and the share of it that the mix keeps, as the map says it; less may be better."""
    score = words.score(alone, task["unit"])
    if now is None or task["direction"] != "max" or alone <= 0:
        return score
    return copy.KEEPS.format(score=score, share=f"{100 * now / alone:.1f} %")


def missed(tasks: list[Json], predicted: Json | None, checked: Json | None) -> list[str]:
    """A sentence per task whose check came out below the prediction's likely range by more than its own error."""
    found = []
    for task in tasks if predicted and checked else []:
        guess, real = (predicted or {})[task["name"]], (checked or {})[task["name"]]
        turn = -1.0 if task["direction"] == "min" else 1.0
        worst = min(turn * guess["low"], turn * guess["high"])
        if turn * real["value"] < worst - real["stderr"]:
            scale = 100.0 if task["unit"] == "fraction" else 1.0
            points = scale * turn * (guess["mean"] - real["value"])
            found.append(copy.MISSED.format(task=task["title"], points=points))
    return found


def small(text: str) -> None:
    """Small print in the full colour of text: Streamlit's own captions are too pale to read (WCAG AA)."""
    st.markdown(f":small[{text}]")


def plain(text: str) -> str:
    """A name as text, whatever characters of Markdown it holds."""
    return re.sub(r"([\\`*_{}\[\]<>#$~|:!])", r"\\\1", " ".join(text.split()))
