"""Step 4: the map. All motion happens in the browser; Python hears of a choice when the hand rests."""

from __future__ import annotations

import logging
from typing import Any

import streamlit as st

from study.background import worker
from study.background.fits import beside
from study.choosing.trust import nearby
from study.front import methods_measured
from study.predict import predict
from study.study import Study
from ui import copy, guide, maps, methods, parts, state, words
from ui.basic import basic
from ui.checking import ask_for_check, await_check, check_words, told_answer
from ui.component import explorer
from ui.details import details
from ui.fragments import fragment
from ui.glossary import meanings
from ui.payload import exact_point

log = logging.getLogger(__name__)
REFINE = 6  # mixes that are measured around a rough prediction
LOOK, LOOK_IDLE = 1.0, 4.0  # seconds between two looks for news: while somebody measures, and while nobody does


def wait_for_map(study: Study) -> None:
    """Too little measured: say so, and where to go."""
    facts = parts.standing(study)
    if not facts["done"]:
        st.info(copy.EXPLORE_EMPTY)
    else:
        st.info(copy.EXPLORE_WAIT.format(done=parts.whole(facts), need=parts.map_needs(study)))
    if st.button(copy.TO_RUN, type="primary"):
        parts.go("run")
    if worker.alive(study.folder) or parts.starting(study):
        enough(study.folder.name)
    st.stop()


@fragment(run_every=1.0)
def enough(key: str) -> None:
    """Draws the page anew once more is measured."""
    study = state.study_of(key)
    if study is None:
        return
    done = len(study.done())
    if done != state.recall("waited_at", done):
        state.remember("waited_at", done)
        st.rerun()
    state.remember("waited_at", done)


def choose_method(study: Study) -> str:
    """Which way of blending is on the map."""
    names = [one.name for one in methods_measured(study)]
    if len(names) < 2:
        return names[0]
    turn = state.forget("turn")
    if turn and turn.get("method") in names:
        st.session_state["method-shown"] = turn["method"]
        state.keep_method(turn["method"])
        state.remember("choice", {"pick": [float(value) for value in turn["pick"]]})
    kept = state.method_kept(study)
    chosen = st.segmented_control(
        copy.METHOD_SHOWN,
        names,
        default=kept if kept in names else names[0],
        format_func=methods.title,
        key="method-shown",
        required=True,
        help=methods.explained(names),
    )
    if kept is not None and chosen != kept:
        state.forget("choice")
    state.keep_method(str(chosen or names[0]))
    return str(chosen or names[0])


def revision_shown(study: Study) -> str:
    """The revision on the screen: it does not move under the hand while results come in."""
    shown = state.recall("map_revision")
    if shown is None or not shown.startswith(study.context):
        shown = maps.opening_revision(study, worker.alive(study.folder))
        state.remember("map_revision", shown)
    return str(shown)


def exact(study: Study, payload: dict[str, Any], method: str) -> dict[str, Any] | None:
    """The full model's word on strengths that a person set by hand."""
    choice = state.recall("choice") or {}
    if choice.get("kind") != "pending" or not choice.get("pick"):
        return None
    names = [expert["name"] for expert in payload["experts"]]
    asked, answer = state.recall("exact") or (None, None)
    if asked == (payload["rev"], choice["pick"]):  # drawn anew for another reason: no second fit
        return dict(answer) if answer else None
    try:
        at = dict(zip(names, choice["pick"], strict=True))
        found = beside(predict, study, [at], state.recall("surrogate"), method)
    except ValueError:  # too few mixes for a prediction
        return None
    point = exact_point(found["points"][0], payload)
    state.remember("exact", ((payload["rev"], choice["pick"]), point))
    return point


