"""Coefficients per group of layers: each expert has several numbers in the place of one.

`groups` = G cuts the numbered blocks of each tower into G neighbouring groups of the same length, each with a number
of its own, named EXPERT@1 (the blocks nearest to the input) … EXPERT@G. `groups` = "slope" gives an expert two numbers,
EXPERT@first and EXPERT@last, between which its strength goes in a straight line from the first block to the last: the
form of LiNeS (Wang et al., arXiv 2410.17146), searched and not set. Equal numbers are the merge without groups,
bit for bit.

What stands outside the blocks belongs to the first of them (embeddings, first convolution) or, by its name, to the
last (final norm, projection, head).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from merging.architecture.names import BLOCK, LATE
from merging.errors import MergingError
from merging.method import Array, Method, ordered

Groups = int | Literal["slope"]
MARK = "@"
SLOPE = ("first", "last")
MOST = 16


def checked_groups(groups: object) -> Groups:
    """Return `groups` if it is one.

    >>> checked_groups("slope"), checked_groups(4)
    ('slope', 4)

    Raises:
        MergingError: anything else.
    """
    if groups == "slope":
        return "slope"
    if isinstance(groups, int) and not isinstance(groups, bool) and 2 <= groups <= MOST:
        return groups
    raise MergingError(f"'groups' is {groups!r}.", f"Allowed: slope, or whole numbers from 2 to {MOST}.")


def labels(groups: Groups | None) -> tuple[str, ...]:
    """Return the names of the groups, from the input to the output; one without a name where there are none.

    >>> labels(3), labels("slope"), labels(None)
    (('1', '2', '3'), ('first', 'last'), ('',))
    """
    if groups is None:
        return ("",)
    return SLOPE if groups == "slope" else tuple(str(number + 1) for number in range(groups))


def names_of(experts: Sequence[str], groups: Groups | None) -> tuple[str, ...]:
    """Return the names of the coefficients, expert by expert.

    >>> names_of(("a", "b"), 2), names_of(("a", "b"), None)
    (('a@1', 'a@2', 'b@1', 'b@2'), ('a', 'b'))
    """
    known = None if groups is None else checked_groups(groups)
    return tuple(f"{expert}{MARK if label else ''}{label}" for expert in experts for label in labels(known))


def groups_in(names: Sequence[str]) -> Groups | None:
    """Return what groups the names of coefficients speak of.

    >>> groups_in(("a@1", "a@2", "b@1", "b@2")), groups_in(("a@first", "a@last")), groups_in(("a", "b"))
    (2, 'slope', None)
    """
    found = {name.rpartition(MARK)[2] for name in names if MARK in name}
    if not found:
        return None
    return "slope" if found & set(SLOPE) else checked_groups(len(found))


class PerTensor:
    """The coefficients (T,) of each tensor."""

    def __init__(self, values: Array, groups: Groups | None, tensors: Sequence[str]) -> None:
        """`values` is (T, G)."""
        self._values, self._groups = values, groups
        self._places = None if groups is None else places(tensors, groups)

    @property
    def whole(self) -> bool:
        """Whether every tensor has the same."""
        return self._places is None

    def at(self, tensor: str) -> Array:
        """Return the coefficients of one tensor."""
        if self._places is None:
            return self._values[:, 0]
        place = self._places[tensor]
        if self._groups == "slope":
            first, last = self._values.T
            return np.asarray(first + (last - first) * place, dtype=np.float64)
        return np.asarray(self._values[:, int(place)], dtype=np.float64)


def places(tensors: Sequence[str], groups: Groups) -> dict[str, float]:
    """Return where each tensor belongs: the number of its group from 0, or how deep it lies from 0 to 1.

    >>> places(["layers.0.w", "layers.1.w", "layers.2.w", "layers.3.w", "conv1", "proj"], 2)
    {'layers.0.w': 0.0, 'layers.1.w': 0.0, 'layers.2.w': 1.0, 'layers.3.w': 1.0, 'conv1': 0.0, 'proj': 1.0}

    Raises:
        MergingError: no tensor lies in a numbered block, or there are fewer blocks than groups.
    """
    matches = {name: match for name in tensors if (match := BLOCK.search(name))}
    towers: dict[str, int] = {}
    for name, match in matches.items():
        tower = name[: match.start(1)]
        towers[tower] = max(towers.get(tower, 0), int(match.group(1)) + 1)
    most = max(towers.values(), default=0)
    if most < (2 if groups == "slope" else groups):
        have = (
            f"its longest row of numbered blocks has {most}" if most else "none of its tensors is in a numbered block"
        )
        raise MergingError(
            f"This model cannot be cut into layer groups '{groups}': {have}.",
            f"Ask for {most} groups or fewer, or for none." if most > 1 else "Leave 'groups' out.",
        )
    end = 1.0 if groups == "slope" else groups - 1.0
    found = {}
    for name in tensors:
        if name not in matches:
            found[name] = end if LATE.search(name) else 0.0
            continue
        match = matches[name]
        block, count = int(match.group(1)), towers[name[: match.start(1)]]
        found[name] = block / max(1, count - 1) if groups == "slope" else float(block * groups // count)
    return found


def per_tensor(
    method: Method,
    experts: Sequence[str],
    coefficients: Mapping[str, float],
    groups: Groups | None,
    tensors: Sequence[str],
) -> PerTensor:
    """Check coefficients by name and return what each tensor gets.

    Raises:
        MergingError: as `ordered`, or the model has too few blocks for the groups.
    """
    method.check_experts(len(experts))
    if groups is None:
        return PerTensor(ordered(method, experts, coefficients)[:, None], None, tensors)
    values = ordered(method, names_of(experts, groups), coefficients, len(experts))
    found = PerTensor(values.reshape(len(experts), -1), groups, tensors)
    for tensor in tensors:
        method.check(found.at(tensor))
    return found


def importance(sizes: npt.NDArray[np.float64], tensors: Sequence[str], groups: Groups) -> npt.NDArray[np.float64]:
    """Return how much each coefficient moves the weights, (T · G,), from ‖δ_t‖ of every tensor, (T, E).

    The norm of the change that one unit of the coefficient makes, so that a search may expect little of a group
    in which an expert hardly differs from the base; scaled to a root mean square of 1.
    """
    where = places(tensors, groups)
    count = len(labels(groups))
    squares = np.zeros((len(sizes), count))
    for column, name in enumerate(tensors):
        share = where[name]
        parts = [1.0 - share, share] if groups == "slope" else np.eye(count)[int(share)]
        squares += np.square(sizes[:, column : column + 1] * np.asarray(parts))
    mean = float(squares.mean())
    return np.asarray(np.sqrt(squares / mean).reshape(-1) if mean > 0 else np.ones(squares.size))
