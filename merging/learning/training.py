"""One trainer for everything that is learned by gradients: coefficients per expert, per tensor, masks.

The parameters λ are turned into weights by `write`, and the gradient of the weights into one of λ by `pull`; a
preference weighs the tasks' losses. Every few steps, and at the end, the tasks' metrics on validation samples are
looked at, and the λ with the best of them is what remains: the losses without labels go on falling when the merge is
past its best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from merging.access import Access, Loss
from merging.errors import MergingError
from merging.setting import Range, Text, parsed

LOOK_HELP = "Steps between two looks at the validation samples, the last at the end; the best is kept. 0 never looks."
PREFERENCE_FORM = "TASK=NUMBER,… with numbers from 0, or nothing"
Steps = Annotated[int, Range(0, 10000, "Steps of the training; 0 keeps what it starts from.")]
Rate = Annotated[float, Range(1e-5, 1.0, "Length of a step.")]
Look = Annotated[int, Range(0, 1000, LOOK_HELP)]
Preference = Annotated[str, Text("How much each task's loss counts; empty means all alike.", PREFERENCE_FORM)]
TRANSDUCTIVE_HELP = "Learn from the inputs of the test samples, as some papers do: results are then not held out."
PATIENCE = 5  # looks without a better one, after which the training ends


@dataclass(frozen=True)
class Course:
    """How to train: the loss, Adam's steps and rate, weight decay as in AdamW, when to look, what to call it."""

    loss: Loss
    steps: int
    rate: float
    look: int
    decay: float = 0.0
    low: float | None = None
    high: float | None = None
    phase: str = "training"


def looking(look: int) -> tuple[str, ...]:
    """What a training must be given to look at the validation samples every `look` steps."""
    return ("validation",) if look else ()


@dataclass(frozen=True)
class Trained:
    """The best parameters, and the curve: step, mean loss, and the validation metric of each task where looked at."""

    values: Tensor
    best: int
    curve: list[dict[str, Any]]


def preferences(text: str, tasks: Sequence[str]) -> dict[str, float]:
    """Read TASK=NUMBER,… as weights whose mean is 1.

    >>> preferences("a=3, b=1", ("a", "b"))
    {'a': 1.5, 'b': 0.5}

    Raises:
        MergingError: an unknown task, or no number from 0.
    """
    if not text.strip():
        return dict.fromkeys(tasks, 1.0)
    given = parsed(text, "preference", PREFERENCE_FORM)
    for name in given:
        if name not in tasks:
            raise MergingError(f"There is no task '{name}' to prefer.", f"The tasks are: {', '.join(tasks)}.")
    found = dict.fromkeys(tasks, 0.0) | given
    total = sum(found.values())
    if min(found.values()) < 0.0 or not 0.0 < total < float("inf"):
        raise MergingError(f"The preferences '{text}' are not positive.", f"Allowed: {PREFERENCE_FORM}.")
    return {name: value * len(tasks) / total for name, value in found.items()}


def train(
    start: Tensor,
    write: Callable[[Tensor], None],
    pull: Callable[[Tensor], Tensor],
    access: Access,
    course: Course,
    prefer: Mapping[str, float],
    show: Callable[[Tensor], None] | None = None,
) -> Trained:
    """Minimise Σ_k p_k L_k over λ by Adam from `start` (any shape) and keep what validates best.

    `show` writes the weights that are looked at, where they are not those that are learned from.
    """
    values = start.clone()
    optimiser = torch.optim.AdamW([values], lr=course.rate, weight_decay=course.decay)
    curve: list[dict[str, Any]] = []
    best, place, kept = -float("inf"), 0, start
    for step in range(course.steps + 1):
        ended = step == course.steps
        looked = course.look > 0 and course.steps > 0 and (ended or step % course.look == 0)
        if looked:
            (show or write)(values)
            scores = access.score()
            mean = sum(prefer[task] * value for task, value in scores.items()) / len(scores)
            curve.append({"step": step, "validation": scores, "mean": mean})
            if mean > best:
                best, place, kept = mean, step, values.clone()
            elif step - place >= PATIENCE * course.look:
                break
        if ended:
            break
        access.tell(course.phase, step, course.steps)
        write(values)
        loss = descend(values, pull, access, course, prefer, step)
        optimiser.step()
        if course.low is not None or course.high is not None:
            values.clamp_(course.low, course.high)
        if looked:
            curve[-1]["loss"] = loss
    return Trained(kept, place, curve) if curve else Trained(values, course.steps, curve)


def descend(
    values: Tensor,
    pull: Callable[[Tensor], Tensor],
    access: Access,
    course: Course,
    prefer: Mapping[str, float],
    step: int,
) -> float:
    """Set the gradient of `values` for one batch of every task; the weighted loss, its mean over tasks."""
    access.gradient.zero_()
    loss = 0.0
    for task in access.tasks:
        if prefer[task] > 0.0:
            batch = step % access.batches(task)
            loss += prefer[task] * access.slope(task, course.loss, batch, prefer[task])
    values.grad = pull(access.gradient).to(values.dtype).reshape(values.shape)
    return loss / len(access.tasks)
