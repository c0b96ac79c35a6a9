"""What a merging method is, and how methods are found.

A method turns the T task vectors of each tensor into T *directions* once (`prepare_tensor`); a merge is then

    merged = f · base + Σ_t a_t(c) · direction_t          linear, frozen, span
    merged = combine_tensor(base, task vectors, c)        nonlinear, and the exact form of frozen ones

Letters: T experts, c (T,) coefficients, P numbers in the flat vector.
"""

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from merging.access import Access
from merging.errors import MergingError, nearest
from merging.files.blocks import Rows, blocks, first_number
from merging.lora.pairs import Pairs
from merging.methods import __path__ as METHOD_FOLDERS
from merging.setting import NOTHING, Setting, Value, checked, settings_of
from merging.task_vector import TaskVectors, by_expert

Linearity = Literal["linear", "frozen", "span", "nonlinear"]
Array = npt.NDArray[np.float64]

CLASSES: Mapping[Linearity, str] = {
    "linear": "Exact: the merged weights are base + Σ coefficient · direction.",
    "frozen": "Linear once its masks, signs or bases are frozen at equal coefficients; the exact form is "
    "computed again for export where the method has one.",
    "span": "Each tensor is a combination of the experts, with weights that depend on all coefficients.",
    "nonlinear": "Computed again from the task vectors for every choice of coefficients.",
}


@dataclass(frozen=True)
class Paper:
    """Where a method comes from; `arxiv` is empty for work that is not on arXiv."""

    arxiv: str
    title: str
    year: int
    authors: str = ""


@dataclass(frozen=True)
class Coefficient:
    """One number to search: named like its expert, with its default box and published value."""

    name: str
    low: float
    high: float
    default: float


@dataclass(frozen=True)
class Scalars:
    """Multipliers of one merge: `base` of the base, `experts` (T,) of the directions."""

    base: float
    experts: Array


