"""A joint model of several demo tasks, the line that merges are held to: `python -m demo.joint --cache FOLDER`.

The base's vision tower is trained on all tasks at once, with equal weights, as each expert was on one: the same images,
rate and schedule, and as many images as all the experts together. Heads and scale are frozen, as they are for the
experts. The images come from `python -m demo.make --cache FOLDER images`.

--samo: sharpness-aware (Ban et al., arXiv 2507.07883; the authors' code OptMN-Lab/SAMO). Each task's gradient is taken
at weights moved by ρ along (1 − β) g + β ‖g‖ ĝ_t / ‖ĝ_t‖ per tensor, g the mean gradient and ĝ_t task t's from two
forward passes along one random direction; ρ = 0.001 and β = 0.1 as in that code. Three times the passes.

--rep-mtl: the task-specific saliency regulation of Rep-MTL (Wang et al., arXiv 2507.21049), after its abstract: a
task's saliency is the gradient of its loss by the shared representation; the mean entropy over tasks of each channel's
shares of saliency is penalised, so that channels belong to tasks. Its cross-task alignment compares the saliencies of
one sample for several tasks; here each sample has one task, so it does not apply.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from demo import network
from demo.drawing.material import Material, load, randomness
from demo.subjects import TASKS
from demo.training import BATCH, EXPERT, Schedule, accuracy, inputs, optimiser

RHO, BETA, STEP = 1e-3, 0.1, 1e-2
ENTROPY = 0.05
log = logging.getLogger("demo.joint")
Batch = tuple[Tensor, Tensor, Tensor]  # images, targets, head of one task


@dataclass(frozen=True)
class Options:
    """What is added to equal weights."""

    samo: bool = False
    saliency: bool = False


def losses(model: open_clip.CLIP, batches: list[Batch]) -> tuple[list[Tensor], list[Tensor]]:
    """The cross-entropy of each task's batch, and the representation (n, width) that it was read from."""
    seen = [model.encode_image(images, normalize=True) for images, _, _ in batches]
    found = [
        functional.cross_entropy(features @ head.T, targets)
        for features, (_, targets, head) in zip(seen, batches, strict=True)
    ]
    return found, seen


def entropy_of_saliency(found: list[Tensor], seen: list[Tensor]) -> Tensor:
    """Mean entropy of the tasks' shares in every channel's saliency, in units of the most there can be (0 to 1)."""
    saliency = torch.stack(
        [
            torch.autograd.grad(loss, features, create_graph=True)[0].abs().mean(0)
            for loss, features in zip(found, seen, strict=True)
        ]
    )
    shares = saliency / saliency.sum(0).clamp_min(1e-12)
    return -(shares * shares.clamp_min(1e-12).log()).sum(0).mean() / float(np.log(len(found)))


def plain_step(model: open_clip.CLIP, batches: list[Batch], options: Options) -> float:
    """Gradients of the mean loss; the loss."""
    found, seen = losses(model, batches)
    mean = torch.stack(found).mean()
    total = mean + ENTROPY * entropy_of_saliency(found, seen) if options.saliency else mean
    torch.autograd.backward(total)
    return float(mean.detach())


def samo_step(model: open_clip.CLIP, batches: list[Batch], options: Options, dice: torch.Generator) -> float:
    """Gradients at each task's perturbed weights, their mean; the mean loss before it."""
    parameters = [p for p in model.visual.parameters()]
    mean = plain_step(model, batches, options)
    shared = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
    total = [torch.zeros_like(p) for p in parameters]
    for batch in batches:
        moves = _perturbation(model, parameters, shared, batch, dice)
        _moved(parameters, moves, 1.0)
        for parameter in parameters:
            parameter.grad = None
        torch.autograd.backward(losses(model, [batch])[0][0] / len(batches))
        _moved(parameters, moves, -1.0)
        for sum_, parameter in zip(total, parameters, strict=True):
            if parameter.grad is not None:
                sum_ += parameter.grad
    for sum_, parameter in zip(total, parameters, strict=True):
        parameter.grad = sum_
    return mean


