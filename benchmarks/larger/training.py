"""Training of the larger study's models: a base that is vague about every task, an expert per task, a joint model.

The base learns from all tasks at once, as from captions that name two classes and not which of them it is: classes 0
and 1, 2 and 3, … of a task are told apart by none of its labels. It is right about half of the time and unsure where it
is not, as a zero-shot model is. An expert learns one task from the true labels. Heads are frozen rows at right angles
to each other, the same for all models; only the image tower is trained.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from demo.drawing.material import Material
from demo.network import BYTES
from demo.training import Schedule, optimiser
from evaluation.models.open_clip import open_clip_model

SCALE = 30.0  # of the logits: features and head rows have length 1
SHIFT = 4  # pixels, either way
LOOK = 50  # steps between two lines about the loss
EVERY = 512  # pictures per pass when accuracy is measured


@dataclass(frozen=True)
class Size:
    """How large the model is, and how long it is trained: steps, pictures a step, highest rate; the tasks (default:
    all that were drawn), samples a task by split, whether a CPU that has bfloat16 trains in it as a GPU does. Without
    a schedule for it there is no joint model."""

    width: int
    layers: int
    patch: int
    embed: int
    base: Schedule
    expert: Schedule
    joint: Schedule | None
    batch: int
    samples: dict[str, int]
    tasks: tuple[str, ...] | None = None
    half: bool = False


SIZES = {
    "large": Size(
        width=384,
        layers=8,
        patch=8,
        embed=256,
        base=Schedule(360_000, 6e-4),
        expert=Schedule(64_000, 2e-4),
        joint=Schedule(153_600, 2e-4),
        batch=256,
        samples={"calibration": 64, "validation": 60, "test": 200},
    ),
    # For CPUs: a tenth of the arithmetic per picture, and few of them.
    "medium": Size(
        width=256,
        layers=6,
        patch=16,
        embed=128,
        base=Schedule(51_200, 1e-3),
        expert=Schedule(9_600, 4e-4),
        joint=None,
        batch=128,
        samples={"calibration": 64, "validation": 40, "test": 100},
        tasks=("digits", "signs", "surfaces", "flags"),
        half=True,
    ),
    "tiny": Size(
        width=32,
        layers=2,
        patch=8,
        embed=128,
        base=Schedule(1024, 3e-3),
        expert=Schedule(512, 3e-3),
        joint=Schedule(512, 3e-3),
        batch=32,
        samples={"calibration": 8, "validation": 8, "test": 16},
    ),
}


@dataclass(frozen=True)
class Pictures:
    """The training pictures of some tasks on the device, each with an edge to be shifted in.

    pixels (n, side + 2 SHIFT, …, 3) uint8, labels (n,) counted through all tasks, first (T,) and count (T,).
    """

    pixels: Tensor
    labels: Tensor
    first: Tensor
    count: Tensor

    def batches(self, steps: int, batch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Which pictures (steps, batch), as many of each task, and how they are shifted (steps, batch, 2)."""
        dice = torch.Generator().manual_seed(seed)
        task = torch.randint(len(self.count), (steps, batch), generator=dice)
        inside = (torch.rand((steps, batch), generator=dice) * self.count[task]).long()
        moved = torch.randint(2 * SHIFT + 1, (steps, batch, 2), generator=dice)
        chosen = (self.first[task] + inside).to(self.pixels.device)
        return chosen, moved.to(self.pixels.device)

    def inputs(self, chosen: Tensor, moved: Tensor) -> Tensor:
        """Normalised pictures (n, 3, side, side)."""
        side = torch.arange(self.pixels.shape[1] - 2 * SHIFT, device=self.pixels.device)
        rows, columns = moved[:, :1] + side, moved[:, 1:] + side
        return normalised(self.pixels[chosen[:, None, None], rows[:, :, None], columns[:, None, :]])


