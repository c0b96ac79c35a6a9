"""One picture file, opened without trusting it."""

import warnings
from pathlib import Path

from PIL import Image

from evaluation.errors import EvaluationError

MOST = 64_000_000  # pixels, 200 MB in memory: a few kB of PNG can claim a thousand times that


def open_picture(path: Path, what: str, cure: str) -> Image.Image:
    """The picture, RGB.

    Raises: EvaluationError naming the file when it is no picture, cut short, or of more than 64 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags nobody asks for; what cannot be decoded is an error
            with Image.open(path) as opened:
                if opened.width * opened.height <= MOST:
                    return opened.convert("RGB")
                size = f"{opened.width} x {opened.height}"
    except Exception as error:  # the decoders meet a damaged file with whatever comes to their mind
        raise EvaluationError(f"{what} '{path}' cannot be read: {error or type(error).__name__}.", cure) from None
    raise EvaluationError(f"{what} '{path}' claims {size} pixels; at most {MOST:,} are read.", "Make it smaller.")
