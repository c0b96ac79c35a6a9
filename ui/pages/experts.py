"""Step 1: which models. An open study shows its own; otherwise a new one is put together."""

from __future__ import annotations

import streamlit as st

from study.study import Study
from ui import copy, drafts, parts, state
from ui.shell import path


def fixed(study: Study) -> None:
    """The models of an open study."""
    st.caption(copy.EXPERTS_FIXED)
    with st.container(border=True):
        st.markdown(f"**{copy.BASE_NAME}** · {parts.plain(study.settings.base.model.rsplit('/', 1)[-1])}")
        st.code(study.settings.base.weights, language=None)
    for expert in study.experts:
        with st.container(border=True):
            st.markdown(f"**{parts.plain(expert.title or expert.name)}**")
            st.code(expert.weights, language=None)
    with st.container(horizontal=True):
        st.page_link(path("setup"), label=copy.NEXT_TASKS, query_params={"study": study.folder.name})
        if st.button(copy.NEW_STUDY):
            state.set_study(None)
            st.rerun()


def field(label: str, name: str, help_text: str | None = None, placeholder: str = "") -> str:
    """A text field of the draft; its value survives moving between the pages."""
    draft = state.draft()
    value = st.text_input(
        label, value=str(draft.get(name, "")), key=f"draft-{name}", help=help_text, placeholder=placeholder
    )
    draft[name] = value
    return value


def form() -> None:
    """A new study: name, starting model, specialists."""
    draft = state.draft()
    field(copy.STUDY_NAME, "name", placeholder=copy.STUDY_NAME_EXAMPLE)
    st.subheader(copy.BASE_NAME)
    left, right = st.columns([1, 2])
    with left:
        field(copy.MODEL_LABEL, "model", copy.MODEL_HELP)
    with right:
        field(copy.BASE_LABEL, "base", copy.PATH_HELP, "/models/vit-b-32.safetensors")
    if str(draft["model"]).endswith(".json"):
        field(copy.TOKENIZER_LABEL, "tokenizer", copy.PATH_HELP)
    st.subheader(copy.SPECIALISTS)
    for i in range(draft["experts"]):
        left, right = st.columns([1, 2])
        with left:
            field(copy.EXPERT_NAME.format(n=i + 1), f"expert_name_{i}", placeholder=("Cars", "Digits")[i % 2])
        with right:
            field(copy.EXPERT_PATH.format(n=i + 1), f"expert_path_{i}", copy.PATH_HELP)
    with st.container(horizontal=True):
        if st.button(copy.ADD_EXPERT, disabled=draft["experts"] >= 32):
            draft["experts"] += 1
            st.rerun()
        if st.button(copy.REMOVE_EXPERT, disabled=draft["experts"] <= 2):
            draft["experts"] -= 1
            st.rerun()


def verdict() -> None:
    """What is right and what is not, file by file; then the way on."""
    draft = state.draft()
    touched = draft.get("base") or drafts.experts(draft)
    problems = drafts.model_problems(draft)
    if not touched:
        st.info(copy.FILES_EMPTY)
        return
    for line in problems:
        st.error(parts.plain(line))
    if problems:
        return
    st.success(copy.FILES_FOUND)
    if st.button(copy.NEXT_TASKS, type="primary"):
        parts.go("setup")


state.enter("experts")
opened, trouble = state.current_study()
if trouble:
    st.warning(trouble)
if opened is not None:
    opened = parts.need_study()
st.title(copy.EXPERTS_TITLE)
if opened is not None:
    fixed(opened)
else:
    st.markdown(copy.EXPERTS_LEAD)
    form()
    verdict()
