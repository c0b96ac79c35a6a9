"""Road signs in the European manner, drawn large over pieces of photographs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.drawing.letters import font
from demo.drawing.material import TILE, Material, Part, Subject, rendered
from demo.drawing.photos import LICENCE, background, light

LARGE = 4 * TILE
MIDDLE = LARGE / 2
RED, WHITE, BLUE, BLACK, YELLOW = (190, 20, 30), (240, 240, 240), (20, 70, 170), (20, 20, 20), (245, 190, 20)
Colour = tuple[int, int, int]
Pen = ImageDraw.ImageDraw


def _disc(pen: Pen, radius: float, colour: Colour) -> None:
    pen.ellipse((MIDDLE - radius, MIDDLE - radius, MIDDLE + radius, MIDDLE + radius), fill=colour)


def _square(pen: Pen, radius: float, colour: Colour) -> None:
    pen.rounded_rectangle((MIDDLE - radius, MIDDLE - radius, MIDDLE + radius, MIDDLE + radius), 8, fill=colour)


def _polygon(pen: Pen, radius: float, corners: int, turn: float, colour: Colour, drop: float = 0.0) -> None:
    angles = [turn + 2 * math.pi * k / corners for k in range(corners)]
    pen.polygon([(MIDDLE + radius * math.cos(a), MIDDLE + drop + radius * math.sin(a)) for a in angles], fill=colour)


def _word(pen: Pen, text: str, size: int, colour: Colour, drop: float = 0.0) -> None:
    face = font("DejaVuSans-Bold", size)
    left, top, right, bottom = face.getbbox(text)
    pen.text((MIDDLE - (left + right) / 2, MIDDLE + drop - (top + bottom) / 2), text, colour, face)


def _arrow(pen: Pen, angle: float, colour: Colour) -> None:
    """A fat arrow through the middle; angle 0 points up, clockwise in radians."""
    outline = [(0, -44), (28, -8), (11, -8), (11, 42), (-11, 42), (-11, -8), (-28, -8)]
    cos, sin = math.cos(angle), math.sin(angle)
    pen.polygon([(MIDDLE + x * cos - y * sin, MIDDLE + x * sin + y * cos) for x, y in outline], fill=colour)


def _warning(pen: Pen) -> None:
    _polygon(pen, 66, 3, -math.pi / 2, RED, drop=12)
    _polygon(pen, 44, 3, -math.pi / 2, WHITE, drop=13)


def _stop(pen: Pen, rng: np.random.Generator) -> None:
    _polygon(pen, 60, 8, math.pi / 8, WHITE)
    _polygon(pen, 55, 8, math.pi / 8, RED)
    _word(pen, "STOP", 38, WHITE)


def _give_way(pen: Pen, rng: np.random.Generator) -> None:
    _polygon(pen, 66, 3, math.pi / 2, RED, drop=-12)
    _polygon(pen, 38, 3, math.pi / 2, WHITE, drop=-12)


def _no_entry(pen: Pen, rng: np.random.Generator) -> None:
    _disc(pen, 58, RED)
    pen.rectangle((MIDDLE - 42, MIDDLE - 12, MIDDLE + 42, MIDDLE + 12), fill=WHITE)


def _speed_limit(pen: Pen, rng: np.random.Generator) -> None:
    _disc(pen, 58, RED)
    _disc(pen, 43, WHITE)
    _word(pen, ("30", "50", "80")[int(rng.integers(3))], 58, BLACK)


def _priority(pen: Pen, rng: np.random.Generator) -> None:
    _polygon(pen, 62, 4, 0, WHITE)
    _polygon(pen, 46, 4, 0, YELLOW)


def _parking(pen: Pen, rng: np.random.Generator) -> None:
    _square(pen, 54, BLUE)
    _word(pen, "P", 92, WHITE)


def _danger(pen: Pen, rng: np.random.Generator) -> None:
    _warning(pen)
    pen.rectangle((MIDDLE - 7, MIDDLE - 16, MIDDLE + 7, MIDDLE + 14), fill=BLACK)
    pen.rectangle((MIDDLE - 7, MIDDLE + 20, MIDDLE + 7, MIDDLE + 32), fill=BLACK)


def _keep_right(pen: Pen, rng: np.random.Generator) -> None:
    _disc(pen, 58, BLUE)
    _arrow(pen, 0.75 * math.pi, WHITE)


def _straight_on(pen: Pen, rng: np.random.Generator) -> None:
    _disc(pen, 58, BLUE)
    _arrow(pen, 0.0, WHITE)


def _no_vehicles(pen: Pen, rng: np.random.Generator) -> None:
    _disc(pen, 58, RED)
    _disc(pen, 43, WHITE)


def _one_way(pen: Pen, rng: np.random.Generator) -> None:
    _square(pen, 54, BLUE)
    _arrow(pen, 0.0, WHITE)


def _crossroads(pen: Pen, rng: np.random.Generator) -> None:
    _warning(pen)
    pen.line((MIDDLE - 19, MIDDLE - 8, MIDDLE + 19, MIDDLE + 30), fill=BLACK, width=11)
    pen.line((MIDDLE + 19, MIDDLE - 8, MIDDLE - 19, MIDDLE + 30), fill=BLACK, width=11)


SIGNS: dict[str, Callable[[Pen, np.random.Generator], None]] = {
    "stop": _stop,
    "give way": _give_way,
    "no entry": _no_entry,
    "speed limit": _speed_limit,
    "priority road": _priority,
    "parking": _parking,
    "danger": _danger,
    "keep right": _keep_right,
    "straight on": _straight_on,
    "no vehicles": _no_vehicles,
    "one way": _one_way,
    "crossroads": _crossroads,
}
SUBJECT = Subject(
    name="signs",
    title="Road signs",
    classes=tuple(SIGNS),
    templates=("a photo of a {} road sign.", "the traffic sign: {}."),
    licence=f"Drawn for this demo, on photographs. {LICENCE}",
)


def draw(rng: np.random.Generator, label: int, part: Part, side: int = TILE) -> Image.Image:
    """One sign, turned, leaning, near or far, under random light and with a slight blur."""
    sign = Image.new("RGBA", (LARGE, LARGE), (0, 0, 0, 0))
    SIGNS[SUBJECT.classes[label]](ImageDraw.Draw(sign), rng)
    scale, lean = rng.uniform(0.92, 1.35, 2), float(rng.uniform(-0.15, 0.15))
    shift = rng.uniform(-11, 11, 2)
    matrix = (
        scale[0],
        lean,
        MIDDLE * (1 - scale[0] - lean) + shift[0],
        0.0,
        scale[1],
        MIDDLE * (1 - scale[1]) + shift[1],
    )
    sign = sign.transform((LARGE, LARGE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    sign = sign.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BICUBIC)
    lit = light(rng, sign.convert("RGB"), 0.35, 1.15)
    scene = background(rng, part, LARGE)
    scene.paste(lit, mask=sign.getchannel("A"))
    scene = scene.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.0, 3.2))))
    return scene.resize((side, side), Image.Resampling.BOX)


def material(seed: int) -> Material:
    """All images of the task."""
    return rendered(SUBJECT, draw, seed)
