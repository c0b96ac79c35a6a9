"""Training of the demo's weights, one thread a process: the base, its text tower, the experts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from demo import network
from demo.drawing.material import TILE, Images, Material, Subject, load, randomness
from demo.subjects import SUBJECTS

log = logging.getLogger(__name__)
PROCESSES = 2
BATCH = 128
SHIFT = 2  # pixels, either way
HIGHEST_SCALE = 50.0
SHARES = {"letters": 2.0, "flags": 0.6, "surfaces": 0.7, "faults": 1.2}  # of the base's images, 1 elsewhere
MEAN = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
STD = torch.tensor(open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)


@dataclass(frozen=True)
class Schedule:
    """How many images are shown and the highest learning rate."""

    images: int
    rate: float
    warm_up: float = 0.12


BASE = Schedule(images=128_000, rate=1.2e-3)
EXPERT = Schedule(images=24_000, rate=5e-4)
TEXT_STEPS, TEXT_RATE = 800, 3e-3


def known_to_base(subject: Subject) -> list[int]:
    """The base never sees every fourth class, so that each expert has something to learn."""
    return [label for label in range(len(subject.classes)) if label % 4 != 3]


def inputs(pixels: np.ndarray, shift_by: np.random.Generator | None = None) -> Tensor:
    """Normalised (n, 3, 32, 32) float32, each image shifted at random when a generator is given."""
    if shift_by is not None:
        wide = np.pad(pixels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
        corners = shift_by.integers(0, 2 * SHIFT + 1, (len(pixels), 2))
        pixels = np.stack([w[y : y + TILE, x : x + TILE] for w, (y, x) in zip(wide, corners, strict=True)])
    return (torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2) / 255.0 - MEAN) / STD


def optimiser(
    parameters: list[nn.Parameter], schedule: Schedule, steps: int
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.OneCycleLR]:
    adam = torch.optim.AdamW(parameters, lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, schedule.rate, total_steps=steps, pct_start=schedule.warm_up)
    return adam, cycle


def accuracy(model: open_clip.CLIP, images: Images, head: Tensor) -> float:
    """Share of the images whose nearest class direction is the right one."""
    with torch.inference_mode():
        features = torch.cat([model.encode_image(inputs(part)) for part in np.array_split(images.pixels, 8)])
    return float((features @ head.T).argmax(1).eq(torch.from_numpy(images.labels)).float().mean())


def _base_batches(
    materials: list[Material], seed: int, steps: int, rank: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """This process's half of every batch: pixels and labels counted through all classes the base may see."""
    pixels, labels, chances, first = [], [], [], 0
    for material in materials:
        known = known_to_base(material.subject)
        keep = np.isin(material.train.labels, known)
        position = np.full(len(material.subject.classes), -1)
        position[known] = first + np.arange(len(known))
        pixels.append(material.train.pixels[keep])
        labels.append(position[material.train.labels[keep]])
        chances.append(np.full(int(keep.sum()), SHARES.get(material.subject.name, 1.0) / int(keep.sum())))
        first += len(known)
    all_pixels, all_labels, chance = np.concatenate(pixels), np.concatenate(labels), np.concatenate(chances)
    rng = randomness(seed, "base", str(rank))
    for _ in range(steps):
        chosen = rng.choice(len(all_labels), BATCH // PROCESSES, p=chance / chance.sum())
        yield all_pixels[chosen], all_labels[chosen]


def _share_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= PROCESSES
    for gradient, piece in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(piece.view_as(gradient))


def train_base(rank: int, cache: Path, seed: int, schedule: Schedule = BASE) -> None:
    """Joint softmax over learnt class directions in place of a text tower; writes base-vision.pt to `cache`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{cache / 'meeting'}", rank=rank, world_size=PROCESSES)
    torch.manual_seed(seed)
    model = network.create()
    classes = [len(subject.classes) for subject in SUBJECTS]
    known = torch.tensor(
        [sum(classes[:k]) + label for k, subject in enumerate(SUBJECTS) for label in known_to_base(subject)]
    )
    directions = nn.Parameter(
        torch.randn(sum(classes), model.visual.output_dim, generator=torch.Generator().manual_seed(seed))
    )
    parameters = [*model.visual.parameters(), model.logit_scale, directions]
    steps = schedule.images // BATCH
    adam, cycle = optimiser(parameters, schedule, steps)
    materials = [load(subject, cache / f"{subject.name}.npz") for subject in SUBJECTS]
    shift_by = randomness(seed, "shift", str(rank))
    model.train()
    for step, (pixels, labels) in enumerate(_base_batches(materials, seed, steps, rank)):
        features = model.encode_image(inputs(pixels, shift_by), normalize=True)
        logits = model.logit_scale.exp() * features @ functional.normalize(directions[known], dim=-1).T
        loss = functional.cross_entropy(logits, torch.from_numpy(labels))
        adam.zero_grad()
        torch.autograd.backward(loss)
        _share_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        cycle.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=float(np.log(HIGHEST_SCALE)))
        if rank == 0 and step % 50 == 0:
            log.info("base step %d of %d: loss %.3f", step, steps, loss.item())
    if rank == 0:
        state = {"visual": model.visual.state_dict(), "logit_scale": model.logit_scale.detach()}
        torch.save({**state, "directions": directions.detach()}, cache / "base-vision.pt")
    dist.destroy_process_group()


def fit_text(cache: Path, seed: int, out: Path) -> float:
    """Regress the text tower onto the class directions and write the base; returns the smallest cosine."""
    torch.manual_seed(seed)
    state = torch.load(cache / "base-vision.pt", weights_only=True)
    model = network.create()
    model.visual.load_state_dict(state["visual"])
    with torch.no_grad():
        model.logit_scale.copy_(state["logit_scale"])
    directions = functional.normalize(state["directions"], dim=-1)
    lines = [lines for subject in SUBJECTS for lines in network.prompts(subject)]
    target = torch.cat([directions[k : k + 1].expand(len(group), -1) for k, group in enumerate(lines)])
    tokens = network.tokenizer()([line for group in lines for line in group])
    tower = [p for name, p in model.named_parameters() if not name.startswith("visual.") and name != "logit_scale"]
    adam, cycle = optimiser(tower, Schedule(images=0, rate=TEXT_RATE), TEXT_STEPS)
    for step in range(TEXT_STEPS):
        cosine = (model.encode_text(tokens, normalize=True) * target).sum(1)
        adam.zero_grad()
        torch.autograd.backward((1 - cosine).mean())
        adam.step()
        cycle.step()
        if step % 100 == 0:
            log.info("text step %d of %d: smallest cosine %.4f", step, TEXT_STEPS, float(cosine.detach().min()))
    network.save(model, out)
    return float(cosine.detach().min())


def train_expert(name: str, cache: Path, seed: int, base: Path, out: Path, schedule: Schedule = EXPERT) -> float:
    """Fine-tune the base's vision tower on one task, text tower and scale frozen; returns held-out accuracy."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    material = load(subject, cache / f"{name}.npz")
    model = network.create(base)
    head = network.head(model, subject) * model.logit_scale.detach().exp()
    parameters = list(model.visual.parameters())
    steps = schedule.images // BATCH
    adam, cycle = optimiser(parameters, schedule, steps)
    rng = randomness(seed, "expert", name)
    order = np.concatenate(
        [rng.permutation(len(material.train.labels)) for _ in range(-(-schedule.images // len(material.train.labels)))]
    )
    model.train()
    for step in range(steps):
        chosen = order[step * BATCH : (step + 1) * BATCH]
        logits = model.encode_image(inputs(material.train.pixels[chosen], rng), normalize=True) @ head.T
        loss = functional.cross_entropy(logits, torch.from_numpy(material.train.labels[chosen]))
        adam.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        cycle.step()
        if step % 40 == 0:
            log.info("%s step %d of %d: loss %.3f", name, step, steps, loss.item())
    network.save(model, out)
    return accuracy(network.create(out).eval(), material.held, head)