@fragment()
def the_map(key: str, revision: str, method: str) -> None:
    """The explorer itself; reruns alone."""
    study = state.study_of(key)
    if study is None:
        return
    payload = state.payload_of(study, revision, method, state.recall("surrogate"))
    if state.recall("failure") or state.recall("plain_charts"):
        plain_charts(study, payload, revision, method)
        details(study, payload, revision, method)
        return
    data = message(study, payload, revision, method)
    data |= {"start": state.recall("start"), "busy": check_words(study) if state.recall("asked") is not None else None}
    data |= {"exact": exact(study, payload, method), "heard": state.recall("heard")}
    result = explorer(data, key=f"map-{key}", on_choice=lambda: None)
    if result.need:
        state.forget("browser_has")
        parts.draw_again()
    if result.failure:
        log.warning("the fast map of %s did not start in a browser: %s", key, result.failure)
        state.remember("failure", result.failure)
        parts.draw_again()
    again = False
    if result.choice:
        before = state.recall("choice") or {}
        state.keep_choice(result.choice, payload)
        arrived = state.recall("browser_has") != result.choice.get("have")
        state.remember("browser_has", result.choice.get("have"))
        asks = result.choice.get("kind") == "pending" and result.choice.get("pick") != before.get("pick")
        again = asks or (arrived and not str(result.choice.get("have")).endswith("+"))
    if result.wish and result.wish["stamp"] != state.recall("heard"):
        grant(study, method, dict(result.wish), payload)
    if again:
        parts.draw_again()
    details(study, payload, revision, method)


def grant(study: Study, method: str, wish: dict[str, Any], payload: dict[str, Any]) -> None:
    """Do what was asked for on the map; once, however often the page is drawn meanwhile."""
    name, stamp = wish.pop("name"), wish.pop("stamp")
    if name == "turn":
        state.remember("turn", wish)
    elif name == "check":
        ask_for_check(study, method, wish["pick"])
    elif name == "use":
        state.keep_choice(wish, payload)
        state.remember("leaving", True)  # a fragment that leaves the page itself would leave the next one blank
    state.remember("heard", stamp)
    st.rerun()


def message(study: Study, payload: dict[str, Any], revision: str, method: str) -> dict[str, Any]:
    """First the mixes, then the single samples, then neither again: the browser says what it has."""
    has = str(state.recall("browser_has") or "")
    if has.rstrip("+") != payload["rev"]:
        return dict(payload)
    light = {"rev": payload["rev"]}
    if not has.endswith("+"):
        light["samples"] = state.samples_of(study, revision, method)
    return light


def plain_charts(study: Study, payload: dict[str, Any], revision: str, method: str) -> None:
    """The map without the explorer; the choice goes the same ways."""
    failure = state.recall("failure")
    strengths = basic(study, revision, method, failure)
    if strengths is None:
        return
    names = [expert["name"] for expert in payload["experts"]]
    pick = [strengths[name] for name in names]
    state.keep_pick(pick)
    with st.container(horizontal=True):
        if st.button(copy.EXPLORER["check"], key="basic-check", disabled=state.recall("asked") is not None):
            ask_for_check(study, method, pick)
            st.rerun()
        if st.button(copy.EXPLORER["use"], key="basic-use"):
            state.remember("leaving", True)
            st.rerun()
        if failure and st.button(copy.FAST_AGAIN, key="basic-back"):
            state.forget("failure")
            state.forget("browser_has")
            st.rerun()


def rough(study: Study, payload: dict[str, Any], method: str) -> None:
    """Where predictions missed by more than the noise: say so, and offer to measure around the chosen mix."""
    if state.recall("refined"):
        st.info(copy.ROUGH_ASKED.format(n=state.recall("refined")))
        return
    found = payload["rough"]
    if not found:
        return
    told = [(one["miss"], payload["tasks"][one["task"]]) for one in found]
    missed = [copy.ROUGH_MISS.format(miss=miss * task["scale"], task=task["title"]) for miss, task in told]
    facts = parts.standing(study)
    each = facts["seconds_per_trial"] or 1.0
    text = copy.ROUGH.format(list=words.listed(missed))
    if facts["worker"]["running"] and facts["worker"]["budget"]:
        parts.small(f"{text} {copy.ROUGH_RUNNING}")
        return
    with st.container(border=True):
        st.markdown(text, help=copy.ROUGH_HELP)
        if st.button(copy.ROUGH_BUTTON.format(n=REFINE, time=words.duration(REFINE * each)), key="refine"):
            picked = state.picked(study) or {one["name"]: (one["low"] + one["high"]) / 2 for one in payload["experts"]}
            points = beside(nearby, study, study.method(method), picked, REFINE)
            for point in points:
                study.propose(study.method(method), point, "asked")
            if points and not worker.alive(study.folder):
                parts.launch(study, None)
            state.remember("refined", len(points))
            st.rerun()