def _perturbation(
    model: open_clip.CLIP, parameters: list[nn.Parameter], shared: list[Tensor], batch: Batch, dice: torch.Generator
) -> list[Tensor]:
    """ρ times the unit vector along both gradients of one task."""
    directions = [torch.randn(p.shape, generator=dice) for p in parameters]
    with torch.no_grad():
        here = losses(model, [batch])[0][0]
        _moved(parameters, directions, STEP)
        slope = float(losses(model, [batch])[0][0] - here) / STEP
        _moved(parameters, directions, -STEP)
    both = [
        (1.0 - BETA) * g + BETA * g.norm() * float(np.sign(slope)) * v / v.norm().clamp_min(1e-12)
        for g, v in zip(shared, directions, strict=True)
    ]
    size = torch.stack([one.norm() for one in both]).norm().clamp_min(1e-12)
    return [RHO * one / size for one in both]


def _moved(parameters: list[nn.Parameter], moves: list[Tensor], scale: float) -> None:
    with torch.no_grad():
        for parameter, move in zip(parameters, moves, strict=True):
            parameter.add_(move, alpha=scale)


def train(
    materials: list[Material], base: Path, seed: int, options: Options, schedule: Schedule, out: Path
) -> dict[str, float]:
    """Train, write the weights to ``out``, and return the accuracy on each task's held-out images."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = network.create(base)
    scale = model.logit_scale.detach().exp()
    heads = [network.head(model, material.subject) * scale for material in materials]
    parameters = list(model.visual.parameters())
    each = BATCH // len(materials)
    steps = schedule.images // each
    adam, cycle = optimiser(parameters, schedule, steps)
    rng, dice = randomness(seed, "joint"), torch.Generator().manual_seed(seed)
    model.train()
    step_of: Callable[[list[Batch]], float] = (
        (lambda batches: samo_step(model, batches, options, dice))
        if options.samo
        else (lambda batches: plain_step(model, batches, options))
    )
    for step in range(steps):
        batches = []
        for material, head in zip(materials, heads, strict=True):
            chosen = rng.integers(len(material.train.labels), size=each)
            targets = torch.from_numpy(material.train.labels[chosen])
            batches.append((inputs(material.train.pixels[chosen], rng), targets, head))
        adam.zero_grad()
        loss = step_of(batches)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        cycle.step()
        if step % 40 == 0:
            log.info("step %d of %d: loss %.3f", step, steps, loss)
    network.save(model, out)
    kept = network.create(out).eval()
    return {
        material.subject.name: accuracy(kept, material.held, head / scale)
        for material, head in zip(materials, heads, strict=True)
    }


def main() -> None:
    """Train one joint model and print what it reaches as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="the folder of drawn images")
    parser.add_argument("--tasks", default="digits,signs,flags")
    parser.add_argument("--samo", action="store_true")
    parser.add_argument("--rep-mtl", action="store_true")
    parser.add_argument("--images", type=int, default=EXPERT.images, help="of each task")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    given = parser.parse_args()
    names = given.tasks.split(",")
    unknown = [name for name in names if name not in TASKS]
    if unknown or len(names) < 2:
        parser.error(f"'{given.tasks}' must be two or more of {', '.join(TASKS)}.")
    missing = [name for name in names if not (given.cache / f"{name}.npz").exists()]
    if missing:
        parser.error(f"'{given.cache}' has no images of {missing[0]}: python -m demo.make --cache {given.cache} images")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    materials = [load(TASKS[name][0], given.cache / f"{name}.npz") for name in names]
    options, schedule = Options(given.samo, given.rep_mtl), Schedule(given.images, EXPERT.rate)
    reached = train(materials, network.MODELS / "base.safetensors", given.seed, options, schedule, given.out)
    print(json.dumps({"samo": given.samo, "rep_mtl": given.rep_mtl, "held": reached}))


if __name__ == "__main__":
    main()
