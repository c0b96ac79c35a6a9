"""PLeaS: least squares from the mean of what enters the experts' layers to the mean of what leaves them."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from merging.access import Access, How
from merging.architecture.matching import hidden_order, pairs
from merging.learning.forward_order import Use, bias_name, inputs, stages
from merging.learning.moments import divided, level, rows
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors

LINEAR = ("rows", "columns", "patches")


@dataclass(frozen=True)
class Pleas(Method):
    """PLeaS at the experts' own width (Nasery et al., arXiv 2407.02447; the authors' code SewoongLab/PLeaS-Merging).

    First each expert's hidden units are put in the base's order, MLP by MLP, by weight matching (Git Re-Basin,
    arXiv 2209.04836, § 3.2): of experts of one base all are in place, shuffled ones are brought back. Then per linear
    layer (a convolution is one, of its patches), on the samples of all tasks, with x_t what enters the layer in expert
    t on its own, x̄ = Σ x_t / T and ȳ = Σ_t (W_t x_t + b_t) / T: W, b = argmin E ‖W x̄ + b − ȳ‖² + α ‖W − Σ W_t / T‖².
    Everything else is the mean. As directions: each expert's share of W − W_0, so that coefficients 1 are PLeaS.

    Deviations: the closed form, where the authors take 400 steps of Adam; any number of experts, theirs are two; a
    pull α of 1e-6 mean eigenvalues towards the mean, so that directions which no sample uses are averaged. Left out:
    widths between that of one expert and of all together, in which units that match badly are kept apart (such a
    checkpoint is of no architecture that a library could load), and orders of heads and of the residual stream.

    Cost: T times FeatCal, as every expert reads the samples of every task, block by block. Memory: what enters one
    block in every expert on one task, and T + 1 Gram matrices of each of its layers.
    Measured for ViT-B/32, 2 experts, 1 thread: 8.6 minutes of one core for 64 samples a task (on the line through 2
    and 8), 2.8 GB with the model.
    """

    name: ClassVar[str] = "pleas"
    title: ClassVar[str] = "PLeaS"
    summary: ClassVar[str] = "Puts hidden units in one order, then lets each layer answer as the experts' mean does."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2407.02447", "PLeaS: Merging Models with Permutations and Least Squares", 2025, "Nasery et al."
    )

    ridge: Annotated[float, Range(1e-9, 10.0, "Pull towards the mean, in mean eigenvalues of the Gram matrix.")] = 1e-6

    def learn(self, rows_: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Match the hidden units, then solve block by block."""
        order = stages(access, vectors.layout)
        places = Places(vectors, {name: how for stage in order for name, how in stage})
        for entry in vectors.layout.entries:
            mean = torch.stack([places.change(entry.name, t) for t in range(len(vectors.names))]) / len(vectors.names)
            vectors.layout.view(rows_, entry).copy_(mean)
        solved = 0
        for number, stage in enumerate(order):
            access.tell("learning block by block", number, len(order))
            linear = [(name, how) for name, how in stage if how in LINEAR]
            if linear:
                self._stage(rows_, vectors, access, stage, linear, places)
                solved += len(linear)
        return {"layers": solved, "out of place": places.moved}

    def _stage(
        self,
        rows_: Tensor,
        vectors: TaskVectors,
        access: Access,
        stage: list[Use],
        linear: list[Use],
        places: "Places",
    ) -> None:
        """Add up what enters the layers of one block, then solve them."""
        sums: dict[str, Sums] = {}
        for task in access.tasks:
            entered = []
            for expert in range(len(vectors.names)):
                vectors.write_expert(expert, access.weights)
                entered.append(inputs(access, [task], stage))
            for name, _ in linear:
                # In float64: in float32 a Gram matrix of few samples is not positive, and the pull is small.
                xs = [places.entering(name, t, torch.cat(found[name]).double()) for t, found in enumerate(entered)]
                sums.setdefault(name, Sums.empty(xs)).add(xs, 1.0 / len(access.tasks))
        for name, how in linear:
            self._solve(rows_, vectors, name, how, sums[name], places)

    def _solve(self, rows_: Tensor, vectors: TaskVectors, name: str, how: How, sums: "Sums", places: "Places") -> None:
        """Write each expert's share of one layer, and of its bias."""
        layout, count = vectors.layout, len(vectors.names)
        base = rows(how, vectors.base_tensor(name)).to(sums.gram)
        deltas = [rows(how, places.change(name, t)).to(sums.gram) for t in range(count)]
        bias = bias_name(name, layout)
        bias = bias if bias is not None and len(vectors.shape(bias)) == 1 else None
        gram, crosses = sums.centred() if bias is not None else (sums.gram, sums.crosses)
        ridge = self.ridge * level(gram)
        pulls = [
            ((base + delta) @ cross - base @ gram + ridge * delta) / count
            for delta, cross in zip(deltas, crosses, strict=True)
        ]
        shares = divided(torch.stack(pulls), gram, ridge)
        rows(how, layout.view(rows_, layout.index[name])).copy_(shares)
        if bias is None:
            return
        moved = [places.change(bias, t).to(sums.gram) for t in range(count)]
        found = [
            (moved[t] + (base + deltas[t]) @ sums.means[t] - base @ sums.mean) / count - shares[t] @ sums.mean
            for t in range(count)
        ]
        layout.view(rows_, layout.index[bias]).copy_(torch.stack(found))


