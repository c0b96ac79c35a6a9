"""The gallery of methods: grouped by what they need, a sentence each, unsuitable ones greyed with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui import copy_setup as told
from ui import parts, words
from ui.glossary import plainly

Json = dict[str, Any]


def group_of(method: Mapping[str, Any]) -> str:
    """Which group of the gallery a method stands in."""
    if method["name"] in told.FIRST:
        return "first"
    return "learned" if method["needs_data"] else str(method["class"])


def unfit(method: Mapping[str, Any], experts: int) -> str | None:
    """Why a method cannot blend so many experts; None if it can."""
    least, most = method["experts"]
    if least <= experts and (most is None or experts <= most):
        return None
    need = told.EXACTLY.format(n=least) if least == most else told.AT_LEAST.format(n=least)
    return told.UNFIT.format(need=need, have=experts)


def matches(method: Mapping[str, Any], wanted: str) -> bool:
    """Whether a method's name or sentence holds the words looked for."""
    text = f"{method['name']} {method['title']} {method['summary']} {method['paper']['authors']}".lower()
    return all(word in text for word in wanted.lower().split())


def gallery(known: list[Json], kept: list[str], experts: int) -> list[str]:
    """Show all groups; the names of the methods that are ticked, in the order of the gallery."""
    wanted = st.text_input(told.GALLERY_FIND, key="find-method", help=told.GALLERY_FIND_HELP)
    chosen: list[str] = []
    seen = 0
    for group, heading in told.GROUPS.items():
        mine = [one for one in known if group_of(one) == group]
        mine.sort(key=lambda one: told.FIRST.index(one["name"]) if group == "first" else 0)
        shown = [one for one in mine if matches(one, wanted)]
        seen += len(shown)
        chosen += [one["name"] for one in mine if one not in shown and one["name"] in kept]
        if not shown:
            continue
        # A label that counted what is ticked would change under the hand, and fold the group away with it.
        with st.expander(f"{heading} ({len(shown)})", expanded=group == "first" or bool(wanted)):
            st.caption(told.GROUP_HELP[group])
            chosen += [one["name"] for one in shown if tick(one, kept, experts)]
    if not seen:
        st.caption(told.NOTHING)
    titles = [parts.plain(one["title"]) for one in known if one["name"] in chosen]
    st.markdown(told.CHOSEN.format(list=words.listed(titles)) if titles else told.CHOSEN_NONE)
    return chosen


def tick(method: Json, kept: list[str], experts: int) -> bool:
    """One method: a box to tick, its sentence, its source."""
    reason = unfit(method, experts)
    paper = method["paper"]
    source = told.SOURCE.format(authors=parts.plain(paper["authors"]), year=paper["year"])
    learns = told.METHOD_LEARNS.get(" + ".join(method["needs_data"]), "")
    ticked = st.checkbox(
        f"**{parts.plain(method['title'])}**: {parts.plain(plainly(method['summary']))}",
        value=method["name"] in kept and reason is None,
        key=f"method-{method['name']}",
        disabled=reason is not None,
        help=" ".join(filter(None, (learns, told.CLASS_HELP[method["class"]], source))),
    )
    if reason:
        st.caption(reason)
    return bool(ticked) and reason is None
