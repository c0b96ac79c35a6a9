"""All studies on this computer: open, rename, remove, bring back."""

from __future__ import annotations

import streamlit as st

from study import library
from study.errors import StudyError
from ui import copy, parts, state, words


def bring_back() -> None:
    """Undo the last removal."""
    token, name = state.recall("removed", ("", ""))
    if not token:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(copy.REMOVED.format(name=parts.plain(name)), width="stretch")
        if st.button(copy.UNDO):
            library.restore(token)
            state.forget("removed")
            st.rerun()


def line(entry: library.Entry) -> None:
    """One study."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            now = copy.STATES["running" if entry.running else "done" if entry.done else "new"]
            told = copy.HISTORY_LINE.format(state=now, done=entry.done, when=words.ago(entry.changed))
            st.markdown(
                f"**{parts.plain(entry.name)}**  \n{parts.plain(entry.problem) if entry.problem else told}",
                width="stretch",
            )
            if entry.problem is None:
                if st.button(copy.OPEN, key=f"open-{entry.key}", type="primary"):
                    state.set_study(entry.key)
                    parts.go("explore" if entry.done >= 4 else "run")
                with st.popover(copy.RENAME):
                    name = st.text_input(copy.STUDY_NAME, value=entry.name, key=f"name-{entry.key}", max_chars=200)
                    if st.button(copy.RENAME, key=f"rename-{entry.key}", disabled=not name.strip()):
                        library.rename(entry.key, name.strip())
                        st.rerun()
                if st.button(copy.REMOVE, key=f"remove-{entry.key}", disabled=entry.running):
                    remove(entry)
        st.caption(copy.FOLDER.format(path=parts.plain(str(entry.folder))))


def remove(entry: library.Entry) -> None:
    """To the trash; it can be brought back."""
    try:
        state.remember("removed", (library.remove(entry.key), entry.name))
    except StudyError as error:
        st.error(str(error))
        return
    if state.current_key() == entry.key:
        state.set_study(None)
    st.rerun()


state.enter("history")
st.title(copy.HISTORY_TITLE)
bring_back()
entries = library.studies()
if not entries:
    st.info(copy.HISTORY_EMPTY)
for one in entries:
    line(one)
