"""Photo faults: what is wrong with a patch of a photograph, whatever it shows (the opposite of surfaces)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from demo.drawing.material import TILE, Material, Part, Subject, rendered
from demo.drawing.photos import LICENCE, SHARP, Region, patch


def _scaled(picture: Image.Image) -> float:
    return picture.width / TILE


def _sharp(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    return picture


def _blurred(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(_scaled(picture) * float(rng.uniform(1.9, 3.0))))


def _noisy(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    noise = rng.normal(0, float(rng.uniform(32, 48)), (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def _pixelated(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    side = int(rng.integers(5, 9))
    return picture.resize((side, side), Image.Resampling.BOX).resize(picture.size, Image.Resampling.NEAREST)


def _shaky(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """The mean of shifted copies along one line of 10-15 pixels, for a picture of 32."""
    scale, side = _scaled(picture), picture.width
    angle, length = float(rng.uniform(0, math.pi)), scale * float(rng.uniform(10, 15))
    edge = round(8 * scale)
    pixels = np.pad(np.asarray(picture, np.float32), ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    total = np.zeros((side, side, 3), np.float32)
    steps = np.linspace(-0.5, 0.5, 15) * length
    for step in steps:
        x, y = edge + round(step * math.cos(angle)), edge + round(step * math.sin(angle))
        total += pixels[y : y + side, x : x + side]
    return Image.fromarray((total / len(steps)).astype(np.uint8))


def _dark(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(picture, np.float32) * float(rng.uniform(0.1, 0.28))).astype(np.uint8))


def _bright(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture, np.float32) * float(rng.uniform(1.3, 1.8)) + float(rng.uniform(90, 130))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


FAULTS: dict[str, Callable[[np.random.Generator, Image.Image], Image.Image]] = {
    "sharp": _sharp,
    "blurred": _blurred,
    "noisy": _noisy,
    "pixelated": _pixelated,
    "shaky": _shaky,
    "too dark": _dark,
    "too bright": _bright,
}
SUBJECT = Subject(
    name="faults",
    title="Photo faults",
    classes=tuple(FAULTS),
    templates=("a photo that is {}.", "a {} picture."),
    licence=LICENCE,
)


def draw(rng: np.random.Generator, label: int, part: Part, side: int = TILE) -> Image.Image:
    """One contrasted patch with one fault."""
    region = Region(SHARP[int(rng.integers(len(SHARP)))], smallest=64, largest=200, contrast=30.0)
    return FAULTS[SUBJECT.classes[label]](rng, patch(rng, region, part, side))


def material(seed: int) -> Material:
    """All images of the task."""
    return rendered(SUBJECT, draw, seed)
