"""Directions kept in half the memory: rounded to bfloat16 or float16 once, merged in float32.

merged = base + Σ c_t · round(δ_t): the base keeps its full precision, products and sums are float32. A rounded number
is off by at most 2⁻⁹ (bfloat16) or 2⁻¹² (float16, numbers above 6 · 10⁻⁵).
"""

import os
from dataclasses import replace

import torch

from merging.combining.directions import Directions
from merging.errors import MergingError
from merging.files.writing import atomic

PIECE = 1 << 22
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def narrowed(directions: Directions, kind: str) -> Directions:
    """Return the directions with their matrix (T, P) in `kind`, mapped from a file beside the prepared one.

    The full ones stay on disk, where nothing reads them during trials. Methods that are computed anew from the task
    vectors keep these as they are.

    Raises:
        MergingError: directions that were not prepared into a folder, or numbers that float16 cannot hold.
    """
    if directions.method.linearity == "nonlinear":
        return directions
    if directions.path is None:
        raise MergingError("Directions that are not on disk cannot be kept narrower.", "Prepare them into a folder.")
    dtype, path = DTYPES[kind], directions.path.with_suffix(f".{kind}")
    count = directions.matrix.numel()
    if not path.is_file() or path.stat().st_size != 2 * count:
        flat = directions.matrix.reshape(-1)
        with atomic(path) as file:
            os.posix_fallocate(file.fileno(), 0, 2 * count)
            for start in range(0, count, PIECE):
                piece = flat[start : start + PIECE].to(dtype)
                if not bool(torch.isfinite(piece).all()):
                    raise MergingError(f"A direction holds numbers too large for {kind}.", "Choose bfloat16.")
                file.write(piece.view(torch.int16).numpy().tobytes())
    matrix = torch.from_file(str(path), shared=False, size=count, dtype=dtype).view(directions.matrix.shape)
    return replace(directions, matrix=matrix, exactness=f"{directions.exactness} Directions are kept in {kind}.")
