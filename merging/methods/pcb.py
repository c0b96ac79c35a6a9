"""PCB: let the experts compete for each weight."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import kth_values
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors, by_expert

OUTLIERS = 1e-4  # share of the smallest and of the largest |τ| that is clamped
SMALLEST = 1e-12


@dataclass(frozen=True)
class Survey:
    """For each expert: the range of clamped |τ|, and the threshold and the largest of the scores."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    threshold: tuple[float, ...]
    best: tuple[float, ...]


@dataclass(frozen=True)
class Pcb(Method):
    """PCB-Merging (Du et al., arXiv 2410.02396), as in the authors' `pcb-merging.py`.

    x_t = τ_t with |τ_t| clamped to all but the outermost 0.01 % of the model; intra-balancing
    exp(T · norm(|x_t|)²), inter-balancing tanh(τ_t ⊙ Σ_j τ_j); their product, clamped from below to the
    `ratio` best of the model and brought to [0, 1], is β̂_t; merged = base + Σ c_t β̂_t ⊙ x_t / Σ_j β̂_j. The
    scores do not depend on the coefficients.
    """

    name: ClassVar[str] = "pcb"
    title: ClassVar[str] = "PCB"
    summary: ClassVar[str] = "Lets the experts compete for each weight by how strong and how agreed they are."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2410.02396", "Parameter Competition Balancing for Model Merging", 2024, "Du et al.")

    ratio: Annotated[float, Range(0.001, 0.999, "Share of the weights that an expert can win.")] = 0.1

    def default(self, experts: int) -> float:
        """Return 1.2, as published."""
        return 1.2

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def survey(self, vectors: TaskVectors) -> Survey:
        """Find the clamps of |τ|, then the threshold and the largest of the scores, over the whole model."""
        total, count = vectors.layout.parameters, len(vectors.names)
        first = [int(total * OUTLIERS) + 1] * count
        last = [max(first[0], int(total * (1.0 - OUTLIERS) - 1) + 1)] * count

        def sizes() -> Iterable[Tensor]:
            for _, _, deltas in vectors.each_rows():
                yield deltas.abs().repeat(2, *[1] * (deltas.dim() - 1))

        clamps = kth_values(sizes, first + last)
        low, high = tuple(clamps[:count]), tuple(clamps[count:])
        chosen = [min(total, int(total * (1.0 - self.ratio)) + 1)] * count

        def scores() -> Iterable[Tensor]:
            for _, _, deltas in vectors.each_rows():
                yield _scores(deltas, low, high).repeat(2, *[1] * (deltas.dim() - 1))

        found = kth_values(scores, chosen + [total] * count)
        return Survey(low, high, tuple(found[:count]), tuple(found[count:]))

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Weigh each clamped change by its share of the scores."""
        if not isinstance(survey, Survey):
            raise TypeError("PCB needs its survey")
        threshold, best = by_expert(survey.threshold, deltas), by_expert(survey.best, deltas)
        scores = _scores(deltas, survey.low, survey.high).clamp_min(threshold)
        scores = (scores - threshold) / (best - threshold).clamp_min(torch.finfo(scores.dtype).tiny)
        clamped = deltas.sign() * _clamped(deltas, survey.low, survey.high)
        return clamped * scores / scores.sum(0).clamp_min(SMALLEST)


def _clamped(deltas: Tensor, low: tuple[float, ...], high: tuple[float, ...]) -> Tensor:
    return deltas.abs().clamp(by_expert(low, deltas), by_expert(high, deltas))


def _scores(deltas: Tensor, low: tuple[float, ...], high: tuple[float, ...]) -> Tensor:
    """Return intra-balancing times inter-balancing, (T, *shape)."""
    least, most = by_expert(low, deltas), by_expert(high, deltas)
    share = (_clamped(deltas, low, high) - least) / (most - least).clamp_min(torch.finfo(deltas.dtype).tiny)
    return torch.exp(len(deltas) * share.square()) * torch.tanh(deltas * deltas.sum(0))
