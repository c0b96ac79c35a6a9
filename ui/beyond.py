"""What a new study may have beyond tasks and methods: more axes, few examples first, strengths per layer group."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.axes import PROPERTIES
from study.folder.layers import labels
from study.study import Study
from ui import copy_setup as told
from ui import drafts, parts, state
from ui.glossary import meaning

MANY = 40  # strengths; beyond that a few dozen mixes no longer show what matters
SEVERITIES = (1, 2, 3, 4, 5)


def extras() -> None:
    """All three, under Advanced."""
    axes()
    few_first()
    layer_groups()
    if kept := drafts.carried(state.draft()):
        st.caption(parts.plain(told.CARRIED.format(list=", ".join(f"{name} {one}" for name, one in kept.items()))))


def whose(row: int) -> None:
    """Under a task: which specialist it belongs to, or that nobody was trained for it."""
    draft = state.draft()
    name = str(draft.get(f"task_name_{row}") or "").strip()
    known = [one for one, _ in drafts.experts(draft)]
    if name:
        st.caption(parts.plain(told.TASK_OF.format(name=name) if name in known else told.TASK_HELD))


def axes() -> None:
    """Properties of the mix, tasks nobody was trained for, spoiled copies of tasks."""
    draft = state.draft()
    st.markdown(f"**{told.AXES}**", help=told.AXES_HELP)
    kept = draft.get("properties") or []
    ticked = [
        st.checkbox(told.PROPERTY[kind], value=kind in kept, help=told.PROPERTY_HELP[kind], key=f"axis-{kind}")
        for kind in PROPERTIES
    ]
    draft["properties"] = [kind for kind, on in zip(PROPERTIES, ticked, strict=True) if on]
    if drafts.by_code(draft):
        return
    st.caption(told.HELD)
    names = {row["name"]: row["data"] for row in drafts.tasks(draft)}
    if not names:
        st.caption(told.COPY_LATER)
        return
    count = int(draft.get("copies", 0))
    for i in range(count):
        spoiled(i, names)
    with st.container(horizontal=True):
        if st.button(told.ADD_COPY, disabled=count >= drafts.MOST, help=told.COPY_HELP):
            draft["copies"] = count + 1
            st.rerun()
        if count and st.button(told.REMOVE_COPY):
            draft["copies"] = count - 1
            st.rerun()


def spoiled(i: int, names: dict[str, str]) -> None:
    """One spoiled copy: of which task, how, how much."""
    draft = state.draft()
    left, middle, right = st.columns([3, 3, 2])
    of = chosen(left, f"copy_of_{i}", told.COPY_OF.format(n=i + 1), list(names))
    kinds = list(drafts.spoilings(names[of]))
    chosen(middle, f"copy_kind_{i}", told.COPY_KIND.format(n=i + 1), kinds, told.KINDS)
    key = f"copy_severity_{i}"
    draft[key] = right.select_slider(
        told.COPY_SEVERITY.format(n=i + 1), SEVERITIES, value=int(draft.get(key, 3)), key=f"draft-{key}"
    )


def chosen(place: Any, key: str, label: str, options: list[str], words: dict[str, str] | None = None) -> str:
    """A list of the draft; what was chosen before stays while it is among the options."""
    draft, shown = state.draft(), words or {}
    kept = options.index(draft[key]) if draft.get(key) in options else 0
    found = place.selectbox(label, options, index=kept, format_func=lambda one: shown.get(one, one), key=f"draft-{key}")
    draft[key] = found if found in options else options[0]
    return str(draft[key])


def few_first() -> None:
    """A search that sees few examples of each task, and how many of its best mixes see all."""
    draft = state.draft()
    if drafts.by_code(draft):
        return
    st.markdown(f"**{told.FEW}**", help=told.FEW_HELP)
    on = st.checkbox(told.FEW_ON, value=bool(draft.get("screening")), key="few-first", help=told.FEW_HELP)
    if not on:
        draft["screening"] = 0
        return
    left, right = st.columns(2)
    half = max(10, int(draft.get("validation", 400)) // 4)
    draft["screening"] = int(
        left.number_input(told.FEW_COUNT, 10, 100_000, int(draft.get("screening") or half), 10, key="few-count")
    )
    draft["finalists"] = int(
        right.number_input(
            told.FINALISTS, 1, 1000, int(draft.get("finalists", 8)), 1, key="finalists", help=told.FINALISTS_HELP
        )
    )


def layer_groups() -> None:
    """One strength per specialist, or several along the depth of the network."""
    draft = state.draft()
    st.markdown(f"**{told.LAYERS}**", help=meaning("layers"))
    options = drafts.layer_choices(draft)
    if len(options) == 1:
        draft["groups"] = None
        st.caption(told.LAYERS_NONE)
        return
    kept = draft.get("groups")
    found = st.selectbox(
        told.LAYERS_LABEL, range(len(options)), index=options.index(kept) if kept in options else 0,
        format_func=lambda at: layers_in_words(options[at]), key="draft-groups", help=told.LAYERS_HELP,
    )  # fmt: skip
    draft["groups"] = options[found]
    count = len(drafts.experts(draft)) * len(labels(draft["groups"]))
    if draft["groups"] is not None:
        text = told.LAYERS_MANY if count > MANY else told.LAYERS_COUNT
        st.caption(text.format(n=count, need=count + 2))


def layers_in_words(groups: int | str | None) -> str:
    """How a choice of layer groups is called."""
    return told.LAYERS_WORDS.get(groups) or told.LAYERS_GROUPS.format(n=groups)


def chosen_before(study: Study) -> None:
    """What an open study has of this, in a line each; how to give it more."""
    settings = study.settings
    if settings.screening is not None:
        st.caption(told.FEW_FIXED.format(few=settings.screening.samples, best=settings.screening.finalists))
    if settings.groups is not None:
        st.caption(f"{told.LAYERS}: {layers_in_words(settings.groups)}.")
    with st.expander(told.LATER):
        st.caption(told.LATER_NOTE)
        st.code(
            f"python -m study axes {study.folder} --add distance\npython -m study groups {study.folder} slope",
            language="bash",
            wrap_lines=True,
        )