def normalised(pixels: Tensor) -> Tensor:
    """(n, side, side, 3) uint8 to (n, 3, side, side) as open_clip's preprocessing does."""
    mean, std = (
        torch.tensor(each, device=pixels.device).view(1, 3, 1, 1)
        for each in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return (pixels.permute(0, 3, 1, 2) / 255.0 - mean) / std


def pictures(materials: Sequence[Material], device: torch.device, only: str | None = None) -> Pictures:
    """The training pictures of all tasks, or of one; labels are counted through all tasks either way."""
    pixels, labels, counts, start = [], [], [], 0
    for each in materials:
        if only in (None, each.subject.name):
            pixels.append(torch.from_numpy(each.train.pixels))
            labels.append(torch.from_numpy(each.train.labels) + start)
            counts.append(len(each.train.labels))
        start += len(each.subject.classes)
    wide = functional.pad(torch.cat(pixels).permute(0, 3, 1, 2).float(), [SHIFT] * 4, mode="replicate")
    count = torch.tensor(counts)
    return Pictures(
        wide.to(torch.uint8).permute(0, 2, 3, 1).contiguous().to(device),
        torch.cat(labels).to(device),
        count.cumsum(0) - count,
        count,
    )


def rows(materials: Sequence[Material], embed: int, seed: int) -> Tensor:
    """Head rows (C, D) of all tasks: length SCALE, at right angles to each other."""
    count = sum(len(each.subject.classes) for each in materials)
    if count > embed:
        raise ValueError(f"{count} classes have no rows at right angles in {embed} dimensions.")
    dice = torch.randn(embed, count, generator=torch.Generator().manual_seed(seed))
    return SCALE * torch.linalg.qr(dice).Q.T.contiguous()


def wanted(materials: Sequence[Material], vague: bool) -> Tensor:
    """What each class (C, C) is called: itself, or, where vague, it and its neighbour alike."""
    start, parts = 0, []
    for each in materials:
        count = len(each.subject.classes)
        parts += [start + label // 2 * 2 if vague else start + label for label in range(count)]
        start += count
    same = torch.tensor(parts)
    alike = (same[:, None] == same[None, :]).float()
    return alike / alike.sum(1, keepdim=True)


def write_heads(materials: Sequence[Material], every: Tensor, folder: Path) -> None:
    """One head file a task."""
    start = 0
    folder.mkdir(parents=True, exist_ok=True)
    for each in materials:
        classes = list(each.subject.classes)
        own = every[start : start + len(classes)].clone()
        path = folder / f"{each.subject.name}.safetensors"
        save_file({"weight": own}, path, metadata={"classes": json.dumps(classes)})
        start += len(classes)


def write_config(size: Size, side: int, path: Path) -> None:
    """The model for open_clip: the image tower of `size`, and the smallest text tower, which nothing reads."""
    vision = {"image_size": side, "layers": size.layers, "width": size.width, "patch_size": size.patch}
    vision["head_width"] = min(64, size.width)
    text = {"context_length": 8, "vocab_size": 514, "width": 32, "heads": 1, "layers": 1}
    path.write_text(json.dumps({"embed_dim": size.embed, "vision_cfg": vision, "text_cfg": text}), encoding="utf-8")


def train(
    config: Path,
    start: dict[str, Tensor] | None,
    data: Pictures,
    every: Tensor,
    meant: Tensor,
    schedule: Schedule,
    size: Size,
    seed: int,
) -> tuple[nn.Module, float]:
    """Train the image tower, from `start` or from new weights; the network and the seconds it took."""
    begun = time.perf_counter()
    device = data.pixels.device
    network: Any = open_clip_model(config, BYTES, device).module
    if start is not None:
        network.load_state_dict(start)
    tower = list(network.visual.requires_grad_(True).parameters())
    steps = schedule.images // size.batch
    adam, cycle = optimiser(tower, schedule, steps)
    chosen, moved = data.batches(steps, size.batch, seed)
    every, meant = every.to(device), meant.to(device)
    half = device.type == "cuda" or (size.half and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    network.train()
    for step in range(steps):
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            features = network.encode_image(data.inputs(chosen[step], moved[step]), normalize=True)
        logits = features.float() @ every.T
        loss = functional.cross_entropy(logits, meant[data.labels[chosen[step]]])
        adam.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(tower, 1.0)
        adam.step()
        cycle.step()
        if step % LOOK == LOOK - 1:
            print(f"step {step + 1} of {steps}: loss {float(loss.detach()):.3f}", flush=True)
    network.requires_grad_(False).eval()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return network, time.perf_counter() - begun


def accuracies(network: Any, materials: Sequence[Material], every: Tensor) -> dict[str, float]:
    """Share of the held-out pictures of each task that are right."""
    found, start = {}, 0
    device = next(network.parameters()).device
    for each in materials:
        own = every[start : start + len(each.subject.classes)].to(device)
        parts = torch.from_numpy(each.held.pixels).split(EVERY)
        with torch.inference_mode():
            logits = [network.encode_image(normalised(part.to(device)), normalize=True) @ own.T for part in parts]
        right = torch.cat(logits).argmax(1).cpu().eq(torch.from_numpy(each.held.labels))
        found[each.subject.name] = float(right.float().mean())
        start += len(own)
    return found


def distance(network: nn.Module, base: dict[str, Tensor]) -> float:
    """‖θ − θ_0‖ / ‖θ_0‖ over the image tower."""
    state = {name: value for name, value in network.state_dict().items() if name.startswith("visual.")}
    moved = torch.stack([(value - base[name]).square().sum() for name, value in state.items()]).sum()
    size = torch.stack([base[name].square().sum() for name in state]).sum()
    return float((moved / size).sqrt())


def save(network: nn.Module, path: Path) -> None:
    """Write every tensor in float32."""
    save_file({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, path)
