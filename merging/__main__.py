"""The command line: `python -m merging RECIPE OUT [--json]`, `python -m merging --list [--json]`.

Exit code 0: done; 2: the request is wrong; 1: it failed while running. Errors are one line on stderr.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from merging.description import describe
from merging.errors import MergingError
from merging.method import methods
from merging.output import merge
from merging.reading import read_recipe
from merging.setting import settings_of

# typer may carry its own copy of click: the class comes from typer, whichever it is
USAGE_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in typer.BadParameter.__mro__ if issubclass(kind, Exception) and kind.__name__ == "ClickException"
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="A recipe, ours or mergekit's YAML.")] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A name ending in .safetensors, or a folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the methods and stop.")] = False,
) -> None:
    """Merge checkpoints by a recipe, without a study."""
    if list_:
        _show_methods(as_json)
    elif recipe is None or out is None:
        raise MergingError("RECIPE and OUT are needed.", "Example: python -m merging recipe.yaml out/")
    else:
        _merge(recipe, out, as_json)


def _show_methods(as_json: bool) -> None:
    found = [describe(kind) for kind in methods().values()]
    if as_json:
        typer.echo(json.dumps({"methods": found}, ensure_ascii=False))
        return
    for each in found:
        paper = each["paper"]
        source = f"arXiv {paper['arxiv']}" if paper["arxiv"] else paper["authors"]
        typer.echo(f"{each['name']}  ({each['class']})  {each['title']}: {each['summary']}")
        typer.echo(f"    {paper['title']}, {paper['year']} ({source})")
        typer.echo(f"    coefficients {each['bounds'][0]:g} … {each['bounds'][1]:g}")
        for setting in settings_of(methods()[each["name"]]):
            typer.echo(f"    {setting.name} = {setting.default}  ({setting.allowed}): {setting.help}")


def _merge(path: Path, out: Path, as_json: bool) -> None:
    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done}/{of} tensors", nl=done == of, err=True)

    found = merge(read_recipe(path), path.parent, out, progress)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "sha256": found}, ensure_ascii=False))
        return
    for name, digest in found.items():
        typer.echo(f"{digest}  {name}")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        typer.main.get_command(app).main(arguments, prog_name="python -m merging", standalone_mode=False)
    except USAGE_ERRORS as error:
        return _failed(str(getattr(error, "format_message", error.__str__)()), 2)
    except MergingError as error:
        return _failed(str(error), 2)
    except KeyboardInterrupt:
        return _failed("Stopped; nothing was written.", 1)
    except (OSError, RuntimeError, MemoryError) as error:
        return _failed(f"The merge failed: {error or type(error).__name__}", 1)
    return 0


def _failed(message: str, code: int) -> int:
    typer.echo(" ".join(message.split()), err=True)
    return code


if __name__ == "__main__":
    sys.exit(run())
