"""Photographs from the scikit-image and scikit-learn packages, cut into patches.

Only photographs with a stated free licence are used (demo/ATTRIBUTION.md). Patches for training come from
the left 60 % of a photograph's region, held-out ones from the right 35 %; the strip between is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageEnhance

from demo.drawing.material import TILE, Part, packaged

PHOTOS: dict[str, tuple[str, str]] = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "brick": ("skimage", "data/brick.png"),
    "camera": ("skimage", "data/camera.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "coins": ("skimage", "data/coins.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "ihc": ("skimage", "data/ihc.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "text": ("skimage", "data/text.png"),
}
SHARP = ("astronaut", "brick", "camera", "china", "coins", "grass", "gravel", "ihc")  # in focus everywhere
BACKGROUNDS = (*SHARP, "chelsea", "coffee", "flower", "rocket")
TRIES = 40
LICENCE = (
    "Photographs: scikit-image (CC0, public domain, no known restrictions) and scikit-learn (CC BY 2.0, "
    "flickr.com/photos/danielbuechele and /vultilion), cut and changed; see demo/ATTRIBUTION.md."
)


@dataclass(frozen=True)
class Region:
    """A rectangle of a photograph (left, top, right, bottom; None: all) and patch sides, in pixels."""

    photo: str
    box: tuple[int, int, int, int] | None = None
    smallest: int = 48
    largest: int = 100
    contrast: float = 15.0  # least standard deviation of grey levels in a patch, 0-255


@cache
def photograph(name: str) -> Image.Image:
    """A photograph in RGB, read from its package without importing the package."""
    with Image.open(packaged(*PHOTOS[name])) as picture:
        return picture.convert("RGB")


def patch(rng: np.random.Generator, region: Region, part: Part, size: int = TILE) -> Image.Image:
    """A random patch of one part of a region, scaled to `size`; the best of the tries if contrast is short."""
    picture = photograph(region.photo)
    left, top, right, bottom = region.box or (0, 0, *picture.size)
    width = right - left
    low, high = (left, left + int(0.6 * width)) if part == "train" else (right - int(0.35 * width), right)
    best, best_contrast = picture, -1.0
    for _ in range(TRIES):
        side = int(rng.integers(region.smallest, min(region.largest, high - low, bottom - top) + 1))
        x, y = int(rng.integers(low, high - side + 1)), int(rng.integers(top, bottom - side + 1))
        cut = picture.resize((size, size), Image.Resampling.LANCZOS, (x, y, x + side, y + side))
        contrast = float(np.asarray(cut.convert("L"), np.float32).std())
        if contrast > best_contrast:
            best, best_contrast = cut, contrast
        if contrast >= region.contrast:
            break
    return best.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else best


def background(rng: np.random.Generator, part: Part, size: int) -> Image.Image:
    """A quiet piece of any photograph to draw on."""
    name = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    return light(rng, patch(rng, Region(name, contrast=0.0, smallest=40, largest=120), part, size), 0.5, 1.2)


def light(rng: np.random.Generator, picture: Image.Image, low: float, high: float) -> Image.Image:
    """The picture under random brightness within [low, high] (1: unchanged) and random contrast."""
    picture = ImageEnhance.Brightness(picture).enhance(float(rng.uniform(low, high)))
    return ImageEnhance.Contrast(picture).enhance(float(rng.uniform(0.75, 1.15)))
