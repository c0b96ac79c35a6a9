"""Step 5: check the chosen mix on the real examples, write the checkpoint, take it home."""

from __future__ import annotations

from typing import Any

import streamlit as st

from study.background import worker
from study.background.fits import beside
from study.exporting.loading import ANY, loading
from study.folder.trial import Trial
from study.front import baselines, shown, task_facts
from study.predict import predict
from study.study import Study
from ui import copy, exports, forming, jobs, parts, state, taking, words
from ui import copy_export as told
from ui.fragments import fragment
from ui.glossary import meaning, meanings


def choose_first() -> None:
    """No mix is chosen."""
    st.info(copy.EXPORT_NONE)
    if st.button(copy.TO_MAP, type="primary"):
        parts.go("explore")


def method_of(study: Study) -> str:
    """The method the mix was chosen for."""
    return state.method_kept(study) or study.method().name


def trial_of(study: Study, method: str, strengths: dict[str, float]) -> Trial | None:
    """The trial that measured this mix, if there is one; one that differs by rounding counts."""
    found = [
        trial
        for trial in study.store.trials()
        if trial.method == method and all(abs(trial.coefficients[n] - c) < 1.5e-3 for n, c in strengths.items())
    ]
    return next((trial for trial in found if trial.state == "done"), found[-1] if found else None)


def guess_of(study: Study, method: str, strengths: dict[str, float]) -> dict[str, Any] | None:
    """What is predicted for the mix, from the other mixes' measurements and its own."""
    try:
        found: dict[str, Any] = beside(predict, study, [strengths], method=method)["points"][0]["metrics"]
    except ValueError:  # too few mixes for a prediction
        return None
    return found


def the_mix(study: Study, method: str, strengths: dict[str, float], trial: Trial | None) -> None:
    """Predicted beside checked beside held out, per task."""
    tasks = task_facts(study)
    done = trial is not None and trial.state == "done"
    checked = shown(trial.metrics) if trial and done else None
    test = shown(trial.test) if trial and trial.test else None
    # A prediction made after the check would know the answer: only one from before it may stand beside it.
    with st.spinner(told.GUESSING):
        predicted = state.guess(strengths) if done else guess_of(study, method, strengths)
    if not done and predicted:
        state.keep_guess(strengths, predicted)
    st.subheader(copy.EXPORT_MIX, help=meanings("predicted", "checked", "final check", "specialist", "plain average"))
    rows = parts.scores(tasks, predicted, checked, test, baselines(study))
    if any(len(row) > 1 for row in rows):
        st.table(rows, border="horizontal", hide_index=True)
    below = parts.missed(tasks, predicted, checked)
    for line in below:
        st.warning(line)
    if predicted and checked and not below:
        st.success(told.WITHIN)
    if done:
        st.caption(f"{copy.IS_CHECKED} {copy.FLATTERING}")
    titles = state.titles_of(study)
    with st.expander(copy.STRENGTHS):
        st.caption(meaning("strength"))
        for name, value in strengths.items():
            st.markdown(f"{parts.plain(titles[name])}: **{value:g}**")


def check(study: Study, method: str, strengths: dict[str, float], trial: Trial | None) -> None:
    """Not measured yet, or not in the final check: say so and offer to."""
    key, pid, born = state.recall("checking", ("", 0, 0.0))
    sent = key == study.folder.name
    if sent and jobs.working(pid, born):
        watch(study.folder.name)
        return
    done = trial is not None and trial.state == "done"
    if trial is not None and trial.state in ("proposed", "running") and worker.alive(study.folder):
        watch(study.folder.name)
        return
    failed = trial.error if trial is not None and trial.state == "failed" else None
    if failed or (sent and not done):
        error = failed or jobs.last_line(study.folder / worker.LOG)
        st.error(copy.CHECK_FAILED.format(error=parts.plain(str(error))))
    elif not done:
        st.warning(copy.NOT_CHECKED)
    offer(study, method, strengths, done)


def offer(study: Study, method: str, strengths: dict[str, float], done: bool) -> None:
    """The button that measures, and how often the final check was looked at."""
    with st.container(horizontal=True, vertical_alignment="center"):
        label, hint = (told.EXAM, told.EXAM_HELP) if done else (told.CHECK_BOTH, told.CHECK_BOTH_HELP)
        if st.button(label, type="secondary" if done else "primary", key="check", help=hint):
            if worker.alive(study.folder) and not done:
                study.propose(study.method(method), strengths, "asked")  # the run measures it next
            else:
                state.remember("checking", jobs.start_check(study, strengths, method))
            st.rerun()
        count = parts.exams(study)
        st.caption(told.EXAMS_FIRST if not count else told.EXAMS_ONE if count == 1 else told.EXAMS.format(n=count))


@fragment(run_every=1.0)
def watch(key: str) -> None:
    """Wait for the check or the export; the full page is drawn again once it is there."""
    study = state.study_of(key)
    if study is None:
        return
    key_of, pid, born = state.recall("checking", ("", 0, 0.0))
    checking = key_of == key and jobs.working(pid, born)
    writing = any(one.state == "running" for one in jobs.exports(study))
    if checking or writing or worker.alive(study.folder):
        st.info(told.CHECKING if checking else copy.EXPORT_RUNNING if writing else copy.CHECK_QUEUED)
        return
    st.rerun()


@fragment(run_every=1.0)
def until_free(key: str) -> None:
    """A run must end before an export begins: says so, and draws the page again once it has."""
    study = state.study_of(key)
    if study is None:
        return
    if not worker.alive(study.folder):
        st.rerun()
    left = parts.standing(study)["seconds_left"]
    st.caption(copy.EXPORT_BUSY.format(left=copy.EXPORT_LEFT.format(time=words.duration(left)) if left else ""))