def watch(key: str, revision: str, method: str) -> None:
    """Looks after a requested check and after a run that goes on; calls the full page once, when there is news."""
    study = state.study_of(key)
    if study is None:
        return
    if state.recall("asked") is not None:
        await_check(study, str(state.recall("asked")))
        return
    fresh = _new_results(study, revision)
    touched = (state.recall("choice") or {"touched": False}).get("touched", True)
    if fresh and not touched and maps.follows(study, revision, method, worker.alive(study.folder)):
        st.rerun()
    if fresh and touched:
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.small(copy.NEW_RESULT if fresh == 1 else copy.NEW_RESULTS.format(n=fresh))
            if st.button(copy.UPDATE_MAP, key="update"):
                state.remember("map_revision", study.store.revision())
                state.forget("refined")
                st.rerun()


def _new_results(study: Study, revision: str) -> int:
    """How many trials were finished since the revision on the screen (its third number counts the done ones)."""
    now, then = study.store.revision().split("-"), revision.split("-")
    return max(0, int(now[2]) - int(then[2])) if len(now) == len(then) else 0


def trust(study: Study, method: str, payload: dict[str, Any], revision: str) -> None:
    """How far the predictions can be believed, with this study's own error."""
    found = state.front_of(study, revision, method=method)
    for title in payload["noisy"]:
        parts.small(copy.NOISY.format(task=title))
    model = found["surrogate"]
    if not found["predicted"]:
        parts.small(copy.TRUST_NONE)
        return
    with st.expander(copy.TRUST):
        missed = [
            f"{t['title']} {words.score(model['loo_rmse'][t['name']], t['unit']).replace(' %', ' points')}"
            for t in found["tasks"]
        ]
        st.markdown(copy.TRUST_WORDS.format(list=words.listed(missed)))
        parts.small(f"{copy.DETAILS}: {model['name']}, {model.get('trials', found['evaluations'])} trials")


if state.enter("explore"):
    state.forget("map_revision")
    state.forget("answered")
    state.forget("refined")
current = parts.need_study()
if state.forget("leaving"):
    parts.go("export")
if len(current.done()) < parts.map_needs(current) or not methods_measured(current):
    wait_for_map(current)
st.title(copy.EXPLORE_TITLE, help=meanings("map", "predicted", "checked", "plain average"))
if not guide.on():
    st.markdown(copy.EXPLORE_LEAD)
shown_method = choose_method(current)
shown_revision = revision_shown(current)
often = state.recall("asked") is not None or worker.alive(current.folder)
# Always there, so that the map below keeps its place and is not built anew; with room for news while there may be some.
notice = st.container(key="news" if often else "quiet")
with notice:
    waiting = state.recall("asked") is not None
    fragment(LOOK if often else LOOK_IDLE)(watch)(current.folder.name, shown_revision, shown_method)
    if not waiting:
        told_answer()
with st.spinner(copy.MAKING_MAP):
    whole = state.payload_of(current, shown_revision, shown_method, state.recall("surrogate"))
state.remember("start", state.opening(current, whole))
with notice:
    rough(current, whole, shown_method)
the_map(current.folder.name, shown_revision, shown_method)
trust(current, shown_method, whole, shown_revision)
if not state.recall("failure"):
    st.toggle(copy.BASIC_TOGGLE, key="plain_charts", help=copy.BASIC_HELP)
