"""The frame around every page: navigation, header, errors in one line (`ui.fragments`)."""

from __future__ import annotations

import streamlit as st

from study.errors import StudyError
from ui import copy, drafts, fragments, login, state, steps, warm

# Less empty space on top; the map, which answers by itself, is not faded while Python is at work; code, small print,
# the values of sliders and the chosen one of a row keep a contrast of 4.5 : 1 (WCAG AA) in both themes, also in a
# popover, which hangs outside the app and does not know its theme; a table is shaded at the side to which it goes on.
STYLE = """<style>
.stMainBlockContainer { padding-top: 4.75rem; padding-bottom: 3rem; }
[data-testid="stMainBlockContainer"] h1 { padding: .6rem 0 .5rem; }
.st-key-guide { padding: .45rem 1rem; }
.st-key-guide p, .st-key-guide [data-testid="stMarkdownContainer"] { margin: 0; }
[data-testid="stHeadingWithActionElements"] a[href^="#"] { display: none; }
[data-testid="stPageLink"] a { padding-left: 0; }
[class*="st-key-recent-"] { flex-wrap: nowrap; }
[class*="st-key-recent-"] > :first-child { min-width: 0; overflow-wrap: anywhere; }
[data-testid="stPageLink"] p { text-decoration: underline; text-underline-offset: 3px; }
.st-key-news { min-height: 2.6rem; }
[class*="st-key-map-"][data-stale="true"] { opacity: 1 !important; }
[data-testid="stPopoverBody"] { color-scheme: light dark; }
[data-testid="stCode"] .token { color: light-dark(#1d2a33, #e9eef1) !important; }
[data-testid="stCode"] .token:is(.keyword, .function) { color: light-dark(#0a5670, #7fd0ea) !important; }
[data-testid="stCode"] .token:is(.string, .parameter) { color: light-dark(#00674b, #74d6ae) !important; }
[data-testid="stCaptionContainer"] { opacity: 1 !important; }
[data-testid="stCaptionContainer"] p { color: light-dark(#4f5b64, #b3bcc3) !important; }
[data-testid="stTable"] > div { background:
  linear-gradient(to right, var(--ground) 30%, transparent) left / 28px 100% no-repeat local,
  linear-gradient(to left, var(--ground) 30%, transparent) right / 28px 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / 12px 100% no-repeat,
  linear-gradient(to left, var(--shade), transparent) right / 12px 100% no-repeat;
  --ground: light-dark(#ffffff, #12181d); --shade: light-dark(#9aa3ab, #6c757d); }
@media (max-width: 640px) {
  [data-testid="stExpanderDetails"] { padding: .5rem .35rem .75rem; }
  [data-testid="stTable"] :is(th, td) { padding: 4px 3px !important; }
  [data-testid="stTable"] :is(th, td) p { font-size: .78rem !important; line-height: 1.35; overflow-wrap: normal; }
}
@media (max-width: 400px) {
  [data-testid="stTable"] :is(th, td) p { font-size: .72rem !important; }
}
button[role="radio"][aria-checked="true"] p,
[data-testid="stSliderThumbValue"] { color: light-dark(#0a5670, #7fd0ea) !important; }
</style>"""
PAGES = ("home", "experts", "setup", "run", "explore", "export", "history")
HIDDEN = ("compare", "server")  # reached from another page


def run() -> None:
    """What Streamlit runs on every visit and every click."""
    fragments.arrive()
    st.set_page_config(page_title=copy.APP, page_icon="🧭", layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    if not login.enter():
        return
    wait = waiting()
    pages = [
        st.Page(
            path(name), title=copy.NAV[name], url_path=name, default=name == "home",
            icon=copy.NOT_YET if name in wait else None, help=wait.get(name),
        )
        for name in PAGES
    ]  # fmt: skip
    pages += [st.Page(path(name), title=copy.NAV[name], url_path=name, visibility="hidden") for name in HIDDEN]
    page = st.navigation(pages, position="top")
    if page.url_path:  # the start page, which must be quick, has no table
        warm.tables()
    try:
        with fragments.in_one_line(f"page {page.title}"):
            page.run()
    finally:
        warm.page_drawn()
    state.keep_address()


def waiting() -> dict[str, str]:
    """Which steps have to wait in this visit, and for what."""
    try:
        study, _ = state.current_study()
        if study is None:
            return steps.waiting(None, models=not drafts.model_problems(state.draft()), mix=False)
        return steps.waiting(study, models=True, mix=state.picked(study) is not None)
    except StudyError:  # the page itself says what is wrong with the study
        return {}


def path(name: str) -> str:
    """The file of a page, as Streamlit wants it: relative to app.py."""
    return f"ui/pages/{name}.py"
