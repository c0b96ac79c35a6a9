"""What this server allows, read from where it is enforced."""

from __future__ import annotations

import streamlit as st

from study.server import allowance, cache
from ui import copy_server as told
from ui import login, state, words

state.enter("server")
st.title(told.TITLE)
allowed = allowance()
if login.is_open():
    st.markdown(told.OPEN.format(address=login.address()))
    st.markdown(told.OPEN_LOGIN if login.configured() else told.OPEN_ALONE)
else:
    st.markdown(told.LOCAL)
st.markdown(told.ROOTS_ANY if allowed.roots is None else told.ROOTS)
if allowed.roots:
    st.code("\n".join(str(root) for root in allowed.roots), language=None, wrap_lines=True)
st.markdown(told.UPLOAD.format(size=words.size(allowed.upload)))
if allowed.study:
    st.markdown(told.STUDY.format(size=words.size(allowed.study)))
if allowed.jobs:
    st.markdown(told.JOBS.format(jobs=allowed.jobs))
if not allowed.study and not allowed.jobs:
    st.markdown(told.UNLIMITED)
st.markdown(told.HUB if allowed.hub else told.NO_HUB)
kept = cache()
st.markdown(told.NOT_KEPT if kept is None else told.KEPT)
if kept is not None:
    st.code(str(kept), language=None, wrap_lines=True)
st.markdown(told.CODE)
st.caption(told.OWNER)
