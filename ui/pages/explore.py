"""Step 4: the map. All motion happens in the browser; Python hears of a choice when the hand rests."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import streamlit as st

from study import worker
from study.front import methods_measured
from study.predict import predict
from study.study import Study
from ui import copy, figures, parts, state, words
from ui.component import explorer
from ui.payload import exact_point

PATIENCE = 20.0  # seconds that a new worker may need before it shows itself


def wait_for_map(study: Study) -> None:
    """Too little measured: say so, and where to go."""
    facts = parts.standing(study)
    if not facts["done"]:
        st.info(copy.EXPLORE_EMPTY)
    else:
        st.info(copy.EXPLORE_WAIT.format(done=facts["done"], need=parts.map_needs(study)))
    if st.button(copy.TO_RUN, type="primary"):
        parts.go("run")
    st.stop()


def choose_method(study: Study) -> str:
    """Which way of blending is on the map."""
    names = [one.name for one in methods_measured(study)]
    if len(names) < 2:
        return names[0]
    turn = state.forget("turn")
    if turn and turn.get("method") in names:
        st.session_state["method-shown"] = turn["method"]
        state.remember("method", turn["method"])
        state.remember("choice", {"pick": [float(value) for value in turn["pick"]]})
    kept = state.recall("method")
    chosen = st.segmented_control(
        copy.METHOD_SHOWN,
        names,
        default=kept if kept in names else names[0],
        format_func=lambda name: state.method_titles().get(name, name),
        key="method-shown",
        required=True,
    )
    if kept is not None and chosen != kept:
        state.forget("choice")
    state.remember("method", chosen or names[0])
    return str(chosen or names[0])


def revision_shown(study: Study) -> str:
    """The revision on the screen: it does not move under the hand while results come in."""
    shown = state.recall("map_revision")
    if shown is None or not shown.startswith(study.context):
        shown = study.store.revision()
        state.remember("map_revision", shown)
    return str(shown)


def exact(study: Study, payload: dict[str, Any], method: str) -> dict[str, Any] | None:
    """The full model's word on strengths that a person set by hand."""
    choice = state.recall("choice") or {}
    if choice.get("kind") != "pending" or not choice.get("pick"):
        return None
    names = [expert["name"] for expert in payload["experts"]]
    try:
        found = predict(study, [dict(zip(names, choice["pick"], strict=True))], method=method)
    except ValueError:  # too few mixes for a prediction
        return None
    return exact_point(found["points"][0], payload)


def ask_for_check(study: Study, method: str, pick: list[float]) -> None:
    """Propose the mix as a trial and see to it that somebody measures it."""
    names = [expert.name for expert in study.experts]
    low, high = study.bounds(study.method(method))
    inside = [min(max(value, low), high) for value in pick]
    strengths = dict(zip(names, inside, strict=True))
    with suppress(ValueError):  # the prediction from before the check, to be shown beside it
        state.keep_guess(strengths, predict(study, [strengths], method=method)["points"][0]["metrics"])
    identity = study.propose(study.method(method), strengths, "asked")
    if not worker.alive(study.folder):
        worker.start(study.folder)
    state.remember("asked", identity)
    state.remember("asked_at", time.monotonic())
    state.forget("answered")


@st.fragment
def the_map(key: str, revision: str, method: str) -> None:
    """The explorer itself; reruns alone."""
    study, _ = state.current_study()
    if study is None or study.folder.name != key:
        return
    payload = state.payload_of(study, revision, method)
    failure = state.recall("failure")
    if failure:
        basic(payload, study, failure)
        return
    data = message(study, payload, revision, method)
    data |= {"start": state.recall("start"), "busy": state.recall("asked") is not None}
    data["exact"] = exact(study, payload, method)
    result = explorer(data, key=f"map-{key}", on_choice=lambda: None)
    if result.need:
        state.forget("browser_has")
        st.rerun(scope="fragment")
    if result.failure:
        state.remember("failure", result.failure)
        st.rerun(scope="fragment")
    if result.choice:
        before = state.recall("choice") or {}
        state.keep_choice(result.choice, payload)
        arrived = state.recall("browser_has") != result.choice.get("have")
        state.remember("browser_has", result.choice.get("have"))
        asks = result.choice.get("kind") == "pending" and result.choice.get("pick") != before.get("pick")
        if asks or (arrived and not str(result.choice.get("have")).endswith("+")):
            st.rerun(scope="fragment")
    if result.turn:
        state.remember("turn", result.turn)
        st.rerun()
    if result.check:
        ask_for_check(study, method, result.check["pick"])
        st.rerun()
    if result.use:
        state.keep_choice({k: v for k, v in result.use.items() if k != "stamp"}, payload)
        parts.go("export")


def message(study: Study, payload: dict[str, Any], revision: str, method: str) -> dict[str, Any]:
    """First the mixes, then the single samples, then neither again: the browser says what it has."""
    has = str(state.recall("browser_has") or "")
    if has.rstrip("+") != payload["rev"]:
        return dict(payload)
    light = {"rev": payload["rev"]}
    if not has.endswith("+"):
        light["samples"] = state.samples_of(study, revision, method)
    return light


