"""The command line: `python -m merging RECIPE OUT [--json]`, `python -m merging --list [--json | --markdown]`.

Exit code 0: done; 2: the request is wrong; 1: it failed while running. Errors are one line on stderr.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from merging.access import NEEDS
from merging.describing.description import describe
from merging.describing.markdown import methods_page
from merging.errors import MergingError
from merging.mergekit.carrying import merge_mergekit
from merging.mergekit.saying import write_mergekit
from merging.method import methods
from merging.output.adapter import merge_to_adapter
from merging.output.weights import merge
from merging.reading import read_merge, read_recipe
from merging.recipe import Recipe
from merging.setting import settings_of

# typer may carry its own copy of click: the class comes from typer, whichever it is
USAGE_ERRORS: tuple[type[Exception], ...] = tuple(
    kind for kind in typer.BadParameter.__mro__ if issubclass(kind, Exception) and kind.__name__ == "ClickException"
)

STOPPED = "Stopped; nothing was written."
INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="A recipe, ours or mergekit's YAML.")] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A name ending in .safetensors, or a folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    adapter: Annotated[bool, typer.Option("--adapter", help="Write the sum of adapters as an adapter.")] = False,
    rank: Annotated[
        int | None, typer.Option(help="Cut that adapter to this rank; without it the sum is exact.")
    ] = None,
    mergekit: Annotated[
        bool, typer.Option("--mergekit", help="Write the recipe as mergekit's YAML to OUT; nothing is merged.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the methods and stop.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --list: the whole of docs/methods.md.")] = False,
) -> None:
    """Merge checkpoints by a recipe, without a study."""
    if list_ and markdown:
        typer.echo(methods_page(), nl=False)
    elif list_:
        _show_methods(as_json)
    elif recipe is None or out is None:
        raise MergingError("RECIPE and OUT are needed.", "Example: python -m merging recipe.yaml out/")
    elif mergekit:
        _show(write_mergekit(read_recipe(recipe), recipe.parent, out), {"out": str(out)}, as_json)
    elif adapter or rank is not None:
        _merge_adapters(recipe, out, rank, as_json)
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
        if each["needs_data"]:
            typer.echo(f"    learns from {'; '.join(NEEDS[need] for need in each['needs_data'])}")
        typer.echo(f"    coefficients {each['bounds'][0]:g} … {each['bounds'][1]:g}")
        for setting in settings_of(methods()[each["name"]]):
            typer.echo(f"    {setting.name} = {setting.default}  ({setting.allowed}): {setting.help}")


def _merge(path: Path, out: Path, as_json: bool) -> None:
    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done}/{of} tensors", nl=done == of, err=True)

    wanted = read_merge(path)
    if isinstance(wanted, Recipe):
        found = merge(wanted, path.parent, out, progress)
    else:
        found = merge_mergekit(wanted, path.parent, out, progress)
    _show(found, {"out": str(out)}, as_json)


def _merge_adapters(path: Path, out: Path, rank: int | None, as_json: bool) -> None:
    report = merge_to_adapter(read_recipe(path), path.parent, out, rank)
    _show(report.files, {"out": str(out), "rank": report.rank, "error": report.error}, as_json)
    if not as_json:
        typer.echo(f"rank {report.rank}, relative error {report.error:.3g}")


def _show(files: Mapping[str, str], facts: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**facts, "sha256": files}, ensure_ascii=False))
        return
    for name, digest in files.items():
        typer.echo(f"{digest}  {name}")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="python -m merging", standalone_mode=False)
    except USAGE_ERRORS as error:
        return _failed(str(getattr(error, "format_message", error.__str__)()), 2)
    except MergingError as error:
        return _failed(str(error), 2)
    except KeyboardInterrupt:
        return _failed(STOPPED, 1)
    except (OSError, RuntimeError, MemoryError) as error:
        return _failed(f"The merge failed: {error or type(error).__name__}", 1)
    return _failed(STOPPED, 1) if code == INTERRUPTED else 0


def _failed(message: str, code: int) -> int:
    typer.echo(" ".join(message.split()), err=True)
    return code


if __name__ == "__main__":
    sys.exit(run())
