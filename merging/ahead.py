"""What `python -m merging RECIPE OUT` does while it loads: it takes the fingerprints of what the recipe names.

Loading torch keeps one processor busy for seconds, and fingerprints keep any other. Nothing is decided here: whoever
reads the recipe in earnest says what is wrong with it, and asks for the fingerprints that it needs.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from merging.errors import MergingError
from merging.files.fingerprint import begin
from merging.files.plain_yaml import read_yaml

KEYS = ("path", "model", "base_model")  # where recipes and mergekit's configurations name checkpoints
ELSE = ("prepared", "tokenizer")  # what stands below these is no checkpoint to be merged
NO_MERGE = ("--list", "--mergekit", "--help")


def begin_for_command(program: Sequence[str], arguments: Sequence[str]) -> None:
    """Begin where Python was started with `-m merging` (`program`) and told to merge (`arguments`)."""
    words = [each for each in arguments[1:] if not each.startswith("-")]
    started = arguments[:1] == ["-m"] and "merging" in program and program[program.index("merging") - 1] == "-m"
    if not started or len(words) < 2 or set(NO_MERGE) & set(arguments):
        return
    begin(named(Path(words[0])), _processors())


def named(recipe: Path) -> list[Path]:
    """Return the paths under which the checkpoints of a recipe may be found; none where it cannot be read."""
    try:
        data = read_yaml(recipe.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, MergingError):
        return []
    folders = (Path(), recipe.parent) if "merge_method" in data else (recipe.parent,)
    return [folder / name for name in dict.fromkeys(_names(data)) for folder in folders]


def _names(data: object) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key in KEYS and isinstance(value, str):
                yield value
            elif key not in ELSE:
                yield from _names(value)
    elif isinstance(data, list):
        for each in data:
            yield from _names(each)


def _processors() -> int:
    """Return how many threads torch will take, too."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
