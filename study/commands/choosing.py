"""Commands that show the front, predict and measure single merges, and choose one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from study.commands.terminal import (
    At,
    Code,
    Device,
    Folder,
    Json,
    MethodName,
    Points,
    SurrogateName,
    app,
    show,
    typed,
)
from study.errors import StudyError
from study.study import Study, open_study, parse_at


@app.command()
def front(
    folder: Folder,
    surrogate: SurrogateName = None,
    points: Annotated[int, typer.Option(help="How many predicted points.")] = 50,
    method: MethodName = None,
    test: Annotated[bool, typer.Option("--test", help="Add the held-out split for the measured front.")] = False,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """The measured and the predicted front."""
    from study.front import front as compute

    study = open_study(folder, code)
    value = compute(study, surrogate, points, method, test)
    if test:
        from study.measuring.asked import measure_now

        waiting = [row for row in value["measured"] if row["on_front"] and "test" not in row]
        asked = [(study.method(row["method"]), row["coefficients"]) for row in waiting]
        measure_now(study, asked, ("test",), device)
        value = compute(study, surrogate, points, method, test)
    show(value, as_json, _front_text(value))


def _front_text(value: dict[str, Any]) -> str:
    names = [task["name"] for task in value["tasks"]]
    lines = [f"{value['evaluations']} trials measured; those that no other beats:"]
    for row in value["measured"]:
        if row["on_front"]:
            numbers = ", ".join(
                f"{n} {row['metrics'][n]['value']:.3f}±{row['metrics'][n]['stderr']:.3f}" for n in names
            )
            at = typed(row["coefficients"])
            lines.append(f"  {numbers}   --at {at}")
    model = value["surrogate"]
    if model["name"]:
        errors = ", ".join(f"{name} {rmse:.3f}" for name, rmse in model["loo_rmse"].items())
        lines.append(
            f"{len(value['predicted'])} predicted points by '{model['name']}' (leave-one-out error: {errors})."
        )
        lines.append(model["trust"])
    return "\n".join(lines)


def _asked(at: str | None, points: Path | None) -> list[dict[str, float]]:
    from study.predict import read_points

    if (at is None) == (points is None):
        raise StudyError("Give either --at or --points.", "For example: --at digits=0.3,signs=0.7,flags=0.5.")
    return [parse_at(at)] if at is not None else read_points(points or Path())


@app.command()
def predict(
    folder: Folder,
    at: At = None,
    points: Points = None,
    surrogate: SurrogateName = None,
    method: MethodName = None,
    as_json: Json = False,
) -> None:
    """Predicted metrics at given coefficients, with their 90 % interval."""
    from study.predict import predict as compute

    value = compute(open_study(folder), _asked(at, points), surrogate, method)
    lines = [
        ", ".join(f"{name} {m['mean']:.3f} ({m['low']:.3f} to {m['high']:.3f})" for name, m in point["metrics"].items())
        for point in value["points"]
    ]
    show(value, as_json, "predicted: " + "\npredicted: ".join(lines))


@app.command()
def measure(
    folder: Folder,
    at: At = None,
    points: Points = None,
    method: MethodName = None,
    test: Annotated[bool, typer.Option("--test", help="On the held-out split too.")] = False,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Merge and measure given coefficients for real; adds done trials."""
    from study.front import shown
    from study.measuring.asked import measure_now

    study = open_study(folder, code)
    choice = study.method(method)
    asked = [(choice, study.check(choice, one)) for one in _asked(at, points)]
    trials = measure_now(study, asked, ("validation", "test") if test else ("validation",), device)
    points_of = [{"trial": t.id, "coefficients": t.coefficients, "metrics": shown(t.metrics)} for t in trials]
    held_out = [{"test": shown(t.test)} if test else {} for t in trials]
    value = {"points": [{**one, **more} for one, more in zip(points_of, held_out, strict=True)]}
    lines = [", ".join(f"{n} {m.value:.3f}±{m.stderr:.3f}" for n, m in t.metrics.items()) for t in trials]
    show(value, as_json, "measured: " + "\nmeasured: ".join(lines))


@app.command()
def compare(
    folder: Folder,
    at: Annotated[str, typer.Option(help="Coefficients of the first: digits=0.3,signs=0.7,…")],
    versus: Annotated[str, typer.Option(help="Coefficients of the second.")],
    method: MethodName = None,
    as_json: Json = False,
) -> None:
    """Two merges on the same samples: what each gets right that the other does not, and whether that is luck."""
    from study.choosing.compare import compare as compared

    study = open_study(folder)
    choice = study.method(method)
    one, other = (study.check(choice, parse_at(each)) for each in (at, versus))
    tasks = compared(study, choice, one, other)
    show({"at": one, "versus": other, "tasks": tasks}, as_json, _compared_text(tasks))


def _compared_text(tasks: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, found in tasks.items():
        source = "measured" if found["measured"] else "predicted"
        lines.append(
            f"{name} ({source}): of {found['n']} samples the second gets {found['gained']} right that the first does "
            f"not, and {found['lost']} wrong that the first gets right (luck would do that with p = {found['p']:.2g})"
        )
    return "\n".join(lines)


@app.command()
def choose(
    folder: Folder,
    want: Annotated[str | None, typer.Option(help="The least you accept: digits=0.9,signs=0.7")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The point beyond which more of one costs much.")] = False,
    prefer: Annotated[str | None, typer.Option(help="Weights of the tasks: digits=2,signs=1")] = None,
    towards: Annotated[str | None, typer.Option(help="A path of mixes from the least to the most of a task.")] = None,
    steps: Annotated[int, typer.Option(help="How many mixes a path has, equally far apart.")] = 7,
    surrogate: SurrogateName = None,
    method: MethodName = None,
    as_json: Json = False,
) -> None:
    """The front's best point for a wish, and what it costs the other tasks; or the mix for a preference."""
    from study.predict import choose as compute

    if prefer is not None or towards is not None:
        if want is not None or knee:
            raise StudyError("Give either --want or --knee, or a preference.", "--prefer and --towards go together.")
        by_preference(open_study(folder), prefer, towards, steps, surrogate, method, as_json)
        return
    value = compute(open_study(folder), parse_at(want) if want else None, surrogate, method, knee)
    at = typed(value["coefficients"])
    numbers = ", ".join(
        f"{name} {m['mean']:.3f} (gives up {value['costs'][name]:.3f})" for name, m in value["metrics"].items()
    )
    show(value, as_json, f"{value['reason']}\npredicted: {numbers}\n--at {at}")


def by_preference(
    study: Study, wish: str | None, towards: str | None, steps: int, name: str | None, method: str | None, as_json: bool
) -> None:
    """Show the mix of a preference, or a path of mixes."""
    from study.choosing.preference import prefer as compute

    value = compute(study, parse_at(wish) if wish else None, towards, steps, name, method)
    lines = []
    for point in value.get("path", [value]):
        at = typed(point["coefficients"])
        numbers = ", ".join(f"{task} {m['mean']:.3f}" for task, m in point["metrics"].items())
        lines.append(f"predicted: {numbers}  --at {at}")
    show(value, as_json, "\n".join(lines))
