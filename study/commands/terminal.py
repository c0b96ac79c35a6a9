"""What every command shares: its options, how it shows a result, how a wrong request ends.

Exit 0 = done, 2 = the request is wrong (one line on stderr), 1 = it failed while running.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from study.errors import Failure, StudyError, of_the_computer
from study.study import parse_at

STOPPED = "Stopped. Every finished trial is kept."
app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Measure merges of fine-tuned models, see the whole trade-off, export the one you choose.",
)  # fmt: skip

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The study's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]
MethodName = Annotated[str | None, typer.Option("--method", help="A merging method (python -m merging --list).")]
SurrogateName = Annotated[str | None, typer.Option("--surrogate", help="Default: the best by leave-one-out error.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1 …; default: a GPU if there is one.")]
At = Annotated[str | None, typer.Option("--at", help="Coefficients: digits=0.3,signs=0.7,…")]
Code = Annotated[
    Path | None, typer.Option("--code", help="Your Python file, for a study whose model is code. It is run.")
]
Exact = Annotated[bool, typer.Option("--exact", help="Compute a frozen method again with these coefficients.")]
Points = Annotated[Path | None, typer.Option("--points", help="CSV: a header of expert names, one row per point.")]


def main() -> None:
    """Run a command; every wrong request ends in one line and exit code 2, never in a traceback."""
    # Threads that spin while they wait made a trial seven times slower whenever another program used the processor.
    # The OpenMP runtime reads this when torch is loaded, which happens later, inside the commands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        code = app(standalone_mode=False)
        if code == 130:  # typer's answer to Ctrl-C
            _leave(STOPPED, 1)
        if isinstance(code, int) and code:  # typer's answer to typer.Exit
            sys.exit(code)
    except StudyError as error:
        told = isinstance(error, Failure)
        _leave(f"It failed: {error}" if told else str(error), 1 if told else 2)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _leave(STOPPED, 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        _explain(error)


def _explain(error: Exception) -> None:
    if _is_request(error):
        _leave(str(getattr(error, "format_message", error.__str__)()), 2)
    if os.environ.get("MERGESCAPE_DEBUG"):
        raise error
    failure = of_the_computer(error, Path())
    kept = f"{type(error).__name__}: {error}. Every finished trial is kept."
    _leave(f"It failed: {failure or kept}", 1)


def _is_request(error: Exception) -> bool:
    """Whether the person, not the program, must mend it: usage errors, bad checkpoints, bad tasks, too few trials.

    By name: to load what raises them would make every command slow.
    """
    return type(error).__name__ in ("MergingError", "EvaluationError", "SurrogateError") or hasattr(error, "exit_code")


def _leave(message: str, code: int) -> None:
    sys.stderr.write(" ".join(message.split()) + "\n")
    sys.exit(code)


def progress(phase: str, done: int, total: int) -> None:
    """Tell a phase on stderr, once."""
    if done == 0:
        sys.stderr.write(f"{phase} …\n")


def point(at: str | None, missing: str = "Give --at.") -> dict[str, float]:
    """The coefficients that `--at` gives. Raises: StudyError saying `missing` where it was left out."""
    if at is None:
        raise StudyError(missing, "For example: --at digits=0.3,signs=0.7,flags=0.5.")
    return parse_at(at)


def typed(coefficients: Mapping[str, float]) -> str:
    """Coefficients as `--at` takes them, rounded for people."""
    return ",".join(f"{name}={value:g}" for name, value in coefficients.items())


def show(value: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result: one JSON object, or the text for people."""
    typer.echo(json.dumps(value, allow_nan=False) if as_json else text)
