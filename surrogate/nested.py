"""Nested MAP (arXiv 2406.07529): merge in pairs, then pairs of merged models, each a problem of two coefficients.

For many experts and one preference: (d - 1) nodes of a few trials each. What differs from the public code: pairs are
taken level by level so that the tree is balanced, by a given conflict (cosines of task vectors, say) instead of
accuracies in mixed units; every node keeps its whole front, so that a change of preference measures only what lies
above the change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from surrogate.design import design
from surrogate.errors import SurrogateError
from surrogate.front import ideal_and_nadir
from surrogate.observations import Array, Observations
from surrogate.prediction import Surrogate
from surrogate.search import Front, predicted_front


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
    """coefficients (d,) for the preference; levels in the order they were solved; trials X (n, d) that were
    measured."""

    coefficients: Array
    levels: tuple[Level, ...]
    X: Array


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
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (d,) or (weight < 0).any() or not (weight > 0).any():
        raise SurrogateError(f"{weight.size} weights were given for {d} experts.", "Give one >= 0 each, one positive.")
    levels: list[Level] = []
    tried: list[Array] = []

    def solve(node: Node) -> Array:
        if not node.children:
            return np.asarray(np.eye(d)[node.leaves[0]])
        ends = np.stack([solve(child) for child in node.children])
        X2 = design(2, trials, np.zeros(2), np.ones(2), seed=seed + len(levels)).X
        observed = measure(X2 @ ends)
        tried.append(observed.X)
        small = replace(observed.only(node.leaves), X=X2, low=np.zeros(2), high=np.ones(2))
        front = predicted_front(surrogate.fit(small, seed), seed=seed)
        row = _preferred(front.search, weight[list(node.leaves)])
        chosen: Array = np.asarray(front.X[row] @ ends)
        levels.append(Level(node, front, chosen))
        return chosen

    found = solve(tree)
    return Nested(found, tuple(levels), np.concatenate(tried) if tried else np.empty((0, d)))


def _preferred(Y: Array, weight: Array) -> int:
    ideal, nadir = ideal_and_nadir(Y)
    width = np.where(ideal - nadir > 1e-9, ideal - nadir, 1.0)
    loss = (ideal - Y) / width * np.maximum(weight / max(float(weight.max()), 1e-12), 1e-3)
    return int(np.argmin(loss.max(axis=1) + 0.01 * loss.sum(axis=1)))


def _between(a: Node, b: Node, conflict: Array) -> float:
    return float(conflict[np.ix_(a.leaves, b.leaves)].mean())
