"""Commands that look at one merge in more than one form: other seeds of a random method, frozen and exact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from study.errors import StudyError
from study.settings import MethodChoice
from study.study import Study, open_study, parse_at
from study.terminal import At, Code, Device, Exact, Folder, Json, MethodName, app, progress, show


@app.command()
def spread(
    folder: Folder,
    at: At = None,
    method: MethodName = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from the study's own on.")] = 5,
    exact: Exact = False,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """What chance does to a merge: the same coefficients with other seeds of DARE, DELLA or another random method."""
    from study.spread import spread as work
    from study.spread import spread_text

    study, choice, coefficients = _asked(folder, method, at, code)
    value = work(study, choice, coefficients, seeds, exact, device, progress)
    show(value, as_json, spread_text(value))


@app.command()
def forms(
    folder: Folder,
    at: At = None,
    method: MethodName = None,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """How far the frozen form of a method, which the sliders move, is from the exact one: weights and metrics."""
    from study.forms import forms as work
    from study.forms import forms_text

    study, choice, coefficients = _asked(folder, method, at, code)
    value = work(study, choice, coefficients, device, progress)
    show(value, as_json, forms_text(value))


def _asked(
    folder: Path, method: str | None, at: str | None, code: Path | None
) -> tuple[Study, MethodChoice, Mapping[str, float]]:
    if at is None:
        raise StudyError("Give the merge to look at.", "For example: --at digits=0.3,signs=0.7,flags=0.5.")
    study = open_study(folder, code)
    choice = study.method(method)
    return study, choice, study.check(choice, parse_at(at))
