"""Surfaces: what a patch of a photograph shows; training sees the left part of each, held-out the right."""

from __future__ import annotations

import numpy as np
from PIL import Image

from demo.drawing.material import TILE, Material, Part, Subject, rendered
from demo.drawing.photos import LICENCE, Region, light, patch

REGIONS: dict[str, Region] = {
    "brick": Region("brick", smallest=64, largest=140, contrast=10.0),
    "grass": Region("grass", smallest=64, largest=140),
    "gravel": Region("gravel", smallest=64, largest=140),
    "starry sky": Region("hubble", smallest=64, largest=160, contrast=12.0),
    "retina": Region("retina", (230, 230, 1180, 1180), smallest=120, largest=320, contrast=5.0),
    "stained tissue": Region("ihc", smallest=64, largest=160),
    "cat fur": Region("chelsea", (40, 0, 365, 270), smallest=48, largest=112, contrast=10.0),
    "coffee table": Region("coffee", smallest=56, largest=140),
    "old coins": Region("coins", smallest=56, largest=120),
    "flower petals": Region("flower", (168, 85, 448, 360), smallest=44, largest=97),
    "printed page": Region("text", smallest=40, largest=100),
    "temple front": Region("china", (85, 30, 372, 427), smallest=48, largest=100, contrast=25.0),
}
SUBJECT = Subject(
    name="surfaces",
    title="Surfaces",
    classes=tuple(REGIONS),
    templates=("a close photo of {}.", "a patch of {}."),
    licence=LICENCE,
)


def draw(rng: np.random.Generator, label: int, part: Part, side: int = TILE) -> Image.Image:
    """One patch under random light."""
    return light(rng, patch(rng, REGIONS[SUBJECT.classes[label]], part, side), 0.75, 1.2)


def material(seed: int) -> Material:
    """All images of the task."""
    return rendered(SUBJECT, draw, seed)