def basic(payload: dict[str, Any], study: Study, failure: str) -> None:
    """Plain charts where the explorer cannot start."""
    st.warning(copy.COMPONENT_FAILED.format(error=failure))
    found = state.front_of(study)
    rows = found["predicted"] or found["measured"]
    tasks = found["tasks"]
    labels = [", ".join(f"{t['title']} {words.score(_middle(row, t), t['unit'])}" for t in tasks) for row in rows[:200]]
    chosen = st.selectbox(copy.EXPLORER["yourMix"], range(len(labels)), format_func=lambda i: labels[i])
    if len(tasks) > 1:
        figure = figures.basic_map(found["predicted"], found["measured"], tasks[0], tasks[1], rows[chosen])
        st.plotly_chart(figure, key="basic")
    names = [expert.name for expert in study.experts]
    state.remember("choice", {"pick": [rows[chosen]["coefficients"][name] for name in names]})


def _middle(row: dict[str, Any], task: dict[str, Any]) -> float:
    cell = row["metrics"][task["name"]]
    return float(cell.get("mean", cell.get("value")))


@st.fragment(run_every=1.0)
def watch(key: str, revision: str) -> None:
    """Looks after a requested check and after a run that goes on; calls the full page once, when there is news."""
    study, _ = state.current_study()
    if study is None or study.folder.name != key:
        return
    if state.recall("asked") is not None:
        await_check(study, str(state.recall("asked")))
        return
    fresh = _new_results(study, revision)
    if fresh:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(copy.NEW_RESULTS.format(n=fresh))
            if st.button(copy.UPDATE_MAP, key="update"):
                state.remember("map_revision", None)
                st.rerun()


def await_check(study: Study, asked: str) -> None:
    """Say how the requested check stands; when there is an answer, draw the page anew."""
    trial = next((one for one in study.store.trials() if one.id == asked), None)
    told = parts.standing(study)["worker"]
    late = time.monotonic() - state.recall("asked_at", 0.0) > PATIENCE
    answer = None
    if trial is None or trial.state == "done":
        answer = copy.CHECK_DONE
        state.remember("map_revision", None)
    elif trial.state == "failed" or (late and not told["running"] and told["phase"] == "failed"):
        answer = copy.CHECK_FAILED.format(error=trial.error or told["error"])
    if answer:
        state.forget("asked")
        state.remember("answered", answer)
        st.rerun()
    if late and not told["running"]:
        worker.start(study.folder)  # the last worker ended just before it saw the wish
        state.remember("asked_at", time.monotonic())
    st.info(copy.CHECK_MORE if told["running"] and told["budget"] else copy.CHECK_QUEUED)


def _new_results(study: Study, revision: str) -> int:
    """How many trials were finished since the revision on the screen (its third number counts the done ones)."""
    now, then = study.store.revision().split("-"), revision.split("-")
    return max(0, int(now[2]) - int(then[2])) if len(now) == len(then) else 0


def trust(study: Study, method: str, payload: dict[str, Any], revision: str) -> None:
    """How far the predictions can be believed, with this study's own error."""
    found = state.front_of(study, revision, method=method)
    for title in payload["noisy"]:
        st.caption(copy.NOISY.format(task=title))
    model = found["surrogate"]
    if not found["predicted"]:
        st.caption(copy.TRUST_NONE)
        return
    with st.expander(copy.TRUST):
        missed = [
            f"{t['title']} {words.score(model['loo_rmse'][t['name']], t['unit']).replace(' %', ' points')}"
            for t in found["tasks"]
        ]
        st.markdown(copy.TRUST_WORDS.format(list=words.listed(missed)))
        st.caption(f"{copy.DETAILS}: {model['name']}, {model.get('trials', found['evaluations'])} trials")


if state.enter("explore"):
    state.remember("map_revision", None)
    state.forget("answered")
current = parts.need_study()
if len(current.done()) < parts.map_needs(current) or not methods_measured(current):
    wait_for_map(current)
st.title(copy.EXPLORE_TITLE)
st.markdown(copy.EXPLORE_LEAD)
shown_method = choose_method(current)
shown_revision = revision_shown(current)
notice = st.container()  # always there, so that the map below keeps its place and is not built anew
with notice:
    waiting = state.recall("asked") is not None
    if waiting or worker.alive(current.folder) or _new_results(current, shown_revision):
        watch(current.folder.name, shown_revision)
    if not waiting and state.recall("answered"):
        st.success(state.recall("answered"))
with st.spinner(copy.MAKING_MAP):
    whole = state.payload_of(current, shown_revision, shown_method)
state.remember("start", state.opening(current, whole))
the_map(current.folder.name, shown_revision, shown_method)
trust(current, shown_method, whole, shown_revision)
