"""All studies on this computer: open, rename, copy, take away, bring in, remove, bring back."""

from __future__ import annotations

import time

import streamlit as st

from study.errors import StudyError
from study.keeping import library, pack
from study.study import Study
from ui import archives, copy, draft_settings, jobs, parts, state, words
from ui import copy_history as told
from ui.glossary import meaning
from ui.receiver import receiver
from ui.shell import path


@st.cache_data(max_entries=200, show_spinner=False)
def size_of(key: str, changed: float) -> int:
    """Bytes of a study without what can be made again."""
    return pack.size(library.home() / key)


def bring_back(place: int, last: bool = False) -> None:
    """Undo the last removal, where the removed study stood: that is where the eyes are. last: the end of the list."""
    token, name, stood = state.recall("removed", ("", "", 0))
    if not token or (stood != place and not (last and stood > place)):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(told.REMOVED.format(name=parts.plain(name)), width="stretch")
        if st.button(told.UNDO):
            library.restore(token)
            state.forget("removed")
            st.rerun()


def line(entry: library.Entry, alone: bool, place: int) -> None:
    """One study; where another has the same name, the folder tells them apart."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        now = copy.STATES[parts.in_a_word(entry.running, entry.phase, entry.done)]
        size = words.size(size_of(entry.key, entry.changed))
        text = told.LINE.format(state=now, done=entry.done, when=words.ago(entry.changed), size=size)
        twin = "" if alone else f" ({parts.plain(entry.key)})"
        st.markdown(
            f"**{parts.plain(entry.name)}**{twin}  \n{parts.plain(entry.problem) if entry.problem else text}",
            width="stretch",
        )
        with st.container(horizontal=True, width="content"):  # together, also where they find no room beside the name
            if entry.problem is None:
                if st.button(copy.OPEN, key=f"open-{entry.key}", type="primary"):
                    parts.open_key(entry.key)
                with st.popover(told.MORE, key=f"more-{entry.key}"):
                    more(entry)
            if st.button(told.REMOVE, key=f"remove-{entry.key}", disabled=entry.running, help=reason(entry)):
                remove(entry, place)


def reason(entry: library.Entry) -> str | None:
    """Why a study cannot be removed now."""
    return told.REMOVE_RUNNING if entry.running else None


def more(entry: library.Entry) -> None:
    """What is done less often with a study."""
    study = library.find(entry.key)
    name = st.text_input(copy.STUDY_NAME, value=entry.name, key=f"name-{entry.key}", max_chars=200)
    with st.container(horizontal=True):
        if st.button(told.RENAME, key=f"rename-{entry.key}", disabled=name.strip() in ("", entry.name)):
            library.rename(entry.key, name.strip())
            st.rerun()
        if st.button(told.DUPLICATE, key=f"copy-{entry.key}", help=told.DUPLICATE_HELP):
            library.duplicate(entry.key)
            st.rerun()
        if not parts.is_demo(study) and st.button(told.CHANGE, key=f"change-{entry.key}", help=told.CHANGE_HELP):
            state.draft().update(draft_settings.draft_from(study.settings, study.folder))
            state.set_study(None)
            parts.go("experts")
    st.link_button(told.DOWNLOAD, archives.offer(entry.key))
    st.caption(told.DOWNLOAD_NOTE.format(size=words.size(size_of(entry.key, entry.changed))))
    journey(study)
    st.caption(told.FOLDER.format(path=parts.plain(str(entry.folder))))
    st.caption(told.COMMAND)
    st.code(f"python -m study pack {entry.folder} {entry.key}.zip", language="bash", wrap_lines=True)


def journey(study: Study) -> None:
    """Which mixes were checked by hand, which were looked at in the final check, what was exported."""
    st.markdown(f"**{told.JOURNEY}**")
    trials = study.store.trials()
    steps = [(one.finished or 0.0, told.STEP["checked"], one.coefficients) for one in trials if one.origin == "asked"]
    steps += [
        (one.started, told.STEP["exported"].format(name=parts.plain(one.name)), one.coefficients)
        for one in jobs.exports(study)
        if one.state == "done"
    ]
    if not steps:
        st.caption(told.JOURNEY_EMPTY)
    for when, what, strengths in sorted(steps, key=lambda step: step[0]):
        at = ", ".join(f"{name} {value:.2f}" for name, value in strengths.items())
        st.caption(f"{words.ago(when or time.time())}: {what} ({parts.plain(at)})")
    exams = parts.exams(study)
    st.caption(told.EXAMS_NONE if not exams else told.EXAMS_ONE if exams == 1 else told.EXAMS.format(n=exams))


def remove(entry: library.Entry, place: int) -> None:
    """To the trash; it can be brought back."""
    try:
        state.remember("removed", (library.remove(entry.key), entry.name, place))
    except StudyError as error:
        st.error(str(error))
        return
    if state.current_key() == entry.key:
        state.set_study(None)
    st.rerun()


def bring_in() -> None:
    """A packed study from a file."""
    st.subheader(told.IMPORT_TITLE)
    st.markdown(told.IMPORT_LEAD)
    address = state.recall("door")
    if not address or not archives.known_door(address):
        address = archives.door()
        state.remember("door", address)
    arrived = receiver(address, told.IMPORT, key="receiver")
    if arrived and arrived != state.recall("arrived"):
        state.remember("arrived", arrived)
        st.toast(told.IMPORTED.format(name=library.find(arrived).settings.name))
        st.rerun()


def trash() -> None:
    """What was removed, until it is emptied."""
    removed = library.trash()
    if not removed:
        return
    with st.expander(told.TRASH.format(n=len(removed))):
        for one in removed:
            with st.container(horizontal=True, vertical_alignment="center"):
                text = told.TRASH_LINE.format(name=parts.plain(one.name), when=words.ago(one.when))
                st.markdown(text, width="stretch")
                if st.button(told.UNDO, key=f"restore-{one.token}"):
                    library.restore(one.token)
                    state.forget("removed")
                    st.rerun()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            sure = st.text_input(told.EMPTY_SURE, key="sure", width=220)
            if st.button(told.EMPTY_TRASH, disabled=sure.strip().lower() != told.EMPTY_WORD):
                library.empty_trash()
                state.forget("removed")
                st.rerun()


state.enter("history")
st.title(told.TITLE, help=meaning("study"))
entries = library.studies()
if not entries:
    st.info(told.EMPTY)
if sum(entry.done > 0 for entry in entries):
    st.page_link(path("compare"), label=told.COMPARE_LINK)
wanted = st.text_input(told.FIND, key="find").strip().lower() if len(entries) > 8 else ""
names = [entry.name for entry in entries]
shown = [entry for entry in entries if wanted in entry.name.lower()]
if entries and not shown:
    st.caption(told.NONE_FOUND)
for number, one in enumerate(shown):
    bring_back(number)
    line(one, names.count(one.name) == 1, number)
bring_back(len(shown), last=True)
bring_in()
trash()
st.page_link(path("server"), label=copy.NAV["server"])
