"""Commands for the same merge otherwise: with other seeds, frozen and exact, polished, in layer groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from study.commands.terminal import At, Code, Device, Exact, Folder, Json, MethodName, app, point, progress, show
from study.settings import MethodChoice
from study.study import Study, open_study


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
    from study.varying.spread import spread as work
    from study.varying.spread import spread_text

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
    from study.varying.forms import forms as work
    from study.varying.forms import forms_text

    study, choice, coefficients = _asked(folder, method, at, code)
    value = work(study, choice, coefficients, device, progress)
    show(value, as_json, forms_text(value))


def _asked(
    folder: Path, method: str | None, at: str | None, code: Path | None
) -> tuple[Study, MethodChoice, Mapping[str, float]]:
    coefficients = point(at, "Give the merge to look at.")
    study = open_study(folder, code)
    choice = study.method(method)
    return study, choice, study.check(choice, coefficients)


@app.command()
def polish(
    folder: Folder,
    at: At = None,
    method: MethodName = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also export the polished model into this folder.")] = None,
    by: Annotated[
        str, typer.Option("--by", help="featcal: every layer; react: one map at the model's end.")
    ] = "featcal",
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Polish a merge with the calibration samples (FeatCal or ReACT), and measure it before and after."""
    from study.export import Order, export
    from study.varying.polish import polish as work
    from study.varying.polish import polished

    coefficients = point(at, "Give the merge to polish.")
    study = open_study(folder)
    choice = study.method(method)
    value = work(study, choice, coefficients, device, by)
    if out is not None:
        order = Order(polished(study, choice, coefficients, by), value["coefficients"])
        value["export"] = export(study, order, out, device)
    lines = [
        f"{name}: {value['before'][name]['value']:.3f} → {one['value']:.3f} ± {one['stderr']:.3f}"
        for name, one in value["after"].items()
    ]
    where = [f"Exported to {value['export']['out']}"] if out is not None else []
    show(value, as_json, "\n".join([*lines, *where]))


@app.command()
def groups(
    folder: Folder,
    to: Annotated[str | None, typer.Argument(help="2 to 16 groups of layers, slope, or none; empty: only say.")] = None,
    as_json: Json = False,
) -> None:
    """Give each expert one strength per group of layers instead of one; equal merges that were measured come along."""
    from study.varying.regroup import parse_groups, regroup

    study, carried = open_study(folder), 0
    if to is not None:
        study, carried = regroup(study, parse_groups(to))
    names = list(study.coefficients)
    value = {"groups": study.settings.groups, "coefficients": names, "carried": carried}
    came = f" {carried} measured merges came along." if to is not None else ""
    show(value, as_json, f"{len(names)} coefficients: {', '.join(names)}.{came}")
