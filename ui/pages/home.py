"""The start page: the demo one click away, own models, recent studies."""

from __future__ import annotations

import streamlit as st

from study.demo import DEFAULT, demo_tasks, write_demo
from study.errors import StudyError
from study.keeping import library
from ui import copy, guide, parts, state, words
from ui.glossary import meaning

TRIALS = 30


def start_demo(tasks: tuple[str, ...]) -> None:
    """Write a demo study, start measuring, go to the run."""
    folder = library.new_folder("demo")
    try:
        study = write_demo(folder, tasks)
    except (StudyError, OSError) as error:
        st.error(copy.DEMO_FAILED.format(error=error))
        return
    state.set_study(study.folder.name)
    guide.begin()
    parts.launch(study, TRIALS)
    parts.go("run")


def doors() -> None:
    """The two ways in."""
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        if st.button(copy.DEMO_BUTTON, type="primary", key="demo", width="stretch"):
            start_demo(DEFAULT)
        st.caption(copy.DEMO_HINT)
    with right.container(border=True, height="stretch"):
        if st.button(copy.OWN_BUTTON, key="own", width="stretch"):
            state.set_study(None)
            parts.go("experts")
        st.caption(copy.OWN_HINT)


def how() -> None:
    """The five steps."""
    st.subheader(copy.HOW_TITLE)
    for number, (column, (title, text)) in enumerate(zip(st.columns(5), copy.STEPS, strict=True), start=1):
        column.markdown(f"**{number} · {title}**  \n{text}", help=meaning(copy.STEP_WORDS[number - 1]))


def recent() -> None:
    """The last studies, or why there are none."""
    st.subheader(copy.RECENT_TITLE)
    entries = library.studies()[:5]
    if not entries:
        st.caption(copy.RECENT_EMPTY)
    for entry in entries:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"recent-{entry.key}"):
            now = copy.STATES[parts.in_a_word(entry.running, entry.phase, entry.done)]
            line = copy.RECENT_LINE.format(state=now, done=entry.done, when=words.ago(entry.changed))
            st.markdown(f"**{parts.plain(entry.name)}**  \n{entry.problem or line}", width="stretch")
            if entry.problem is None and st.button(copy.OPEN, key=f"open-{entry.key}"):
                parts.open_key(entry.key)


def other_demo() -> None:
    """The demo with other specialists."""
    with st.expander(copy.DEMO_PICK, key="demo-pick", on_change="rerun") as pick:
        if not pick.open:  # what its parts need is loaded with them, and the start page must be quick
            return
        known = demo_tasks()
        chosen = st.multiselect(
            copy.DEMO_PICK_LABEL, known, default=[t for t in DEFAULT if t in known], help=copy.DEMO_PICK_HELP
        )
        if st.button(copy.DEMO_PICK_BUTTON, disabled=len(chosen) < 2):
            start_demo(tuple(chosen))


state.enter("home")
st.title(copy.TITLE)
st.markdown(copy.LEAD)
doors()
how()
other_demo()
recent()
