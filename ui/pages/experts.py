"""Step 1: which models. An open study shows its own; otherwise a new one is put together."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import streamlit as st

from study.study import Study
from ui import copy, doctoring, drafts, parts, state
from ui import copy_run as run_words
from ui import copy_setup as told
from ui.glossary import meaning
from ui.shell import path


def fixed(study: Study) -> None:
    """The models of an open study."""
    st.caption(copy.EXPERTS_FIXED)
    with st.container(border=True):
        st.markdown(f"**{copy.BASE_NAME}** · {parts.plain(study.settings.base.model.rsplit('/', 1)[-1])}")
        st.code(study.settings.base.weights, language=None, wrap_lines=True)
    for expert in study.experts:
        with st.container(border=True):
            st.markdown(f"**{parts.plain(expert.title or expert.name)}**")
            st.code(expert.weights, language=None, wrap_lines=True)
    st.subheader(run_words.DOCTOR_TITLE)
    report = doctoring.section(study)
    if report is not None:
        doctoring.overlap(study, report)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(path("setup"), label=copy.NEXT_TASKS, query_params={"study": study.folder.name})
        if st.button(copy.NEW_STUDY):
            state.set_study(None)
            st.rerun()


def field(label: str, name: str, help_text: str | None = None, placeholder: str = "") -> str:
    """A text field of the draft; its value survives moving between the pages."""
    draft = state.draft()
    st.session_state.setdefault(f"draft-{name}", str(draft.get(name, "")))
    value = st.text_input(label, key=f"draft-{name}", help=help_text, placeholder=placeholder)
    draft[name] = value
    return value


def seen(name: str, text: str, base: str | None = None) -> None:
    """What a glance at a file says, under its field: what is wrong with it, or that it is all right."""
    wrong = drafts.at_field(name, text, base)
    if wrong:
        st.error(parts.plain(wrong))
    elif line := drafts.glance_at(name, text, base):
        st.caption(parts.plain(line))


def form() -> None:
    """A new study: name, starting model, specialists."""
    draft = state.draft()
    field(copy.STUDY_NAME, "name", placeholder=copy.STUDY_NAME_EXAMPLE)
    st.subheader(copy.BASE_NAME, help=meaning("starting model"))
    draft["base"] = st.session_state.get("draft-base", draft["base"])
    if drafts.read_kind(draft):  # the folder itself says what it is; said before the field is drawn
        st.session_state["draft-model"] = draft["model"]
    left, right = st.columns([1, 2])
    with left:
        kind = field(copy.MODEL_LABEL, "model", copy.MODEL_HELP)
        if wrong := drafts.kind_problem(kind):
            st.error(parts.plain(wrong))
    with right:
        field(copy.BASE_LABEL, "base", copy.PATH_HELP, "/models/vit-b-32.safetensors")
        seen(copy.BASE_NAME, str(draft["base"]))
    if str(draft["model"]).endswith(".json"):
        field(copy.TOKENIZER_LABEL, "tokenizer", copy.PATH_HELP)
    st.subheader(copy.SPECIALISTS, help=meaning("specialist"))
    for i in range(draft["experts"]):
        left, right = st.columns([1, 2])
        with left:
            typed = str(state.recall(f"draft-expert_path_{i}", draft.get(f"expert_path_{i}")) or "")
            stem = PurePath(typed.strip().strip('"')).stem
            field(copy.EXPERT_NAME.format(n=i + 1), f"expert_name_{i}", placeholder=stem or ("Cars", "Digits")[i % 2])
        with right:
            text = field(copy.EXPERT_PATH.format(n=i + 1), f"expert_path_{i}", copy.PATH_HELP)
            seen(str(draft.get(f"expert_name_{i}") or stem), text, str(draft["base"]))
    with st.container(horizontal=True):
        if st.button(copy.ADD_EXPERT, disabled=draft["experts"] >= 32):
            draft["experts"] += 1
            st.rerun()
        if st.button(copy.REMOVE_EXPERT, disabled=draft["experts"] <= 2):
            draft["experts"] -= 1
            st.rerun()
        with st.popover(told.ADD_FOLDER):
            whole_folder()


def whole_folder() -> None:
    """Every model file of a folder as a specialist."""
    text = st.text_input(told.FOLDER_LABEL, key="folder", help=copy.PATH_HELP)
    if st.button(told.FOLDER_BUTTON, disabled=not text.strip()):
        found = drafts.models_in(text)
        if not found:
            kinds = ", ".join(drafts.SUFFIXES[:4])
            st.error(parts.plain(told.FOLDER_EMPTY.format(path=text.strip(), kinds=kinds)))
            return
        for name in drafts.add_experts(state.draft(), found):
            st.session_state.pop(f"draft-{name}", None)
        st.rerun()


def at_fields(draft: dict[str, Any]) -> set[str]:
    """What is wrong and said under its field already."""
    base = str(draft["base"] or "")
    lines = [drafts.kind_problem(str(draft["model"])), drafts.at_field(copy.BASE_NAME, base)]
    lines += [drafts.at_field(name, text, base) for name, text in drafts.experts(draft)]
    return {line for line in lines if line}


def verdict() -> None:
    """What is right and what is not beyond single files; then the way on."""
    draft = state.draft()
    touched = draft.get("base") or drafts.experts(draft)
    problems = drafts.model_problems(draft)
    if not touched:
        st.info(copy.FILES_EMPTY)
        return
    needed, told_above = drafts.still_needed(draft), at_fields(draft)
    for line in problems:
        if line not in told_above:
            (st.info if line == needed else st.error)(parts.plain(line))  # what is not there yet is no mistake
    if told_above:
        st.error(copy.FILES_ABOVE)
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
