"""Which kind of data stands at a path."""

from pathlib import Path

from evaluation.data.folder import open_folder
from evaluation.data.sheet import open_sheet
from evaluation.data.source import Source
from evaluation.data.texts import SUFFIXES, open_texts
from evaluation.errors import EvaluationError


def open_source(path: Path) -> Source:
    """The data at `path`: a sheet folder (it holds sheet.json), an image folder (a folder per class), or a
    table of texts (.csv, .tsv, .jsonl).

    Raises: EvaluationError naming the path when nothing usable is there.
    """
    if not path.exists():
        raise EvaluationError(f"There are no data at '{path}'.", "Check the path; it is taken as written.")
    if path.is_dir():
        return open_sheet(path) if (path / "sheet.json").is_file() else open_folder(path)
    if path.suffix.lower() in SUFFIXES:
        return open_texts(path)
    raise EvaluationError(
        f"'{path}' is a file of a kind that is not known.",
        "Give a folder with sheet.json and sheet.png, a folder with a sub-folder of images per class, or a table "
        "of texts (.csv, .tsv, .jsonl).",
    )
