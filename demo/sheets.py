"""Contact sheets: the held-out images of a task in one lossless picture, with their labels beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from demo.drawing.material import Material

COLUMNS = 32


def write_sheet(material: Material, folder: Path) -> None:
    """Write sheet.png (row-major tiles) and sheet.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    count, side = len(material.held.labels), material.held.pixels.shape[1]
    rows = -(-count // COLUMNS)
    tiles = np.zeros((rows * COLUMNS, side, side, 3), np.uint8)
    tiles[:count] = material.held.pixels
    sheet = tiles.reshape(rows, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(rows * side, COLUMNS * side, 3)
    Image.fromarray(sheet).save(folder / "sheet.png", optimize=True)
    subject = material.subject
    content = {
        "title": subject.title,
        "tile": side,
        "columns": COLUMNS,
        "classes": list(subject.classes),
        "templates": list(subject.templates),
        "licence": subject.licence,
        "labels": [int(label) for label in material.held.labels],
    }
    (folder / "sheet.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in ("sheet.png", "sheet.json"):
        (folder / name).chmod(0o644)
