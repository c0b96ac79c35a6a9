"""A model and metrics of one's own: any PyTorch module, measured by any Python function. No tasks, no libraries.

python examples/own_model.py FOLDER [TRIALS]   makes two tiny experts and a study of them, and searches it

`build` and `metrics` are all that Mergescape needs of a file; it is named on the command line, and only there:
python -m study run FOLDER --code examples/own_model.py
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from study.front import front
from study.run import run
from study.settings import AxisChoice, BaseChoice, ExpertChoice, MethodChoice, Settings
from study.study import create, open_study

# Two halves of one line of numbers, each with a curve to learn.
CURVES = {"waves": (-3.0, 0.0, torch.sin), "hills": (0.0, 3.0, lambda x: torch.cos(2 * x))}
SEEDS = {"train": 0, "validation": 1, "test": 2}


def build() -> nn.Module:
    """The network that checkpoints are poured into."""
    return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def metrics(model: nn.Module, split: str) -> dict[str, tuple[float, float]]:
    """Mean squared error on each half, with its standard error; `split` is validation or test, with other points."""
    found = {}
    for name in CURVES:
        x, y = points(name, split, 400)
        errors = (model(x) - y).square().flatten()
        found[name] = (float(errors.mean()), float(errors.std() / len(errors) ** 0.5))
    return found


def points(name: str, split: str, count: int) -> tuple[Tensor, Tensor]:
    """Points of a half and the curve's noisy values there, (count, 1) each."""
    low, high, curve = CURVES[name]
    dice = torch.Generator().manual_seed(SEEDS[split])
    x = low + (high - low) * torch.rand(count, 1, generator=dice)
    return x, curve(x) + 0.1 * torch.randn(count, 1, generator=dice)


def train(start: nn.Module, name: str, steps: int) -> nn.Module:
    """A copy of the network, trained on one half."""
    model = build()
    model.load_state_dict(start.state_dict())
    x, y = points(name, "train", 256)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimiser.step()
    return model


def main(folder: Path, trials: int) -> None:
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    base = build()
    for name in CURVES:
        base = train(base, name, 20)
    torch.save(base.state_dict(), folder / "base.pt")
    for name in CURVES:
        torch.save(train(base, name, 200).state_dict(), folder / f"{name}.pt")
    settings = Settings(
        name="two curves",
        base=BaseChoice(model="code", weights="base.pt"),
        experts=tuple(ExpertChoice(name=name, weights=f"{name}.pt") for name in CURVES),
        axes=(
            *(AxisChoice(name=name, kind="code", direction="min", unit="error²", range=(0, None)) for name in CURVES),
            AxisChoice(name="distance", kind="distance"),
        ),
        methods=(MethodChoice(name="task_arithmetic"),),
    )
    create(folder, settings)
    study = open_study(folder, code=Path(__file__))
    report = run(study, trials, device="cpu")
    found = front(study)
    print(f"{report.measured} merges measured; {len(found['predicted'])} predicted by '{found['surrogate']['name']}'")
    for row in found["measured"]:
        if row["on_front"]:
            print(row["coefficients"], {name: round(one["value"], 3) for name, one in row["metrics"].items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12)
