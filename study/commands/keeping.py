"""The commands that make files of a study and studies of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.commands.terminal import Folder, Json, app, show
from study.study import open_study


@app.command()
def pack(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="The file to write.")],
    exports: Annotated[bool, typer.Option("--exports", help="With the exported checkpoints.")] = False,
    as_json: Json = False,
) -> None:
    """A whole study as one zip file, to be kept or shared."""
    from study.keeping.pack import pack as write

    count = write(open_study(folder), out, exports)
    show({"out": str(out), "bytes": count}, as_json, f"Packed into {out} ({count / 1e6:.1f} MB).")


@app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `pack` wrote.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    as_json: Json = False,
) -> None:
    """A packed study back into a folder; nothing in the zip can write outside it."""
    from study.keeping.unpack import unpack as read

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
    from study.keeping.table import write_table

    count = write_table(open_study(folder), out)
    show({"out": str(out), "rows": count}, as_json, f"{count} trials are in {out}.")


@app.command()
def repair(folder: Folder, as_json: Json = False) -> None:
    """Check every file of a study; set damaged ones aside and rescue the trials that are readable."""
    from study.keeping.repair import repair as mend

    value = mend(folder)
    lines = [f"{one['file']}: {one['problem']}. {one['done']}" for one in value["found"]] or ["Every file is sound."]
    counts = f"{value['trials']} trials, {value['done']} done, {value['again']} to measure again, {value['lost']} lost."
    show(value, as_json, "\n".join([*lines, counts]))
