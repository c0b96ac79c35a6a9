"""A small classifier that uses every tensor of a checkpoint, in numpy float64: what methods learn from in tests.

State h (n, 5) goes through the tensors in the order of their names: x = X + h P, y = W x (a convolution is one patch,
a norm multiplies), h = h / 2 + tanh(y Q); vectors and scalars add their mean. X, P, Q and labels come from the names.
"""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

ROWS, WIDTH, CLASSES = 8, 5, 3
State = Mapping[str, np.ndarray]
See = Callable[[str, str, np.ndarray], None]
Loss = Callable[[State, str, int], float]


def random(*words: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:8], "big"))


def how_of(name: str, shape: tuple[int, ...]) -> str | None:
    if len(shape) == 2:
        return "rows"
    if len(shape) == 4:
        return "patches"
    return "scale" if name.endswith("norm.weight") else None


def size_in(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape[1:])) if len(shape) > 1 else shape[0] if shape else 1


def parts(name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """P (5, d) and Q (m, 5) of one tensor."""
    dice = random("parts", name)
    rows_out = shape[0] if shape else 1
    return 0.3 * dice.normal(size=(WIDTH, size_in(shape))), 0.4 * dice.normal(size=(rows_out, WIDTH))


def samples(task: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """X (8, d) of one tensor."""
    return random("samples", task, name).normal(size=(ROWS, size_in(shape)))


def labels(task: str) -> np.ndarray:
    return random("labels", task).integers(0, CLASSES, ROWS)


def head() -> np.ndarray:
    """(5, 3)."""
    return random("head").normal(size=(WIDTH, CLASSES))


def logits(state: State, task: str, see: See = lambda name, how, x: None) -> np.ndarray:
    """Logits (8, 3) of a task's samples."""
    h = np.zeros((ROWS, WIDTH))
    for name in sorted(state):
        weight = np.asarray(state[name])
        how, (p, q) = how_of(name, weight.shape), parts(name, weight.shape)
        if how is None:
            h = h + 0.1 * weight.mean() * p.mean(1)
            continue
        x = samples(task, name, weight.shape) + h @ p
        see(name, how, x)
        y = x * weight if how == "scale" else x @ weight.reshape(len(weight), -1).T
        h = 0.5 * h + np.tanh(y @ q)
    return h @ head()


def softmax(values: np.ndarray) -> np.ndarray:
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def log_softmax(values: np.ndarray) -> np.ndarray:
    return np.log(softmax(values))


def entropy(values: np.ndarray) -> float:
    return float(-(softmax(values) * log_softmax(values)).sum(-1).mean())


def cross_entropy(values: np.ndarray, task: str, rows: slice = slice(None)) -> float:
    return float(-log_softmax(values)[np.arange(ROWS), labels(task)][rows].mean())


def gradient(loss: Callable[[State], float], state: State, step: float = 1e-5) -> dict[str, np.ndarray]:
    """Central differences of a loss."""
    found = {}
    for name, values in state.items():
        slope = np.zeros(values.size)
        for place in range(values.size):
            ends = []
            for sign in (1.0, -1.0):
                moved = np.array(values, dtype=np.float64).reshape(-1)
                moved[place] += sign * step
                ends.append(loss({**state, name: moved.reshape(values.shape)}))
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        found[name] = slope.reshape(values.shape)
    return found