class Places:
    """Where each expert has the base's hidden units; `moved` is the share of units that are out of place."""

    def __init__(self, vectors: TaskVectors, how: dict[str, How]) -> None:
        self._vectors = vectors
        self._leaving: list[dict[str, Tensor]] = [{} for _ in vectors.names]
        self._entering: list[dict[str, Tensor]] = [{} for _ in vectors.names]
        apart = units = 0
        shapes = {entry.name: entry.shape for entry in vectors.layout.entries}
        for first, second in pairs(shapes):
            gate, bias = first.replace("up_proj", "gate_proj"), bias_name(first, vectors.layout)
            if gate != first and gate in shapes:
                continue  # the units of a gated MLP have a third matrix
            # Samples tell how a weight lies; in a tower that none goes through, its bias has as many numbers as rows.
            if how.get(first) != "rows" and (first in how or bias is None or shapes[bias] != shapes[first][:1]):
                continue
            ours = [vectors.base_tensor(name).double() for name in (first, second)]
            for expert in range(len(vectors.names)):
                theirs = [w + vectors.delta(name, expert) for w, name in zip(ours, (first, second), strict=True)]
                order = hidden_order((ours[0].numpy(), ours[1].numpy()), (theirs[0].numpy(), theirs[1].numpy()))
                units, apart = units + len(order), apart + int((order != range(len(order))).sum())
                places = torch.from_numpy(order)
                self._leaving[expert] |= {name: places for name in (first, bias) if name is not None}
                self._entering[expert][second] = places
        self.moved = apart / units if units else 0.0

    def entering(self, name: str, expert: int, x: Tensor) -> Tensor:
        """What enters a layer, (n, d), with the units in the base's order."""
        order = self._entering[expert].get(name)
        return x if order is None else x[:, order.to(x.device)]

    def change(self, name: str, expert: int) -> Tensor:
        """Expert − base of one tensor, with the expert's units in the base's order."""
        out, entering = self._leaving[expert].get(name), self._entering[expert].get(name)
        delta = self._vectors.delta(name, expert)
        if out is None and entering is None:
            return delta
        base = self._vectors.base_tensor(name)
        whole = base + delta
        whole = whole if out is None else whole[out]
        return (whole if entering is None else whole[:, entering]) - base


@dataclass
class Sums:
    """Means over rows of x̄ x̄ᵀ (d, d), of x_t x̄ᵀ (T, d, d), of x̄ (d,) and of x_t (T, d), float64."""

    gram: Tensor
    crosses: Tensor
    mean: Tensor
    means: Tensor

    @classmethod
    def empty(cls, xs: list[Tensor]) -> "Sums":
        d, count, like = xs[0].shape[1], len(xs), xs[0]
        return cls(like.new_zeros(d, d), like.new_zeros(count, d, d), like.new_zeros(d), like.new_zeros(count, d))

    def add(self, xs: list[Tensor], share: float) -> None:
        """Add the rows (n, d) of one task in every expert."""
        mean = sum(xs[1:], xs[0]) / len(xs)
        share /= len(mean)
        self.gram.add_(mean.T @ mean, alpha=share)
        self.mean.add_(mean.sum(0), alpha=share)
        for number, x in enumerate(xs):
            self.crosses[number].add_(x.T @ mean, alpha=share)
            self.means[number].add_(x.sum(0), alpha=share)

    def centred(self) -> tuple[Tensor, Tensor]:
        """Gram and crosses about the means."""
        gram = self.gram - torch.outer(self.mean, self.mean)
        return gram, self.crosses - self.means[:, :, None] * self.mean
