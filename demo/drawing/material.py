"""What a task of the demo is made of: its subject, its images for training and its held-out images."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

TILE = 32  # pixels
TRAIN_IMAGES = 5000
HELD_IMAGES = 964  # 64 for calibration, 400 for validation, 500 for test

Part = Literal["train", "held"]
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Draw = Callable[[np.random.Generator, int, Part, int], Image.Image]  # dice, class, part, side in pixels


@dataclass(frozen=True)
class Subject:
    """What a task shows: names, prompts and where its images come from."""

    name: str
    title: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Images:
    """Pixels (n, side, side, 3) uint8 and labels (n,) int64."""

    pixels: Pixels
    labels: Labels


@dataclass(frozen=True)
class Material:
    """The images of one task; `train` and `held` come from disjoint sources."""

    subject: Subject
    train: Images
    held: Images


def packaged(package: str, file: str) -> Path:
    """Where a file of an installed package lies; the package itself is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"Package '{package}' is not installed. demo/README.md lists what is needed.")
    return Path(spec.origin).parent / file


def randomness(seed: int, *words: str) -> np.random.Generator:
    """A generator of its own for every (seed, words)."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def render(subject: Subject, draw: Draw, seed: int, part: Part, count: int, side: int = TILE) -> Images:
    """Draw `count` different images with balanced labels in a shuffled order."""
    rng = randomness(seed, subject.name, part)
    labels = rng.permutation(np.arange(count) % len(subject.classes)).astype(np.int64)
    pixels = np.zeros((count, side, side, 3), np.uint8)
    seen: set[bytes] = set()
    for index, label in enumerate(labels):
        while True:
            picture = np.asarray(draw(rng, int(label), part, side).convert("RGB"), np.uint8)
            if picture.tobytes() not in seen:
                break
        seen.add(picture.tobytes())
        pixels[index] = picture
    return Images(pixels, labels)


def rendered(subject: Subject, draw: Draw, seed: int) -> Material:
    """Both parts of a drawn task."""
    return Material(
        subject,
        render(subject, draw, seed, "train", TRAIN_IMAGES),
        render(subject, draw, seed, "held", HELD_IMAGES),
    )


def save(material: Material, path: Path) -> None:
    """Keep the images of a task in one .npz file."""
    np.savez(
        path,
        train=material.train.pixels,
        train_labels=material.train.labels,
        held=material.held.pixels,
        held_labels=material.held.labels,
    )


def load(subject: Subject, path: Path) -> Material:
    """Read what `save` wrote."""
    with np.load(path) as arrays:
        return Material(
            subject,
            Images(arrays["train"], arrays["train_labels"]),
            Images(arrays["held"], arrays["held_labels"]),
        )
