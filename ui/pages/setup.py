"""Step 2: tasks, method, budget. An open study shows its own; a new one is created and started here."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import PurePath
from typing import Any

import streamlit as st

from study.errors import StudyError
from study.front import task_facts
from study.keeping import library
from study.settings import MethodChoice
from study.study import Study, create
from ui import beyond, copy, draft_settings, drafts, methods, parts, state
from ui import copy_setup as told
from ui.details import BEST
from ui.gallery import gallery
from ui.glossary import meaning, plainly
from ui.shell import path
from ui.widgets import settings_form

METRICS = {
    "accuracy": "Right answers",
    "balanced_accuracy": "Right answers, every class counts the same",
    "worst_class": "The worst class",
    "macro_f1": "Macro F1",
    "nll": "Negative log-likelihood (less is better)",
    "brier": "Brier score (less is better)",
    "ece": "Calibration error (less is better)",
    "top5": "Right answer among the first five",
    "auroc": "Area under the ROC curve",
    "matthews": "Matthews correlation",
    "spearman": "Order of grades (Spearman)",
    "soft_accuracy": "Right answers, close calls counted as close",
    "soft_accuracy_half": "Right answers, close calls counted as close (sharper)",
}


SURROGATES = {
    "logits": "single answers of the model (logits)",
    "quadratic": "a quadratic curve",
    "gp": "a Gaussian process",
}


def fixed(study: Study) -> None:
    """Tasks and methods of an open study."""
    st.caption(copy.SETUP_FIXED)
    facts = task_facts(study)
    rows = [
        {
            copy.COLUMNS["task"]: parts.plain(fact["title"]),
            copy.SCORE: (METRICS | told.PROPERTY).get(fact["metric"], fact["metric"]),
            copy.TASK_SAMPLES: str(task.samples.validation) if task else "–",
            copy.TASK_TEST: str(task.samples.test) if task else "–",
        }
        for fact, task in zip_longest(facts, study.tasks)
    ]
    st.table(rows, border="horizontal", hide_index=True)
    known = {one["name"]: one for one in methods.listed()}
    for choice in study.settings.methods:
        facts_of = known.get(choice.name)
        with st.container(border=True):
            st.markdown(f"**{facts_of['title'] if facts_of else choice.name}**")
            if facts_of:
                st.markdown(parts.plain(plainly(facts_of["summary"])))
                expert_details(facts_of)
    beyond.chosen_before(study)
    st.page_link(path("run"), label=copy.NEXT_RUN, query_params={"study": study.folder.name})


def expert_details(method: dict[str, Any]) -> None:
    """Class, paper and settings of a method, folded away."""
    with st.expander(copy.DETAILS):
        paper = method["paper"]
        st.markdown(
            f"{method['class_note']}  \n{paper['authors']} ({paper['year']}): {paper['title']}, arXiv {paper['arxiv']}"
        )
        for setting in method["settings"]:
            st.caption(f"{setting['name']} = {setting['default']}: {setting['help']}")


def task_rows() -> None:
    """One row per task."""
    draft = state.draft()
    for i in range(draft["tasks"]):
        left, middle, right = st.columns([2, 4, 3])
        for column, name, label, more in (
            (left, "name", copy.TASK_NAME, None),
            (middle, "data", copy.TASK_DATA, copy.DATA_HELP),
        ):
            key = f"task_{name}_{i}"
            draft[key] = column.text_input(
                label.format(n=i + 1), value=str(draft.get(key, "")), key=f"draft-{key}", help=more
            )
        if wrong := at_row(i):
            middle.error(parts.plain(wrong))
        key = f"task_metric_{i}"
        kept = draft.get(key, "accuracy")
        draft[key] = right.selectbox(
            copy.TASK_METRIC.format(n=i + 1), list(METRICS), index=list(METRICS).index(kept), help=told.METRIC_HELP,
            format_func=lambda name: METRICS[name], key=f"draft-{key}",
        )  # fmt: skip
        beyond.whose(i)
    with st.container(horizontal=True):
        if st.button(copy.ADD_TASK, disabled=draft["tasks"] >= 32):
            draft["tasks"] += 1
            st.rerun()
        if st.button(copy.REMOVE_TASK, disabled=draft["tasks"] <= 1):
            draft["tasks"] -= 1
            st.rerun()


def at_row(i: int) -> str | None:
    """What is wrong with the folder of one task, to be said beside it; None if nothing is, or nothing was typed."""
    text = str(state.draft().get(f"task_data_{i}") or "").strip().strip('"')
    name = str(state.draft().get(f"task_name_{i}") or "").strip() or PurePath(text).name
    return drafts.data_problem(name, text) if text else None


def samples() -> None:
    """How many examples, and what that means for the noise."""
    draft = state.draft()
    left, right, third = st.columns(3)
    draft["validation"] = left.number_input(
        copy.TASK_SAMPLES, 20, 100_000, int(draft.get("validation", 400)), 50, help=copy.SAMPLES_HELP
    )
    draft["test"] = right.number_input(
        copy.TASK_TEST, 20, 100_000, int(draft.get("test", 500)), 50, help=meaning("final check")
    )
    draft["calibration"] = third.number_input(
        copy.TASK_LEARN, 0, 100_000, int(draft.get("calibration", 64)), 16, help=copy.TASK_LEARN_HELP
    )
    st.caption(copy.NOISE_NOTE.format(n=draft["validation"], points=drafts.noise_points(draft["validation"])))


def choose_methods() -> list[MethodChoice]:
    """The gallery of methods, and the settings of the chosen ones."""
    st.subheader(copy.METHOD_TITLE, help=meaning("way of blending"))
    st.caption(copy.METHOD_LEAD)
    try:
        known = methods.listed()
    except StudyError as error:
        st.error(copy.METHODS_MISSING.format(error=error))
        return []
    draft = state.draft()
    names = {one["name"]: one for one in known}
    kept = [name for name in draft.get("methods", ["task_arithmetic"]) if name in names]
    chosen = gallery(known, kept, len(drafts.experts(draft)))
    draft["methods"] = chosen
    return advanced([names[name] for name in chosen])


def advanced(chosen: list[dict[str, Any]]) -> list[MethodChoice]:
    """Settings and bounds of each chosen method, and how scores are predicted; the methods as they will be used."""
    draft = state.draft()
    kept = draft.setdefault("settings", {})
    made = []
    with st.expander(told.ADVANCED):
        for one in chosen:
            st.markdown(f"**{told.SETTINGS.format(name=parts.plain(one['title']))}**")
            settings = settings_form(one, kept.get(one["name"], {}), f"set-{one['name']}")
            kept[one["name"]] = settings
            low, high = (float(limit) for limit in one["limits"])
            start = draft.setdefault("bounds", {}).get(one["name"], tuple(one["bounds"]))
            span = (max(low, min(start[0], 0.0)), min(high, max(start[1], 2.0)))
            bounds = st.slider(
                told.BOUNDS, *span, tuple(map(float, start)), 0.05, help=told.BOUNDS_HELP, key=f"bounds-{one['name']}"
            )
            draft["bounds"][one["name"]] = bounds
            made.append(MethodChoice(name=one["name"], settings=settings, bounds=bounds))
            expert_details(one)
        predicted_by()
        beyond.extras()
    return made


def predicted_by() -> None:
    """Which regression the search and the map use."""
    options = [BEST, *SURROGATES]
    kept = state.recall("surrogate")
    chosen = st.selectbox(
        told.SURROGATE, options, index=options.index(kept) if kept in options else 0, help=told.SURROGATE_HELP,
        format_func=lambda name: SURROGATES.get(name, told.SURROGATE_BEST), key="draft-surrogate",
    )  # fmt: skip
    state.draft()["surrogate"] = None if chosen == BEST else chosen


def form() -> None:
    """Tasks, method, budget, start."""
    draft = state.draft()
    if drafts.model_problems(draft):
        st.info(copy.SETUP_FIRST)
        st.page_link(path("experts"), label=copy.BACK_TO_MODELS)
        return
    st.markdown(copy.SETUP_LEAD)
    drafts.name_tasks(draft)
    task_rows()
    samples()
    chosen = choose_methods()
    st.subheader(copy.BUDGET_TITLE)
    budget = st.segmented_control(
        copy.BUDGET_LABEL if len(chosen) < 2 else copy.BUDGET_EACH, list(copy.BUDGETS), default=30,
        format_func=lambda n: copy.BUDGETS[n], required=True, key="draft-budget",
    )  # fmt: skip
    problems = drafts.task_problems(draft)
    if drafts.by_code(draft):
        st.info(told.BY_CODE)
    elif not drafts.tasks(draft):
        st.info(copy.TASKS_EMPTY)
    else:
        problems = problems or drafts.extra_problems(draft, int(budget or 30))
        told_above = {at_row(i) for i in range(draft["tasks"])} - {None}
        for line in problems:
            if line not in told_above:
                st.error(parts.plain(line))
        if told_above:
            st.error(copy.FILES_ABOVE)
    blocked = bool(problems) or not chosen
    with st.container(horizontal=True):
        if st.button(told.CHECK_FIRST, type="primary", disabled=blocked, help=told.CHECK_FIRST_HELP):
            begin(chosen, int(budget or 30), at_once=False)
        if st.button(told.START_NOW, disabled=blocked):
            begin(chosen, int(budget or 30), at_once=True)


def begin(chosen: list[MethodChoice], budget: int, at_once: bool) -> None:
    """Create the study, start the worker if asked to, go to the run."""
    surrogate = state.draft().get("surrogate")
    try:
        settings = draft_settings.settings_of(state.draft(), chosen)
        study = create(library.new_folder(settings.name), settings)
    except (StudyError, ValueError, OSError) as error:
        st.error(parts.plain(str(error)))
        return
    state.set_study(study.folder.name)
    state.remember("budget", budget)
    state.remember("surrogate", surrogate)
    if at_once:
        parts.launch(study, budget)
    parts.go("run")


state.enter("setup")
opened, trouble = state.current_study()
if trouble:
    st.warning(trouble)
if opened is not None:
    opened = parts.need_study()
st.title(copy.SETUP_TITLE, help=meaning("task"))
if opened is not None:
    fixed(opened)
else:
    form()
