"""The commands that make files of a study and studies of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.study import open_study
from study.terminal import Folder, Json, app, show


@app.command()
def pack(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="The file to write.")],
    exports: Annotated[bool, typer.Option("--exports", help="With the exported checkpoints.")] = False,
    as_json: Json = False,
) -> None:
    """A whole study as one zip file, to be kept or shared."""
    from study.pack import pack as write

    count = write(open_study(folder), out, exports)
    show({"out": str(out), "bytes": count}, as_json, f"Packed into {out} ({count / 1e6:.1f} MB).")


@app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `pack` wrote.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    as_json: Json = False,
) -> None:
    """A packed study back into a folder; nothing in the zip can write outside it."""
    from study.unpack import unpack as read

    study = read(archive, folder)
    value = {"folder": str(study.folder), "name": study.settings.name, "done": len(study.done())}
    show(value, as_json, f"'{study.settings.name}' with {value['done']} measured trials is in {study.folder}.")


@app.command()
def table(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.csv or OUT.parquet.")],
    as_json: Json = False,
) -> None:
    """Every trial as one table: coefficients, metrics, errors, seconds."""
    from study.table import write_table

    count = write_table(open_study(folder), out)
    show({"out": str(out), "rows": count}, as_json, f"{count} trials are in {out}.")


@app.command()
def repair(folder: Folder, as_json: Json = False) -> None:
    """Check every file of a study; set damaged ones aside and rescue the trials that are readable."""
    from study.repair import repair as mend

    value = mend(folder)
    lines = [f"{one['file']}: {one['problem']}. {one['done']}" for one in value["found"]] or ["Every file is sound."]
    counts = f"{value['trials']} trials, {value['done']} done, {value['again']} to measure again, {value['lost']} lost."
    show(value, as_json, "\n".join([*lines, counts]))


@app.command()
def push(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that `export` wrote.")],
    repo: Annotated[str, typer.Argument(metavar="NAME", help="NAME or OWNER/NAME on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Visible to everybody; default: private.")] = False,
    as_json: Json = False,
) -> None:
    """Upload an export to the Hugging Face hub; you must be logged in there."""
    from study.hub import push as upload

    address = upload(out, repo, not public)
    show({"address": address}, as_json, f"Uploaded to {address}.")
