"""The one error class of this package."""

from __future__ import annotations


class SurrogateError(ValueError):
    """A request that no surrogate can answer: what, where, the value, what is allowed; then how to mend it."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(f"{message} {cure}".strip())
        self.message = message
        self.cure = cure
