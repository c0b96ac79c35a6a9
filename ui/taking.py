"""A finished export beyond its files: what it may be used for, a report, a model hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import streamlit as st

from study.exporting import hub
from study.exporting.licences import licences
from study.front import baselines, task_facts
from study.study import Study
from ui import copy_export as told
from ui import jobs, methods, parts, state, words
from ui.fragments import fragment
from ui.report import report

SAFE = 2  # an export is written beside its draft, so twice its size must be free


def licence_lines(study: Study) -> list[str]:
    """The licence of every part in words; unknown ones say so."""
    titles = {"base": told.BASE, **{one.name: one.title or one.name for one in study.experts}}
    return [
        told.LICENCE_LINE.format(part=titles[one.part], licence=one.licence)
        if one.licence
        else told.LICENCE_UNKNOWN.format(part=titles[one.part])
        for one in licences(study)
    ]


def licence_box(study: Study) -> None:
    """Folded away while all are known; open where one is not."""
    unknown = any(one.licence is None for one in licences(study))
    with st.expander(f"{'⚠ ' if unknown else ''}{told.LICENCES}"):
        for line in licence_lines(study):
            st.markdown(f"- {parts.plain(line)}")
        st.caption(told.LICENCE_ALL)


def room(study: Study) -> bool:
    """Say how much disk the export needs; whether there is enough."""
    path = study.path(study.settings.base.weights)
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    need = sum(one.stat().st_size for one in files if one.exists())
    free = shutil.disk_usage(study.folder).free
    enough = free >= SAFE * need
    text = told.ROOM if enough else told.ROOM_FULL
    (st.caption if enough else st.error)(text.format(need=words.size(need), free=words.size(free)))
    return enough


def report_of(study: Study, export: jobs.Export) -> str:
    """The text of report.html for a finished export."""
    facts = export.facts
    rows = parts.scores(task_facts(study), None, facts.get("validation"), facts["metrics"], baselines(study))
    told_of = {"coefficients": export.coefficients, "sha256": facts["sha256"], "licences": licence_lines(study)}
    recipe = (export.folder / "recipe.yaml").read_text(encoding="utf-8")
    front = state.front_of(study, method=export.method)
    rows = [{name: str(cell).replace("\\", "") for name, cell in row.items()} for row in rows]
    return report(f"{study.settings.name}: {export.name}", methods.title(export.method), rows, told_of, recipe, front)


def share(study: Study, export: jobs.Export) -> None:
    """The report, and the hub."""
    st.download_button(
        told.REPORT_BUTTON, lambda: report_of(study, export), f"{export.name}.html", "text/html",
        on_click="ignore", key=f"report-{export.name}", help=told.REPORT_HELP,
    )  # fmt: skip
    with st.expander(told.PUSH):
        if not hub.logged_in():
            st.markdown(told.PUSH_OUT)
            return
        name = st.text_input(told.PUSH_NAME, value=export.name, key=f"repo-{export.name}", max_chars=200)
        public = st.checkbox(told.PUSH_PUBLIC, key=f"public-{export.name}")
        if st.button(told.PUSH_BUTTON, key=f"push-{export.name}"):
            state.remember("push", jobs.start_push(export, name.strip(), public))
        uploading(export)


@fragment(run_every=2.0)
def uploading(export: jobs.Export) -> None:
    """How the upload stands, from the process itself and the last line of its log."""
    log = export.folder.with_suffix(".push.log")
    sent, pid, born = state.recall("push", ("", 0, 0.0))
    if sent == str(log) and jobs.working(pid, born):
        st.info(told.PUSHING)
    elif log.exists():
        answer = _answer(log)
        if answer:
            st.success(told.PUSHED.format(address=answer))
        else:
            st.error(told.PUSH_FAILED.format(error=parts.plain(jobs.last_line(log))))


def _answer(log: Path) -> str | None:
    try:
        value: Any = json.loads(jobs.last_line(log))
        return str(value["address"])
    except (ValueError, KeyError, TypeError):
        return None
