"""What every kind of data offers: labelled items, and the picture or text behind each."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

from evaluation.errors import EvaluationError

Sample = Image | str


@dataclass(frozen=True)
class Item:
    """One labelled sample: `id` is unique in its source, `target` numbers its class, `pool` is the top folder
    it lies in ("train", "val", "test", or "" where the data are not divided)."""

    id: str
    target: int
    pool: str = ""


class Source(Protocol):
    """Labelled samples on disk. `fingerprint` changes whenever the files do."""

    @property
    def path(self) -> Path: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def title(self) -> str: ...
    @property
    def templates(self) -> tuple[str, ...]: ...
    @property
    def items(self) -> tuple[Item, ...]: ...
    @property
    def fingerprint(self) -> str: ...
    def read(self, id: str) -> Sample:
        """The sample itself. Raises: EvaluationError when its file cannot be read."""
        ...


def open_source(path: Path) -> Source:
    """The data at `path`: a sheet folder (it holds sheet.json), an image folder (a folder per class), or a
    table of texts (.csv, .tsv, .jsonl).

    Raises: EvaluationError naming the path when nothing usable is there.
    """
    from evaluation.data.folder import open_folder
    from evaluation.data.sheet import open_sheet
    from evaluation.data.texts import SUFFIXES, open_texts

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


def digest(sample: Sample) -> str:
    """SHA-256 of what the sample shows, however it is stored: equal pictures have equal digests."""
    if isinstance(sample, str):
        return hashlib.sha256(sample.encode()).hexdigest()
    picture = sample.convert("RGB")
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
