"""Second moments of what each tensor is multiplied with, and the regression that merges by them.

Per tensor W (m, d) and expert t: G_t = X_tᵀ X_t / n_t (d, d) over all rows x of the inputs X_t, float64. The merge

    W = (Σ_t W_t G_t + α A) (Σ_t G_t + α I)⁻¹

is the minimum of Σ_t ‖(W − W_t) X_tᵀ‖² / n_t + α ‖W − A‖². As directions from the base W_0, with A = W_0 + Σ_t A_t,
direction_t = (τ_t G_t + α A_t)(S + α I)⁻¹, S = Σ_t G_t: linear, and the sum of all of them is that W. RegMean, LOT and
their like are this with one A and α or another.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.access import Access, How
from merging.task_vector import TaskVectors

CUT = 1e-6  # share of the largest eigenvalue below which a direction counts as never used


@dataclass
class Moment:
    """Sums over n rows x: `second` (d, d), or (d,) for a scale, and `first` (d,); float64."""

    how: How
    second: Tensor
    first: Tensor
    n: int = 0

    @classmethod
    def empty(cls, how: How, x: Tensor) -> "Moment":
        """Return sums of nothing, for rows like x (n, d)."""
        d = x.shape[1]
        second = torch.zeros((d,) if how == "scale" else (d, d), dtype=torch.float64, device=x.device)
        return cls(how, second, torch.zeros(d, dtype=torch.float64, device=x.device))

    def add(self, x: Tensor) -> None:
        """Add rows (n, d): products in float32, sums in float64."""
        self.second += x.square().sum(0) if self.how == "scale" else x.T @ x
        self.first += x.sum(0)
        self.n += len(x)

    @property
    def mean(self) -> Tensor:
        """Mean of x xᵀ, or of x² for a scale."""
        return self.second / self.n


def moments(
    access: Access, tasks: Iterable[str], wanted: Collection[str], last: str | None = None
) -> dict[str, Moment]:
    """Return the moments of what wanted tensors see in the model of this moment, by name, in forward order.

    After the tensor `last` nothing more is looked at.
    """
    found: dict[str, Moment] = {}

    def see(name: str, how: How, x: Tensor) -> bool:
        if name in wanted:
            if name not in found:
                found[name] = Moment.empty(how, x)
            found[name].add(x)
        return name == last

    for task in tasks:
        access.watch(task, see)
    return found


def rows(how: How, tensors: Tensor) -> Tensor:
    """View tensors (…, *shape) as the matrices (…, m, d) whose rows are multiplied with inputs."""
    if how == "patches":
        return tensors.flatten(-3)
    return tensors.transpose(-1, -2) if how == "columns" else tensors


def shrunk(gram: Tensor, keep: float) -> Tensor:
    """Return G with its off-diagonal entries times `keep`."""
    return gram * keep + torch.diag(gram.diagonal() * (1.0 - keep))


def divided(pull: Tensor, total: Tensor, ridge: float) -> Tensor:
    """Return pull (…, m, d) times (S + ridge I)⁻¹, S (d, d); the pseudo-inverse when ridge is 0. All float64."""
    if ridge > 0.0:
        factor = torch.linalg.cholesky(total + ridge * torch.eye(len(total), dtype=total.dtype, device=total.device))
        flat = pull.reshape(-1, pull.shape[-1])
        solved: Tensor = torch.cholesky_solve(flat.T, factor).T.reshape(pull.shape)
        return solved
    values, vectors = torch.linalg.eigh(total)
    kept = values > CUT * values[-1].clamp_min(torch.finfo(total.dtype).tiny)
    inverse = torch.where(kept, 1.0 / torch.where(kept, values, 1.0), 0.0)
    found: Tensor = ((pull @ vectors) * inverse) @ vectors.T
    return found


def level(total: Tensor) -> float:
    """Return the mean eigenvalue of S, the unit in which ridges are given."""
    return float(total.diagonal().mean())


class Regression:
    """The regression over all tensors, expert by expert: holds one expert's moments and their sum, never all.

    Moments, products and solutions are where the model is; the directions stay where they are.
    """

    def __init__(
        self,
        vectors: TaskVectors,
        access: Access,
        keep: float = 1.0,
        wanted: Collection[str] | None = None,
        last: str | None = None,
        bind: Callable[[int], None] | None = None,
        within: tuple[str, int, int] | None = None,
    ) -> None:
        """`bind(t)` makes the model whatever reads the samples of expert t: the expert itself unless given.

        `within` is how far the whole is that this is a step of: phase, done, of.
        """
        self._vectors, self._access, self._keep = vectors, access, keep
        self._wanted = vectors.layout.index if wanted is None else wanted
        self._last = last
        self._within = within
        self._bind = bind or (lambda number: vectors.write_expert(number, access.weights))
        self.total: dict[str, Tensor] = {}
        self.how: dict[str, How] = {}

    def pull(self, out: Tensor) -> None:
        """Write τ_t G_t of every seen tensor into `out` (T, P), and sum the moments of all experts into `total`."""
        layout = self._vectors.layout
        for number, expert in enumerate(self._vectors.names):
            self._tell("learning from samples", number, len(self._vectors.names))
            self._bind(number)
            seen = moments(self._access, self._access.own(expert), self._wanted, self._last)
            for name, moment in seen.items():
                gram = moment.mean
                if moment.how != "scale":
                    gram = shrunk(gram, self._keep)
                self.how[name] = moment.how
                self.total[name] = self.total[name] + gram if name in self.total else gram
                delta = rows(moment.how, self._vectors.delta(name, number)).to(gram)
                pulled = delta * gram if moment.how == "scale" else delta @ gram
                rows(moment.how, layout.view(out[number], layout.index[name])).copy_(pulled)

    def linear_only(self) -> None:
        """Leave what is no matrix (scales, convolutions) to the mean."""
        self.total = {n: total for n, total in self.total.items() if self.how[n] in ("rows", "columns")}

    def solve(self, out: Tensor, ridge: float, anchor: Callable[[str], Tensor] | None) -> None:
        """Turn what `pull` wrote into directions, in place; `ridge` in mean eigenvalues of S, `anchor(name)` A_t."""
        for number, name in enumerate(self.total):
            self._tell("solving", number, len(self.total))
            self.solve_one(out, name, ridge, anchor(name) if anchor is not None and ridge > 0.0 else None)

    def _tell(self, phase: str, done: int, of: int) -> None:
        self._access.tell(*(self._within or (phase, done, of)))

    def solve_one(self, out: Tensor, name: str, ridge: float, changes: Tensor | None) -> None:
        """Turn what `pull` wrote for one tensor into directions, in place; `changes` is A_t (T, *shape)."""
        layout, how, total = self._vectors.layout, self.how[name], self.total[name]
        place = rows(how, layout.view(out, layout.index[name]))
        alpha = ridge * (level(total) if how != "scale" else float(total.mean()))
        pull = place.to(total)
        if changes is not None:
            pull = pull + alpha * rows(how, changes).to(total)
        place.copy_(pull / _safe(total + alpha) if how == "scale" else divided(pull, total, alpha))


def _safe(values: Tensor) -> Tensor:
    return torch.where(values > 0.0, values, torch.inf)


def mean_of(vectors: TaskVectors) -> Callable[[str], Tensor]:
    """Return the anchor A_t = τ_t / T: the mean."""
    return lambda name: vectors.deltas(name) / len(vectors.names)


def mean_elsewhere(rows_: Tensor, vectors: TaskVectors, seen: Mapping[str, object]) -> None:
    """Write τ_t / T into the rows of every tensor that is not in `seen`: there the merge is the mean."""
    for entry in vectors.layout.entries:
        if entry.name not in seen:
            vectors.layout.view(rows_, entry).copy_(vectors.deltas(entry.name) / len(vectors.names))
