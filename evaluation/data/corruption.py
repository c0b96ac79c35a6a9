"""A corrupted copy of a task: the same samples, each spoiled in a named way, always the same for the same seed.

Kinds and levels for pictures are those of ImageNet-C and, below 96 pixels, of CIFAR-10-C (Hendrycks and Dietterich,
arXiv 1903.12261): standard deviations on [0, 1], photons, pixels of 224 or 32, shares, qualities.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.data.source import Sample, Source
from evaluation.errors import EvaluationError, nearest

Levels = tuple[float, float, float, float, float]
Pixels = NDArray[np.float64]
SMALL = 96
LARGE: dict[str, Levels] = {
    "noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "blur": (1, 2, 3, 4, 6),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg": (25, 18, 15, 10, 7),
}
LITTLE: dict[str, Levels] = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg": (80, 65, 58, 50, 40),
}
# The share of words in which two inner neighbours change places ("swap" of Belinkov and Bisk, arXiv 1711.02173).
TYPOS: Levels = (0.05, 0.1, 0.2, 0.35, 0.5)
KINDS = (*LARGE, "typos")


@dataclass(frozen=True)
class Corruption:
    """How samples are spoiled: a kind of KINDS (typos for texts, the others for pictures), severity 1 (little) to 5.

    Raises: EvaluationError for another kind or severity.
    """

    kind: str
    severity: int = 3

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvaluationError(f"Unknown corruption '{self.kind}'.", nearest(self.kind, KINDS))
        if isinstance(self.severity, bool) or self.severity not in (1, 2, 3, 4, 5):
            raise EvaluationError(
                f"Corruption '{self.kind}' has severity {self.severity!r}.", "Give a whole number from 1 to 5."
            )

    def __str__(self) -> str:
        return f"{self.kind} {self.severity}"


def corrupted(source: Source, corruption: Corruption | None, seed: int) -> Source:
    """The same data with every sample spoiled as it is read; the data themselves without a corruption.

    What happens to a sample depends on the seed, the corruption and the sample's id alone.
    """
    if corruption is None:
        return source
    return replace(source, reader=partial(_spoiled, source, corruption, seed))


def _spoiled(source: Source, corruption: Corruption, seed: int, id: str) -> Sample:
    sample = source.read(id)
    texts = isinstance(sample, str)
    if texts != (corruption.kind == "typos"):
        holds, fit = ("texts", "typos") if texts else ("pictures", ", ".join(LARGE))
        raise EvaluationError(
            f"Corruption '{corruption.kind}' cannot be done to '{source.path}', which holds {holds}.", f"Use {fit}."
        )
    luck = np.random.default_rng(list(hashlib.sha256(f"{seed}\0{corruption.kind}\0{id}".encode()).digest()))
    if isinstance(sample, str):
        return _typos(sample, TYPOS[corruption.severity - 1], luck)
    picture = sample.convert("RGB")
    levels = LITTLE if min(picture.size) < SMALL else LARGE
    return _DONE[corruption.kind](picture, levels[corruption.kind][corruption.severity - 1], luck)


def _typos(text: str, share: float, luck: np.random.Generator) -> str:
    words = text.split(" ")
    for place, word in enumerate(words):
        if luck.random() < share and len(word) > 3:
            at = int(luck.integers(1, len(word) - 2))
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture, dtype=np.float64) / 255


def _picture(pixels: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def _noise(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    x = _pixels(picture)
    return _picture(x + luck.normal(size=x.shape, scale=level))


def _shot_noise(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    return _picture(luck.poisson(_pixels(picture) * level) / level)


def _blur(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    """The same share of the picture whatever its size: levels are for 224 and for 32 pixels."""
    from scipy.ndimage import gaussian_filter

    side = min(picture.size)
    sigma = level * side / (32 if side < SMALL else 224)
    return _picture(gaussian_filter(_pixels(picture), (sigma, sigma, 0), mode="nearest"))


def _contrast(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    x = _pixels(picture)
    middle = x.mean(axis=(0, 1), keepdims=True)
    return _picture((x - middle) * level + middle)


def _brightness(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    """The value of HSV, max(R, G, B), raised by the level; hue and saturation stay."""
    x = _pixels(picture)
    value = x.max(axis=2, keepdims=True)
    raised = np.clip(value + level, 0, 1)
    return _picture(np.where(value > 0, x * raised / np.maximum(value, 1e-12), raised))


def _pixelate(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    width, height = (max(1, int(side * level)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)


def _jpeg(picture: Image.Image, level: float, luck: np.random.Generator) -> Image.Image:
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=int(level))
    return Image.open(stored).convert("RGB")


_DONE: dict[str, Callable[[Image.Image, float, np.random.Generator], Image.Image]] = {
    "noise": _noise,
    "shot_noise": _shot_noise,
    "blur": _blur,
    "contrast": _contrast,
    "brightness": _brightness,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
