"""Commands about methods that learn from samples, searches by metrics alone, and coefficients per layer group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.errors import StudyError
from study.study import open_study, parse_at
from study.terminal import At, Code, Device, Folder, Json, MethodName, app, show


@app.command()
def learned(folder: Folder, method: MethodName = None, as_json: Json = False) -> None:
    """How a method that learns from samples went: its curve on the validation samples, and what it learned."""
    from study.learned import curve_text
    from study.learned import learned as facts

    study = open_study(folder)
    value = facts(study, study.method(method))
    show(value, as_json, curve_text(value))


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
    from study.polish import polish as work
    from study.polish import polished

    if at is None:
        raise StudyError("Give the merge to polish.", "For example: --at digits=0.3,signs=0.7,flags=0.5.")
    study = open_study(folder)
    choice, point = study.method(method), parse_at(at)
    value = work(study, choice, point, device, by)
    if out is not None:
        order = Order(polished(study, choice, point, by), value["coefficients"])
        value["export"] = export(study, order, out, device)
    lines = [
        f"{name}: {value['before'][name]['value']:.3f} → {one['value']:.3f} ± {one['stderr']:.3f}"
        for name, one in value["after"].items()
    ]
    where = [f"Exported to {value['export']['out']}"] if out is not None else []
    show(value, as_json, "\n".join([*lines, *where]))


@app.command()
def evolve(
    folder: Folder,
    trials: Annotated[int, typer.Option(help="How many merges may be measured.")] = 60,
    want: Annotated[
        str | None, typer.Option(help="Weights of the tasks: digits=2,signs=1; default: all alike.")
    ] = None,
    method: MethodName = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search; default: the study's.")] = None,
    signed: Annotated[bool, typer.Option("--signed", help="As Evo-Merging: from -1.5 to 1.5.")] = False,
    first: Annotated[
        int,
        typer.Option(min=0, help="As Evo-Merging's first stage: merges that search how much of each adapter to keep."),
    ] = 0,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Search by metrics alone (CMA-ES) for one weighted wish, where no surrogate can be fitted."""
    from study.evolve import evolve as search

    study = open_study(folder, code)
    wish = parse_at(want) if want else None
    chosen = study.settings.seed if seed is None else seed
    value = search(study, study.method(method), trials, chosen, wish, device, signed, first)
    at = ",".join(f"{name}={c:g}" for name, c in value["coefficients"].items())
    show(value, as_json, f"best of {value['trials']} measured merges: {value['value']:.4f}\n--at {at}")


@app.command()
def groups(
    folder: Folder,
    to: Annotated[str | None, typer.Argument(help="2 to 16 groups of layers, slope, or none; empty: only say.")] = None,
    as_json: Json = False,
) -> None:
    """Give each expert one strength per group of layers instead of one; equal merges that were measured come along."""
    from study.regroup import parse_groups, regroup

    study, carried = open_study(folder), 0
    if to is not None:
        study, carried = regroup(study, parse_groups(to))
    names = list(study.coefficients)
    value = {"groups": study.settings.groups, "coefficients": names, "carried": carried}
    came = f" {carried} measured merges came along." if to is not None else ""
    show(value, as_json, f"{len(names)} coefficients: {', '.join(names)}.{came}")
