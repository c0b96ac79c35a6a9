"""Commands that look at a study before it runs, run it, search by metrics alone, and say how it stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from study.commands.terminal import (
    Code,
    Device,
    Folder,
    Json,
    MethodName,
    SurrogateName,
    app,
    progress,
    show,
    typed,
)
from study.errors import StudyError
from study.study import open_study, parse_at


@app.command()
def doctor(folder: Folder, device: Device = None, code: Code = None, as_json: Json = False) -> None:
    """Look before anything runs: do the experts fit the base, model and tasks, what will it take, what to mend."""
    from study.preflight.doctor import doctor as look

    report = look(open_study(folder, code), device, progress)
    lines = [
        f"{one.level.upper():5} {one.where}: {one.text}{' → ' + one.remedy if one.remedy else ''}"
        for one in report.findings
    ]
    end = {"stop": "Mend what stops it first.", "warn": "It can run; look at the warnings.", "fine": "Ready to run."}
    show(report.as_json(), as_json, "\n".join([*lines, end[report.level]]))
    if report.level == "stop":
        raise typer.Exit(1)


@app.command()
def run(
    folder: Folder,
    trials: Annotated[int, typer.Option(help="Trials per method, in all.")] = 30,
    seed: Annotated[int | None, typer.Option(help="Seed of the design; default: the study's.")] = None,
    method: MethodName = None,
    surrogate: SurrogateName = None,
    screening: Annotated[
        int | None, typer.Option(help="Search on so many samples per task; 0: on all. Default: the study's.")
    ] = None,
    finalists: Annotated[
        int | None, typer.Option(help="How many of the best are then measured on all samples.")
    ] = None,
    device: Device = None,
    executor: Annotated[str, typer.Option(help="local (this machine) or ray (a cluster).")] = "local",
    address: Annotated[str | None, typer.Option(help="The Ray cluster's address; default: this machine's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Trials at a time; default: one per GPU, else one.")] = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Measure up to N trials (anchors, design, then what the surrogate proposes); again = go on where it stopped."""
    from study.run import run as work
    from study.running.places import Place
    from study.status import status as stand

    if not 0 <= trials <= 100_000:
        raise StudyError(f"--trials is {trials}.", "Give a number from 0 to 100000.")
    study = open_study(folder, code).screened(screening, finalists)
    report = work(study, trials, method, seed, None, surrogate, Place(executor, device, workers, address))
    value = {**stand(study), "end": report.end, "measured": report.measured}
    show(
        value,
        as_json,
        f"{report.end}: measured {report.measured} now, {value['done']} done, {value['failed']} failed.",
    )
    if report.failed and not report.measured:
        raise typer.Exit(1)


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Counts by state, time spent and left, cost of a trial, last error."""
    from study.status import status as stand

    value: dict[str, Any] = stand(open_study(folder))
    each = value["seconds_per_trial"]
    cost = "" if each is None else f", {each:.2f} s per trial"
    error = f"\nLast error: {value['last_error']}" if value["last_error"] else ""
    worker = "running" if value["worker"]["running"] else "not running"
    show(
        value, as_json,
        f"{value['name']}: {value['done']} done, {value['proposed']} proposed, {value['running']} running, "
        f"{value['failed']} failed{cost}; worker {worker}.{error}",
    )  # fmt: skip


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
    from study.running.evolve import evolve as search

    study = open_study(folder, code)
    wish = parse_at(want) if want else None
    chosen = study.settings.seed if seed is None else seed
    value = search(study, study.method(method), trials, chosen, wish, device, signed, first)
    at = typed(value["coefficients"])
    show(value, as_json, f"best of {value['trials']} measured merges: {value['value']:.4f}\n--at {at}")


@app.command()
def learned(folder: Folder, method: MethodName = None, as_json: Json = False) -> None:
    """How a method that learns from samples went: its curve on the validation samples, and what it learned."""
    from study.measuring.learned import curve_text
    from study.measuring.learned import learned as facts

    study = open_study(folder)
    value = facts(study, study.method(method))
    show(value, as_json, curve_text(value))
