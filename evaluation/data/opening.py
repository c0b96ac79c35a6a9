"""Which kind of data stands at a path, or under a name."""

from pathlib import Path

from evaluation.data.folder import open_folder
from evaluation.data.shards import is_shards, open_shards
from evaluation.data.sheet import open_sheet
from evaluation.data.source import Source
from evaluation.data.table import is_table, open_table
from evaluation.data.texts import SUFFIXES, open_texts
from evaluation.data.torchvision import open_torchvision
from evaluation.errors import EvaluationError
from evaluation.hub import fetch

HUB = "hub:"
TORCHVISION = "torchvision:"


def open_source(path: Path) -> Source:
    """The data at `path`: a sheet folder (it holds sheet.json), an image folder (a folder per class), Parquet shards, a
    folder of `datasets.save_to_disk`, WebDataset shards (.tar), or a table of texts (.csv, .tsv, .jsonl).

    "hub:owner/name" or "hub:owner/name/subfolder" is a data set of the Hugging Face hub, whose Parquet files are
    fetched once; "torchvision:NAME:FOLDER" a set of torchvision's that stands in a folder.
    Raises: EvaluationError naming the path when nothing usable is there.
    """
    text = str(path)
    if text.startswith(HUB):
        owner, name, *inner = text.removeprefix(HUB).split("/") + [""] * (text.count("/") == 0)
        below = "/".join(inner)
        pattern = f"{below}/*.parquet" if below else "*.parquet"
        return open_table(fetch(f"{owner}/{name}", "dataset", [pattern]) / below)
    if text.startswith(TORCHVISION):
        name, _, root = text.removeprefix(TORCHVISION).partition(":")
        return open_torchvision(name, Path(root))
    if not path.exists():
        raise EvaluationError(f"There are no data at '{path}'.", "Check the path; it is taken as written.")
    if path.is_dir():
        if (path / "sheet.json").is_file():
            return open_sheet(path)
        if is_table(path):
            return open_table(path)
        return open_shards(path) if is_shards(path) else open_folder(path)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return open_texts(path)
    if suffix in (".parquet", ".arrow"):
        return open_table(path)
    if suffix == ".tar":
        return open_shards(path)
    raise EvaluationError(
        f"'{path}' is a file of a kind that is not known.",
        "Give a folder with sheet.json and sheet.png, a folder with a sub-folder of images per class, a table of texts "
        "(.csv, .tsv, .jsonl), or shards (.parquet, .arrow, .tar).",
    )