def write_form(study: Study, method: str, strengths: dict[str, float], done: bool, again: bool) -> None:
    """Name, precision, go; how it stands appears where the button was pressed. again: this mix was written before."""
    st.subheader(copy.EXPORT_SECTION)
    left, right = st.columns(2)
    being_written = next((one.name for one in jobs.exports(study) if one.state == "running"), None)
    name = left.text_input(copy.EXPORT_NAME, value=being_written or jobs.free_name(study, "my-mix"), max_chars=60)
    dtype = right.selectbox(
        copy.EXPORT_DTYPE, list(copy.DTYPES), format_func=lambda key: copy.DTYPES[key], help=copy.EXPORT_DTYPE_HELP
    )
    good = jobs.good_name(name)
    free = jobs.free_name(study, name)
    if not good:
        st.error(copy.EXPORT_NAME_BAD)
    elif name not in (free, being_written):
        st.caption(told.NAME_TAKEN.format(name=parts.plain(name), free=parts.plain(free)))
    exact = forming.choose(study, method, strengths)
    busy = worker.alive(study.folder)
    if busy and not forming.comparing(study, method, strengths):
        until_free(study.folder.name)
    if not done:
        st.caption(told.UNCHECKED)
    enough = taking.room(study)
    taking.licence_box(study)
    writing = being_written is not None
    label = copy.EXPORT_BUTTON if done else copy.EXPORT_ANYWAY
    shut = not good or busy or writing or not enough
    if st.button(label, type="primary" if done and not again else "secondary", disabled=shut, key="write"):
        wanted = study.check(study.method(method), strengths)
        jobs.start_export(study, wanted, method, free, dtype, exact)
        st.rerun()
    if writing:
        watch(study.folder.name)
    failure(study)
    command(study, method, strengths, name, f"--format '{dtype}'{' --exact' if exact else ''}")


def command(study: Study, method: str, strengths: dict[str, float], name: str, options: str) -> None:
    """What does the same without a browser."""
    at = ",".join(f"{expert}={value:g}" for expert, value in strengths.items())
    with st.expander(told.COMMAND):
        st.code(
            f"python -m study measure {study.folder} --at {at} --method {method} --test\n"
            f"python -m study export {study.folder} --at {at} --method {method} {options} --out {name}\n"
            f"python -m study verify {name}",
            language="bash",
            wrap_lines=True,
        )


def finished(study: Study, export: jobs.Export) -> None:
    """One finished export: where it is, what it scored, how to load it, its files."""
    tasks = task_facts(study)
    st.success(copy.EXPORT_DONE)
    if form := forming.written(export.facts):
        st.caption(form)
    st.code(str(export.folder), language=None, wrap_lines=True)
    links = exports.offer(export.folder, [name for name, _ in jobs.files(export)])
    (first, count), *others = jobs.files(export)
    st.link_button(copy.DOWNLOAD.format(name=first, size=words.size(count)), links[first], type="primary")
    with st.expander(copy.OTHER_FILES), st.container(horizontal=True):
        for name, count in others:
            st.link_button(copy.DOWNLOAD.format(name=name, size=words.size(count)), links[name])
    taking.share(study, export)
    st.markdown(f"**{copy.FINAL_TITLE}**")
    facts = export.facts
    rows = parts.scores(tasks, None, facts.get("validation"), facts["metrics"], baselines(study))
    st.table(rows, border="horizontal", hide_index=True)
    st.markdown(f"**{copy.LOAD_TITLE}**")
    heads = sorted(path.stem for path in (export.folder / "heads").glob("*.safetensors"))
    st.code(loading(export.folder, str(export.folder), next(iter(heads), ANY)), language="python", wrap_lines=True)
    with st.expander(copy.FILES_TITLE):
        st.code(
            "\n".join(f"{value}  {name}" for name, value in facts["sha256"].items()), language=None, wrap_lines=True
        )


def written(study: Study, method: str, strengths: dict[str, float]) -> bool:
    """Whether the newest export is of this mix."""
    done = [one for one in jobs.exports(study) if one.state == "done"]
    return bool(done) and done[0].method == method and done[0].coefficients == strengths


def failure(study: Study) -> None:
    """Why the last export did not finish, beside the button that began it."""
    found = jobs.exports(study)
    if found and found[0].state == "failed":
        why = parts.plain(found[0].error) or told.NO_WORD
        st.error(copy.EXPORT_FAILED.format(name=parts.plain(found[0].name), error=why))


def all_exports(study: Study) -> None:
    """Finished exports, the newest first."""
    done = [one for one in jobs.exports(study) if one.state == "done"]
    if not done:
        return
    st.subheader(copy.EXPORTS_TITLE)
    for k, one in enumerate(done):
        with st.expander(f"{one.name} · {words.ago(one.started)}", expanded=k == 0):
            finished(study, one)


state.enter("export")
current = parts.need_study()
st.title(copy.EXPORT_TITLE, help=meaning("export"))
chosen = state.picked(current)
if chosen is None:
    choose_first()
    all_exports(current)
else:
    way = method_of(current)
    measured = trial_of(current, way, chosen)
    is_done = measured is not None and measured.state == "done"
    strengths = measured.coefficients if measured else chosen
    the_mix(current, way, strengths, measured)
    if not is_done or (measured is not None and not measured.test):
        check(current, way, chosen, measured)
    again = written(current, way, strengths)
    if again:  # what was just written comes first: it is what a person now wants to take
        all_exports(current)
    write_form(current, way, strengths, is_done, again)
    if not again:
        all_exports(current)
