"""Numbers as people read them: scores, sizes, times. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any


def score(value: float, unit: str) -> str:
    """A metric's value: fractions as percent with one decimal."""
    return f"{100 * value:.1f} %" if unit == "fraction" else f"{value:.3f}"


def with_error(cell: Mapping[str, Any], unit: str) -> str:
    """A measured value with its standard error."""
    if unit == "fraction":
        return f"{100 * cell['value']:.1f} ± {100 * cell['stderr']:.1f} %"
    return f"{cell['value']:.3f} ± {cell['stderr']:.3f}"


def likely(cell: Mapping[str, Any], unit: str) -> str:
    """A predicted value with its likely range."""
    if unit == "fraction":
        return f"{100 * cell['mean']:.1f} % ({100 * cell['low']:.1f} to {100 * cell['high']:.1f})"
    return f"{cell['mean']:.3f} ({cell['low']:.3f} to {cell['high']:.3f})"


def size(count: float) -> str:
    """Bytes as kB, MB or GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def count(number: float) -> str:
    """A large number: 88 M, 1.2 G."""
    for unit in ("", " k", " M"):
        if number < 1000:
            return f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:.1f} G"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        whole = max(1, round(seconds))
        return f"{whole} second{'s' if whole > 1 else ''}"
    minutes = seconds / 60
    return f"{round(minutes)} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def span(low: float, high: float) -> str | None:
    """Two durations as a range; None where a person says the same of both.

    >>> span(14, 28), span(100, 100), span(60, 300)
    ('14 to 28 seconds', None, '60 seconds to 5 minutes')
    """
    first, last = duration(low), duration(high)
    (number, unit), (_, other) = first.split(" "), last.split(" ")
    if first == last:
        return None
    return f"{number} to {last}" if unit.rstrip("s") == other.rstrip("s") else f"{first} to {last}"


def ago(then: float, now: float | None = None) -> str:
    """How long ago, or the date."""
    gone = (time.time() if now is None else now) - then
    if gone < 60:
        return "just now"
    if gone < 3600:
        return f"{round(gone / 60)} min ago"
    if gone < 86400:
        return f"{round(gone / 3600)} h ago"
    return time.strftime("%d %b %Y", time.localtime(then))


def listed(parts: list[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
