"""An image folder: one sub-folder of images per class, optionally under train/, val/, test/ folders."""

import hashlib
from functools import partial
from pathlib import Path

from PIL.Image import Image

from evaluation.data.picture import open_picture
from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
POOLS = {
    "calibration": "calibration",
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def open_folder(path: Path) -> Source:
    """List an image folder; class numbers follow the sorted names of the class folders, and the id of an image is its
    path below the folder, with forward slashes.

    Raises: EvaluationError for fewer than two classes, a class folder without images, or
    train/val/test folders that hold different classes.
    """
    tops = _folders(path)
    divided = bool(tops) and all(top.name.lower() in POOLS for top in tops)
    pools = [(POOLS[top.name.lower()], top) for top in tops] if divided else [("", path)]
    classes: tuple[str, ...] = ()
    items: list[Item] = []
    listing = hashlib.sha256()
    for pool, top in pools:
        names = tuple(folder.name for folder in _folders(top))
        if len(names) < 2:
            raise EvaluationError(
                f"Image folder '{top}' has {len(names)} class folders.",
                "Put the images of each class into a sub-folder of its own; at least 2 are needed.",
            )
        if classes and names != classes:
            odd = sorted(set(names) ^ set(classes))
            raise EvaluationError(
                f"Image folder '{path}' has other classes in '{top.name}' than in '{tops[0].name}': {odd}."
            )
        classes = names
        for target, name in enumerate(names):
            for image in _images(top / name):
                facts = image.stat()
                relative = image.relative_to(path).as_posix()
                listing.update(f"{relative}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
                items.append(Item(relative, target, pool))
    return Source(path, classes, path.name, (), tuple(items), listing.hexdigest(), partial(_image, path))


def _image(path: Path, id: str) -> Image:
    cure = "Replace or remove the file, or let the task skip what cannot be read (unreadable: skip)."
    return open_picture(path / id, "Image", cure)


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    found = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    if not found:
        raise EvaluationError(
            f"Class folder '{folder}' has no images.",
            f"Remove it, or add images ({', '.join(sorted(SUFFIXES))}).",
        )
    return found
