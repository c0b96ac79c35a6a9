"""The one error of this package, and what a caller that computes nothing itself has to catch."""

from surrogate.errors import SurrogateError


class StudyError(ValueError):
    """A request that cannot be met: what, where, the value, what is allowed; ``cure`` says how to mend it."""

    def __init__(self, message: str, cure: str = "") -> None:
        """Keep both parts; ``str()`` joins them into the one line that people see."""
        super().__init__(f"{message} {cure}".strip())
        self.cure = cure


REFUSALS = (StudyError, SurrogateError)  # requests that cannot be met, each with its one line to show
