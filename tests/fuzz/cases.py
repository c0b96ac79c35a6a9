"""From well-formed input to hostile input, and the judgement of one case."""

from __future__ import annotations

import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hypothesis import strategies as st

from tests.fuzz.targets import REFUSED, Target

LONGEST = 5.0  # seconds of processor time that one case may take
CORPUS = Path(__file__).parent / "corpus"
WORDS = (
    b"&a [*a]", b"*a", b"<<: *a", b"!!python/object/apply:os.system ['true']", b"!!binary x", b"!!int z", b"!!set {a}",
    b"2001-99-99", b"1e999", b".nan", b"-.inf", b"0x", b"9" * 400, b"-1", b"null", b"~", b"true", b"[" * 900,
    b"{" * 900,
    b"- " * 300, b"? [a]: b", b"'", b'"', b"\\ud800", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"../../../etc/passwd",
    b"/dev/zero", b"/proc/self/mem", b"<script>alert(1)</script>", b"=cmd|' /C calc'!A0", b"\r\n", b"\xe2\x80\xae",
    b"18446744073709551615", b"9223372036854775807", b'"F32"', b'"F4"', b"[0, 9223372036854775807]", b"[]", b"{}",
    b"a: &x {b: 1}\nc: *x\n", b"%YAML 9.9\n---\n", b"--- a\n--- b\n", b"nan", b"inf", b"1_0", b"\xd9\xa3", b"name",
    b",", b":",
)  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn, target: Target) -> bytes:
    """Well-formed input with a few changes, or nothing but noise."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(target.seeds())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        way = draw(st.integers(0, 6 if target.texts else 4))
        if way == 0:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif way == 1:
            data[at : at + 8] = draw(st.binary(min_size=1, max_size=8))
        elif way == 2:
            del data[at : at + draw(st.integers(1, 64))]
        elif way == 3:
            end = at + draw(st.integers(1, 64))
            data[at:at] = bytes(data[at:end]) * draw(st.sampled_from((1, 2, 50)))
        elif way == 4:
            del data[at:]
        elif way == 5:
            data[at:at] = draw(st.sampled_from(WORDS))
        else:
            _exchange_a_value(draw, data, at)
    return bytes(data)


def _exchange_a_value(draw: st.DrawFn, data: bytearray, at: int) -> None:
    """Put a word in the place of what stands between two marks."""
    marks = b" ,:{}[]\n\"'"
    start = at
    while start > 0 and data[start - 1] not in marks:
        start -= 1
    end = at
    while end < len(data) and data[end] not in marks:
        end += 1
    data[start:end] = draw(st.sampled_from(WORDS))


class TooLong(BaseException):
    """A case took longer than it may; no `except Exception` swallows it."""


@contextmanager
def _limited() -> Iterator[None]:
    """Processor time, so that other programs do not count, and a longer time on the clock for what merely waits."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, LONGEST), (signal.ITIMER_REAL, signal.SIGALRM, 6 * LONGEST))
    before = [signal.signal(sign, stop) for _, sign, _ in timers]
    for timer, _, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (timer, sign, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(sign, handler)


def judge(target: Target, data: bytes) -> str | None:
    """What is wrong with how a target took the data: None when it accepted them, or refused them in words."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ResourceWarning)
        try:
            with _limited():
                target.take(data, Path(place))
        except REFUSED as error:
            words = " ".join(str(error).split())
            if not 10 < len(words) < 2500 or "Traceback" in words:
                return f"not one clear line: {words[:200]!r}"
        except TooLong:
            return f"it took more than {LONGEST} s"
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we look for
            return f"{type(error).__name__}: {str(error)[:300]}"
    return None
