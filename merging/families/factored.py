"""Methods that first change the factors of every adapted matrix, and merge what is left of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from merging.lora.pairs import Pairs
from merging.method import Linearity, Method
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Factored(Method):
    """A method of adapters; the survey holds the changed factors of every adapted matrix by its name."""

    linearity: ClassVar[Linearity] = "nonlinear"
    in_factors: ClassVar[bool] = True

    def survey(self, vectors: TaskVectors) -> Mapping[str, Pairs]:
        """Change the factors of every adapted matrix."""
        found: dict[str, Pairs] = {}
        for entry in vectors.layout.entries:
            pairs = vectors.pairs(entry.name)
            if pairs is not None:
                found[entry.name] = self.changed(pairs)
        return found

    def changed(self, pairs: Pairs) -> Pairs:
        """Return the changed factors of one matrix."""
        raise NotImplementedError(self.name)

    def factors(self, survey: object | None) -> Mapping[str, Pairs]:
        """Return what the survey found."""
        if not isinstance(survey, dict):
            raise TypeError(f"{self.title} needs the adapters' factors")
        return survey
