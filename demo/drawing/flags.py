"""Flags of nineteen countries, waving in front of pieces of photographs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from demo.drawing.material import TILE, Material, Part, Subject, rendered
from demo.drawing.photos import LICENCE, background, light

WIDTH, HEIGHT = 96, 64
CANVAS = 4 * TILE
Cloth = Callable[[ImageDraw.ImageDraw], None]
WHITE, BLACK, GREEN, BLUE, RED = "#ffffff", "#101010", "#00843d", "#0039a6", "#d2122e"


def _upright(*colours: str) -> Cloth:
    """Vertical stripes of equal width."""

    def paint(pen: ImageDraw.ImageDraw) -> None:
        step = WIDTH / len(colours)
        for k, colour in enumerate(colours):
            pen.rectangle((k * step, 0, (k + 1) * step, HEIGHT), fill=colour)

    return paint


def _level(*colours: str) -> Cloth:
    """Horizontal stripes of equal height."""

    def paint(pen: ImageDraw.ImageDraw) -> None:
        step = HEIGHT / len(colours)
        for k, colour in enumerate(colours):
            pen.rectangle((0, k * step, WIDTH, (k + 1) * step), fill=colour)

    return paint


def _nordic(field: str, outer: str, inner: str | None = None) -> Cloth:
    """A cross whose upright stands left of the middle."""

    def paint(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((0, 0, WIDTH, HEIGHT), fill=field)
        for colour, half in ((outer, 8), (inner, 4)):
            if colour is not None:
                pen.rectangle((34 - half, 0, 34 + half, HEIGHT), fill=colour)
                pen.rectangle((0, 32 - half, WIDTH, 32 + half), fill=colour)

    return paint


def _disc(field: str, disc: str, x: int) -> Cloth:
    def paint(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((0, 0, WIDTH, HEIGHT), fill=field)
        pen.ellipse((x - 20, 12, x + 20, 52), fill=disc)

    return paint


def _switzerland(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((0, 0, WIDTH, HEIGHT), fill="#da291c")
    pen.rectangle((42, 10, 54, 54), fill=WHITE)
    pen.rectangle((26, 26, 70, 38), fill=WHITE)


def _czechia(pen: ImageDraw.ImageDraw) -> None:
    _level(WHITE, "#d7141a")(pen)
    pen.polygon([(0, 0), (48, 32), (0, 64)], fill="#11457e")


def _greece(pen: ImageDraw.ImageDraw) -> None:
    _level(*(["#0d5eaf", WHITE] * 4), "#0d5eaf")(pen)
    pen.rectangle((0, 0, 36, 35), fill="#0d5eaf")
    pen.rectangle((14, 0, 21, 35), fill=WHITE)
    pen.rectangle((0, 14, 36, 21), fill=WHITE)


def _spain(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((0, 0, WIDTH, HEIGHT), fill="#aa151b")
    pen.rectangle((0, 16, WIDTH, 48), fill="#f1bf00")


FLAGS: dict[str, Cloth] = {
    "France": _upright("#0055a4", WHITE, "#ef4135"),
    "Germany": _level(BLACK, "#dd0000", "#ffce00"),
    "Italy": _upright("#009246", WHITE, "#ce2b37"),
    "Sweden": _nordic("#006aa7", "#fecc00"),
    "Belgium": _upright(BLACK, "#fae042", "#ed2939"),
    "Japan": _disc(WHITE, "#bc002d", 48),
    "Poland": _level(WHITE, "#dc143c"),
    "Ireland": _upright("#169b62", WHITE, "#ff883e"),
    "Switzerland": _switzerland,
    "Denmark": _nordic("#c8102e", WHITE),
    "Ukraine": _level("#005bbb", "#ffd500"),
    "Norway": _nordic("#ba0c2f", WHITE, "#00205b"),
    "Hungary": _level("#cd2a3e", WHITE, "#436f4d"),
    "Finland": _nordic(WHITE, "#003580"),
    "Greece": _greece,
    "Estonia": _level("#0072ce", BLACK, WHITE),
    "Bangladesh": _disc("#006a4e", "#f42a41", 43),
    "Czechia": _czechia,
    "Spain": _spain,
}
SUBJECT = Subject(
    name="flags",
    title="Flags",
    classes=tuple(FLAGS),
    templates=("a photo of the flag of {}.", "the {} flag waving."),
    licence=f"Drawn for this demo, on photographs. {LICENCE}",
)


def _wave(rng: np.random.Generator, cloth: Image.Image) -> Image.Image:
    """Shift the columns along a sine and shade the slopes; returns RGBA on the canvas."""
    across = np.arange(WIDTH)
    height, phase = float(rng.uniform(2, 9)), float(rng.uniform(0, 2 * math.pi))
    angle = 2 * math.pi * across / float(rng.uniform(45, 110)) + phase
    top = (CANVAS - HEIGHT) / 2 + height * np.sin(angle)
    shade = np.clip(1 + 0.035 * height * np.cos(angle), 0.6, 1.35)
    pixels = np.asarray(cloth, np.float32) * shade[None, :, None]
    wavy = np.zeros((CANVAS, CANVAS, 4), np.uint8)
    left = (CANVAS - WIDTH) // 2
    for x in across:
        y = round(float(top[x]))
        wavy[y : y + HEIGHT, left + x, :3] = np.clip(pixels[:, x], 0, 255)
        wavy[y : y + HEIGHT, left + x, 3] = 255
    return Image.fromarray(wavy)


def draw(rng: np.random.Generator, label: int, part: Part, side: int = TILE) -> Image.Image:
    """One flag, near or far, turned, under random light."""
    cloth = Image.new("RGB", (WIDTH, HEIGHT))
    FLAGS[SUBJECT.classes[label]](ImageDraw.Draw(cloth))
    flag = _wave(rng, cloth)
    scale = float(rng.uniform(0.75, 1.2))
    shift = rng.uniform(-9, 9, 2) + CANVAS / 2 * (1 - scale)
    matrix = (scale, 0.0, shift[0], 0.0, scale, shift[1])
    flag = flag.transform((CANVAS, CANVAS), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    flag = flag.rotate(float(rng.uniform(-13, 13)), Image.Resampling.BICUBIC)
    scene = background(rng, part, CANVAS)
    scene.paste(light(rng, flag.convert("RGB"), 0.55, 1.1), mask=flag.getchannel("A"))
    return scene.resize((side, side), Image.Resampling.BOX)


def material(seed: int) -> Material:
    """All images of the task."""
    return rendered(SUBJECT, draw, seed)
