"""The commands that take a mix home and prove what was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.commands.terminal import At, Code, Device, Exact, Folder, Json, MethodName, app, point, show
from study.study import open_study


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    at: At = None,
    method: MethodName = None,
    form: Annotated[str, typer.Option("--format", help="as base, float32, float16 or bfloat16.")] = "as base",
    exact: Exact = False,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Write the checkpoint, its recipe and a model card, measured on the test split."""
    from study.export import Order
    from study.export import export as write

    study = open_study(folder, code)
    choice = study.method(method)
    coefficients = study.check(choice, point(at))
    value = write(study, Order(choice, coefficients, form, exact), out, device)  # type: ignore[arg-type]
    lines = [f"  {name}: {m['value']:.3f}±{m['stderr']:.3f}{_on(m['n'])}" for name, m in value["metrics"].items()]
    if value["forms"]:
        other = "exact" if value["forms"]["written"] == "frozen" else "frozen"
        lines.append(f"  its {other} form differs by {value['forms']['distance']:.1%} of the change from the base")
    show(value, as_json, f"Exported to {value['out']}\n" + "\n".join(lines))


def _on(count: int) -> str:
    return f" on {count} test samples" if count > 1 else ""


@app.command()
def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that `export` wrote.")],
    study: Annotated[Path | None, typer.Option(help="The study's folder, if it has moved.")] = None,
    device: Device = None,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Rebuild the checkpoint from its recipe, compare the bytes, measure again."""
    from study.verify import verify as check

    value = check(out, study, device, code)
    same = "identical" if value["identical"] else "DIFFERENT"
    equal = "equal" if value["metrics_equal"] else "DIFFERENT"
    show(value, as_json, f"bytes: {same}; metrics: {equal}")
    if not (value["identical"] and value["metrics_equal"]):
        raise typer.Exit(1)


@app.command()
def push(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that `export` wrote.")],
    repo: Annotated[str, typer.Argument(metavar="NAME", help="NAME or OWNER/NAME on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Visible to everybody; default: private.")] = False,
    as_json: Json = False,
) -> None:
    """Upload an export to the Hugging Face hub; you must be logged in there."""
    from study.exporting.hub import push as upload

    address = upload(out, repo, not public)
    show({"address": address}, as_json, f"Uploaded to {address}.")