@dataclass(frozen=True)
class Method:
    """A merging method: a frozen dataclass of settings. Derive, and put it into methods/<name>.py.

    `bounds` is the default search box; `limits` is what is accepted at all. `uses_gram` asks for the Gram
    matrix of each tensor. `needs_data` names what `learn` asks of an `Access`. `exact_form` says that a frozen
    method can be computed again with the real coefficients. `in_factors` says that it can merge the factors of
    adapters, so that the merge is an adapter. `revision` grows when the numbers that the method gives change.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    linearity: ClassVar[Linearity]
    paper: ClassVar[Paper]
    symmetric: ClassVar[bool] = True
    needs_data: ClassVar[tuple[str, ...]] = ()
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    limits: ClassVar[tuple[float, float]] = (-10.0, 10.0)
    experts: ClassVar[tuple[int, int | None]] = (1, None)
    uses_gram: ClassVar[bool] = False
    exact_form: ClassVar[bool] = False
    in_factors: ClassVar[bool] = False
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in checked(self.name, settings_of(type(self)), given).items():
            object.__setattr__(self, name, value)

    @property
    def settings(self) -> dict[str, Value]:
        """Settings by name."""
        return asdict(self)

    def default(self, experts: int) -> float:
        """Return the published coefficient for T experts."""
        return 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """What of `merging.access.NEEDS` this method must be given; nothing for a method without data."""
        return self.needs_data

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Write the directions (T, P) of a method that needs data into `rows`, which are zero.

        Returns facts that are kept with them as JSON: what was learned, and how it went.
        """
        raise NotImplementedError(self.name)

    def survey(self, vectors: TaskVectors) -> object | None:
        """Look once at the whole model, where a method needs numbers of all tensors together."""
        return None

    def survey_at(
        self, vectors: TaskVectors, at: Callable[[str], Array], survey: Callable[[], object | None]
    ) -> object | None:
        """Return the survey for `combine_tensor`, where a tensor's coefficients (T,) are `at(name)`.

        `survey()` is the one at equal coefficients, which most methods use for both forms.
        """
        return survey()

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Turn the task vectors of one tensor, (T, *shape) float32, into directions of the same shape.

        `deltas` may be overwritten and returned.
        """
        return deltas

    @property
    def by_rows(self) -> bool:
        """Whether a few rows of a tensor can be handled without the others, once the survey is known."""
        return False

    def pieces(self, shape: tuple[int, ...]) -> Iterator[tuple[Rows, int]]:
        """Go through the rows of a tensor that are handled at once, and the place of their first number."""
        for rows in blocks(shape) if self.by_rows else (...,):
            yield rows, first_number(shape, rows)

    def prepare_rows(self, name: str, deltas: Tensor, survey: object | None, start: int) -> Tensor:
        """Do as `prepare_tensor` for some rows (T, *rows) of a tensor, whose first number is its `start`-th."""
        return self.prepare_tensor(name, deltas, survey)

    def combine_rows(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None, start: int
    ) -> Tensor:
        """Do as `combine_tensor` for some rows of a tensor, whose first number is its `start`-th."""
        return self.combine_tensor(name, base, deltas, coefficients, survey)

    @property
    def unprepared(self) -> bool:
        """Whether the directions are the task vectors as they are."""
        own = type(self)
        return own.prepare_tensor is Method.prepare_tensor and own.prepare_rows is Method.prepare_rows

    def scalars(self, coefficients: Array, gram: Array | None) -> Scalars:
        """Return the multipliers for coefficients (T,); `gram` is (T+1, T+1), [base, τ_1 … τ_T], or None."""
        return Scalars(1.0, coefficients)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Merge one tensor from its raw task vectors (T, *shape), without changing them.

        As it stands, the exact form of a frozen method that takes c_t τ_t for τ_t: base + Σ of their directions.
        """
        if self.linearity != "frozen":
            raise NotImplementedError(self.name)
        scaled = deltas * by_expert(coefficients.tolist(), deltas)
        merged: Tensor = base + self.prepare_tensor(name, scaled, survey).sum(0)
        return merged

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Merge the changes of one matrix into one product, (m, r) and (r, n), where `in_factors`."""
        raise NotImplementedError(self.name)

    def check(self, coefficients: Array) -> None:
        """Raise MergingError for coefficients that this method cannot take."""

    def coefficients(self, experts: Sequence[str]) -> tuple[Coefficient, ...]:
        """Return what can be searched: one coefficient per expert.

        Raises:
            MergingError: a number of experts that the method cannot take.
        """
        self.check_experts(len(experts))
        default = self.default(len(experts))
        return tuple(Coefficient(name, *self.bounds, default) for name in experts)

    def check_experts(self, count: int) -> None:
        """Raise MergingError when the method cannot merge that many experts."""
        low, high = self.experts
        if count < low or (high is not None and count > high):
            allowed = f"exactly {low}" if low == high else f"at least {low}"
            raise MergingError(
                f"Method '{self.name}' takes {allowed} experts; there are {count}.",
                "Choose other experts or another method.",
            )


def ordered(
    method: Method, names: Sequence[str], coefficients: Mapping[str, float], experts: int | None = None
) -> Array:
    """Return the coefficients as (T,) float64 in the order of the experts; one of each name, whatever they stand for.

    `experts` is given where the names are not the experts' own (`merging.groups`): the whole is then not checked.

    Raises:
        MergingError: a missing or unknown name, a value that is not a finite number within the method's
            limits, or one that the method cannot take.
    """
    method.check_experts(len(names) if experts is None else experts)
    for name in coefficients:
        if name not in names:
            raise MergingError(f"There is no expert '{name}' to give a coefficient to.", nearest(name, names))
    values: list[float] = []
    low, high = method.limits
    for name in names:
        if name not in coefficients:
            raise MergingError(f"Expert '{name}' has no coefficient.", "Give one number for each expert.")
        value = coefficients[name]
        if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
            raise MergingError(f"The coefficient of '{name}' is {value!r}.", "It must be a number.")
        if not math.isfinite(value) or not low <= value <= high:
            raise MergingError(
                f"The coefficient of '{name}' is {float(value)}.",
                f"'{method.name}' takes numbers from {low:g} to {high:g}.",
            )
        values.append(float(value))
    found = np.asarray(values, dtype=np.float64)
    if experts is None:
        method.check(found)
    return found


_FOUND: dict[str, type[Method]] = {}


def methods() -> dict[str, type[Method]]:
    """Return every method of merging/methods/, by name, sorted."""
    if not _FOUND:
        for module in sorted(found.name for found in pkgutil.iter_modules(METHOD_FOLDERS)):
            loaded = importlib.import_module(f"merging.methods.{module}")
            for value in vars(loaded).values():
                if _is_method(value) and value.__module__ == loaded.__name__:
                    _FOUND[value.name] = value
    return dict(sorted(_FOUND.items()))


def _is_method(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and hasattr(value, "name")


def method(name: str, settings: Mapping[str, object] = NOTHING) -> Method:
    """Make a method by name, with settings.

    >>> method("ties", {"density": 0.1}).settings["density"]
    0.1

    Raises:
        MergingError: unknown method or setting (with the nearest name), or a setting out of range.
    """
    known = methods()
    if name not in known:
        raise MergingError(f"Unknown method '{name}'.", nearest(name, known))
    kind = known[name]
    return kind(**checked(name, settings_of(kind), dict(settings or {})))


def method_settings(kind: type[Method]) -> tuple[Setting, ...]:
    """Return the settings of a method class as data."""
    return settings_of(kind)
