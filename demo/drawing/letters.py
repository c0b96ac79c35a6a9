"""Printed letters: dark ink on light paper in fonts that matplotlib carries; other fonts are held out."""

from __future__ import annotations

import string
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo.drawing.material import TILE, Material, Part, Subject, packaged, rendered

SUBJECT = Subject(
    name="letters",
    title="Printed letters",
    classes=tuple(string.ascii_uppercase),
    templates=("a printed letter {}.", "the capital letter {} on paper."),
    licence="Drawn for this demo with the DejaVu, STIX and Computer Modern fonts of the matplotlib package.",
)
FONTS: dict[Part, tuple[str, ...]] = {
    "train": (
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
        "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansDisplay", "STIXGeneral", "STIXGeneralBol",
        "STIXGeneralBolIta", "cmb10", "cmss10", "cmti10",
    ),
    "held": (
        "DejaVuSans-BoldOblique", "DejaVuSansMono-Oblique", "DejaVuSerif-Bold", "STIXGeneralItalic", "cmr10",
        "cmtt10",
    ),
}  # fmt: skip
LARGE = 4 * TILE


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of matplotlib, read without importing matplotlib."""
    return ImageFont.truetype(str(packaged("matplotlib", f"mpl-data/fonts/ttf/{name}.ttf")), size)


def draw(rng: np.random.Generator, label: int, part: Part, side: int = TILE) -> Image.Image:
    """One letter, slightly turned and shifted, on tinted paper."""
    paper = tuple(int(v) for v in rng.integers(190, 256, 3))
    ink = tuple(int(v) for v in rng.integers(0, 80, 3))
    picture = Image.new("RGB", (LARGE, LARGE), paper)
    name = FONTS[part][int(rng.integers(len(FONTS[part])))]
    x, y = (LARGE / 2 + float(v) for v in rng.uniform(-8, 8, 2))
    face = font(name, int(rng.integers(88, 125)))
    left, top, right, bottom = face.getbbox(SUBJECT.classes[label])
    ImageDraw.Draw(picture).text((x - (left + right) / 2, y - (top + bottom) / 2), SUBJECT.classes[label], ink, face)
    turned = picture.rotate(float(rng.uniform(-9, 9)), Image.Resampling.BICUBIC, fillcolor=paper)
    return turned.resize((side, side), Image.Resampling.BOX)


def material(seed: int) -> Material:
    """All images of the task."""
    return rendered(SUBJECT, draw, seed)
