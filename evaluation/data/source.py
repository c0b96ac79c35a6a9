"""What every kind of data offers: labelled items, and the picture or text behind each."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

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


@dataclass(frozen=True)
class Source:
    """Labelled samples on disk: classes in the order of their numbers, and how to read a sample.

    `fingerprint` changes whenever the files do. `templates` are prompts with {} for the class name, where the data have
    their own. `reader` gives the sample behind an id; each kind of data brings one.
    """

    path: Path
    classes: tuple[str, ...]
    title: str
    templates: tuple[str, ...]
    items: tuple[Item, ...]
    fingerprint: str
    reader: Callable[[str], Sample] = field(repr=False, compare=False)

    def read(self, id: str) -> Sample:
        """The sample itself. Raises: EvaluationError when its file cannot be read."""
        return self.reader(id)


def absent(source: Source) -> Source:
    """Data that are elsewhere: what they are called, and that their prepared samples are enough. It can be pickled."""
    return replace(source, items=(), reader=partial(_elsewhere, source.path))


def _elsewhere(path: Path, id: str) -> Sample:
    """Always an error: whoever asks has other libraries than those that prepared the samples."""
    raise EvaluationError(
        f"Sample '{id}' of '{path}' is on another machine, and this one would prepare it differently.",
        "Install the same versions of pillow, torchvision and transformers on both.",
    )


def digest(sample: Sample) -> str:
    """SHA-256 of what the sample shows, however it is stored: equal pictures have equal digests."""
    if isinstance(sample, str):
        return hashlib.sha256(sample.encode()).hexdigest()
    picture = sample.convert("RGB")
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
