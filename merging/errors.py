"""The one error class of this package, and the nearest-name hint that its messages use."""

import difflib
from collections.abc import Iterable


class MergingError(ValueError):
    """A request that cannot be merged: what is wrong and where, then how to mend it, in one line."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(" ".join(f"{message} {cure}".split()))
        self.cure = cure


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "Nearest: 'ties'." for a misspelt name, or the list of what there is.

    >>> nearest("tie", ["ties", "task_arithmetic"])
    "Nearest: 'ties'."
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Nearest: '{close[0]}'."
    return f"Known: {', '.join(names)}." if names else "There is none."
