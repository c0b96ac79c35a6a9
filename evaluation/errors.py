"""What can go wrong when weights are turned into measurements."""

import difflib
from collections.abc import Iterable


class EvaluationError(ValueError):
    """A model, task or metric cannot be used as asked; `cure` says how to mend it."""

    def __init__(self, message: str, cure: str = "") -> None:
        self.cure = cure
        super().__init__(" ".join(f"{message} {cure}".split()))


class Cancelled(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The caller's `should_stop` said yes between two batches; nothing was measured."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A closing sentence with the known name most like `name`, or all of them when none is alike.

    >>> nearest("acuracy", ["accuracy", "nll"])
    "Nearest: 'accuracy'."
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Nearest: '{close[0]}'."
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"Known: {shown}." if names else ""
