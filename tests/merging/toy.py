"""`merging.Access` over the small classifier of tests/golden/network.py, in torch."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from merging import Layout
from merging.access import How, Loss, See
from surrogate import maximise
from tests.golden import network

BATCH = 4


class Toy:
    """Model and samples for any checkpoint; one task per expert, of its name. Counts what is asked of it."""

    def __init__(self, layout: Layout, experts: Sequence[str]) -> None:
        self.layout = layout
        self.tasks = tuple(experts)
        self.weights = torch.zeros(layout.size)
        self.gradient = torch.zeros(layout.size)
        self.asked: set[str] = set()
        self._aims: dict[str, list[Tensor]] = {}
        self._fixed = {name: _tensor(network.head()) for name in ("head",)}
        for entry in layout.entries:
            p, q = network.parts(entry.name, entry.shape)
            self._fixed["P" + entry.name], self._fixed["Q" + entry.name] = _tensor(p), _tensor(q)
            for task in experts:
                self._fixed[task + "/" + entry.name] = _tensor(network.samples(task, entry.name, entry.shape))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("/".join(sorted(self.tasks)).encode()).hexdigest()

    def own(self, expert: str) -> tuple[str, ...]:
        return (expert,)

    def batches(self, task: str) -> int:
        return network.ROWS // BATCH

    def watch(self, task: str, see: See) -> None:
        self.asked.add("watch")
        with torch.no_grad():
            for batch in range(self.batches(task)):
                self._forward(self.weights, task, batch, see)

    def remember(self, expert: str) -> None:
        self.asked.add("remember")
        with torch.no_grad():
            for batch in range(self.batches(expert)):
                self._aims[f"{expert}/{batch}"] = [self._forward(self.weights, expert, batch)]

    def slope(self, task: str, loss: Loss, batch: int, scale: float) -> float:
        self.asked.add(loss)
        flat = self.weights.clone().requires_grad_(True)
        logs = self._forward(flat, task, batch).log_softmax(-1)
        if loss == "labels":
            place = slice(batch * BATCH, (batch + 1) * BATCH)
            value = torch.nn.functional.nll_loss(logs, torch.from_numpy(network.labels(task)[place]))
        else:
            wanted = logs.exp() if loss == "entropy" else self._aims[f"{task}/{batch}"][0].softmax(-1)
            value = -(wanted * logs).sum(-1).mean()
        (slope,) = torch.autograd.grad(value, flat)
        self.gradient.add_(slope, alpha=scale)
        return float(value.detach())

    def squares(self, task: str) -> None:
        self.asked.add("squares")
        flat = self.weights.clone().requires_grad_(True)
        logs = torch.cat([self._forward(flat, task, batch) for batch in range(self.batches(task))]).log_softmax(-1)
        for row in logs:
            for value in row:
                (slope,) = torch.autograd.grad(value, flat, retain_graph=True)
                self.gradient.add_(slope.square(), alpha=float(value.detach().exp()) / len(logs))

    def score(self) -> dict[str, float]:
        self.asked.add("score")
        found = {}
        for task in self.tasks:
            with torch.no_grad():
                logs = torch.cat([self._forward(self.weights, task, b) for b in range(self.batches(task))])
            targets = torch.from_numpy(network.labels(task))
            found[task] = -float(torch.nn.functional.cross_entropy(logs, targets))
        return found

    def maximise(self, function, low, high, start, looks) -> list[tuple[list[float], float]]:
        self.asked.add("maximise")
        found = maximise(lambda point: function(point.tolist()), low, high, np.array(start), looks)
        return list(zip(found.X.tolist(), found.values.tolist(), strict=True))

    def tell(self, phase: str, done: int, of: int) -> None:
        assert phase and 0 <= done <= of

    def _forward(self, flat: Tensor, task: str, batch: int, see: See | None = None) -> Tensor:
        place = slice(batch * BATCH, (batch + 1) * BATCH)
        h = torch.zeros(BATCH, network.WIDTH)
        for entry in self.layout.entries:
            weight = self.layout.view(flat, entry)
            p, q = self._fixed["P" + entry.name], self._fixed["Q" + entry.name]
            how: How | None = network.how_of(entry.name, entry.shape)  # type: ignore[assignment]
            if how is None:
                h = h + 0.1 * weight.mean() * p.mean(1)
                continue
            x = self._fixed[task + "/" + entry.name][place] + h @ p
            if see is not None and see(entry.name, how, x):
                break
            y = x * weight if how == "scale" else x @ weight.reshape(len(weight), -1).T
            h = 0.5 * h + torch.tanh(y @ q)
        return h @ self._fixed["head"]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()
