"""One picture, from a file or from bytes, opened without trusting it."""

import io
import warnings
from pathlib import Path

from PIL import Image

from evaluation.errors import EvaluationError

MOST = 64_000_000  # pixels, 200 MB in memory: a few kB of PNG can claim a thousand times that


def open_picture(path: Path, what: str, cure: str) -> Image.Image:
    """The picture in a file, RGB.

    Raises: EvaluationError naming the file when it is no picture, cut short, or of more than 64 million pixels.
    """
    return _opened(path, f"{what} '{path}'", cure)


def decoded(content: bytes, where: str) -> Image.Image:
    """The picture that these bytes hold, RGB. Raises: as `open_picture`, naming `where`."""
    cure = "Replace or remove it, or let the task skip what cannot be read (unreadable: skip)."
    return _opened(io.BytesIO(content), where, cure)


def _opened(file: Path | io.BytesIO, where: str, cure: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags nobody asks for; what cannot be decoded is an error
            with Image.open(file) as opened:
                if opened.width * opened.height <= MOST:
                    return opened.convert("RGB")
                size = f"{opened.width} x {opened.height}"
    except Exception as error:  # the decoders meet a damaged file with whatever comes to their mind
        reason = str(error).partition(" <_io.")[0] or type(error).__name__
        raise EvaluationError(f"{where} cannot be read: {reason}.", cure) from None
    raise EvaluationError(f"{where} claims {size} pixels; at most {MOST:,} are read.", "Make it smaller.")
