"""Nested MAP (arXiv 2406.07529): merge in pairs, then pairs of merged models, each a problem of two coefficients.

For many experts and one preference: (d - 1) nodes of a few trials each. What differs from the public code: pairs are
taken level by level so that the tree is balanced, by a given conflict (cosines of task vectors, say) instead of
accuracies in mixed units; every node keeps its whole front, and all trials of the tree are kept together, so that
another preference costs no measurement (prefer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from surrogate.design import design
from surrogate.errors import SurrogateError
from surrogate.front import ideal_and_nadir
from surrogate.observations import Array, Observations, together
from surrogate.prediction import Surrogate
from surrogate.search import Front, predicted_front

STEPS = np.stack([axis.ravel() for axis in np.meshgrid(*[np.linspace(0.0, 1.0, 41)] * 2)], axis=1)


@dataclass(frozen=True)
class Node:
    """A pair of nodes, or one expert: leaves are the numbers of the experts below."""

    leaves: tuple[int, ...]
    children: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Level:
    """What one node found: its front in its own two coefficients, and the point chosen, as coefficients of all
    (d,)."""

    node: Node
    front: Front
    chosen: Array


@dataclass(frozen=True)
class Nested:
    """coefficients (d,) for the preference; levels in the order they were solved; trials: all that was measured, in
    the coefficients of all experts (None for a single expert, which needs no trial)."""

    coefficients: Array
    levels: tuple[Level, ...]
    trials: Observations | None

    def prefer(self, surrogate: Surrogate, weights: Sequence[float], seed: int = 0) -> Array:
        """Coefficients (d,) for another preference, without a measurement.

        The tree is solved again from its leaves; what its pairs of merges would measure is predicted by a surrogate of
        all trials. Raises SurrogateError when the weights do not match the tree.
        """
        if self.trials is None:
            return self.coefficients
        weight = _checked(weights, self.trials.m)
        fitted = surrogate.fit(self.trials, seed)
        solved: dict[tuple[int, ...], Array] = {(t,): np.eye(self.trials.d)[t] for t in range(self.trials.d)}
        for level in self.levels:
            ends = np.stack([solved[child.leaves] for child in level.node.children])
            at = np.clip(STEPS @ ends, self.trials.low, self.trials.high)
            leaves = list(level.node.leaves)
            row = _preferred(fitted.objective(at)[:, leaves], weight[leaves])
            solved[level.node.leaves] = at[row]
        return np.asarray(solved[self.levels[-1].node.leaves])


def pair_up(conflict: Array) -> Node:
    """A balanced tree over d experts: in each level the pair of least conflict first. conflict (d, d), symmetric.

    >>> pair_up(np.array([[0, 9, 1, 9], [9, 0, 9, 1], [1, 9, 0, 9], [9, 1, 9, 0]])).children[0].leaves
    (0, 2)
    """
    conflict = np.asarray(conflict, dtype=np.float64)
    if conflict.ndim != 2 or conflict.shape[0] != conflict.shape[1] or not len(conflict):
        raise SurrogateError(f"Conflicts must be (experts, experts), got shape {conflict.shape}.")
    nodes = [Node((t,)) for t in range(len(conflict))]
    while len(nodes) > 1:
        left = list(range(len(nodes)))
        paired: list[Node] = []
        while len(left) > 1:
            pairs = [(i, j) for a, i in enumerate(left) for j in left[a + 1 :]]
            i, j = min(pairs, key=lambda p: _between(nodes[p[0]], nodes[p[1]], conflict))
            paired.append(Node(nodes[i].leaves + nodes[j].leaves, (nodes[i], nodes[j])))
            left = [k for k in left if k not in (i, j)]
        nodes = paired + [nodes[k] for k in left]
    return nodes[0]


def nested(
    tree: Node,
    measure: Callable[[Array], Observations],
    surrogate: Surrogate,
    weights: Sequence[float],
    trials: int = 12,
    seed: int = 0,
) -> Nested:
    """Solves the tree from its leaves: per node ``trials`` measurements over its two coefficients, then the front's
    best.

    measure: X (k, d) in coefficient units -> their observations, metric t being that of expert t; weights (d,):
    importance of each metric. A node's best is the augmented Tchebycheff choice over the metrics of its leaves.
    Raises SurrogateError when the weights do not match the tree, or are not positive somewhere.
    """
    d = len(tree.leaves)
    weight = _checked(weights, d)
    levels: list[Level] = []
    tried: list[Observations] = []

    def solve(node: Node) -> Array:
        if not node.children:
            return np.asarray(np.eye(d)[node.leaves[0]])
        ends = np.stack([solve(child) for child in node.children])
        X2 = design(2, trials, np.zeros(2), np.ones(2), seed=seed + len(levels)).X
        observed = measure(X2 @ ends)
        tried.append(observed)
        small = replace(observed.only(node.leaves), X=X2, low=np.zeros(2), high=np.ones(2))
        front = predicted_front(surrogate.fit(small, seed), seed=seed)
        row = _preferred(front.search, weight[list(node.leaves)])
        chosen: Array = np.asarray(front.X[row] @ ends)
        levels.append(Level(node, front, chosen))
        return chosen

    found = solve(tree)
    return Nested(found, tuple(levels), together(tried) if tried else None)


def _checked(weights: Sequence[float], d: int) -> Array:
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (d,) or (weight < 0).any() or not (weight > 0).any():
        raise SurrogateError(f"{weight.size} weights were given for {d} experts.", "Give one >= 0 each, one positive.")
    return weight


def _preferred(Y: Array, weight: Array) -> int:
    ideal, nadir = ideal_and_nadir(Y)
    width = np.where(ideal - nadir > 1e-9, ideal - nadir, 1.0)
    loss = (ideal - Y) / width * np.maximum(weight / max(float(weight.max()), 1e-12), 1e-3)
    return int(np.argmin(loss.max(axis=1) + 0.01 * loss.sum(axis=1)))


def _between(a: Node, b: Node, conflict: Array) -> float:
    return float(conflict[np.ix_(a.leaves, b.leaves)].mean())
