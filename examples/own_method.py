"""A merging method of one's own: the class, and a merge of two tiny models that this script makes itself.

python examples/own_method.py FOLDER
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from merging import Method, Paper, merge_plan, merge_tensors, open_tensors, reference, task_vectors, write
from merging.method import Linearity
from merging.setting import Range


@dataclass(frozen=True)
class Quorum(Method):
    """merged = base + Σ c_t τ_t [at least `share` of the experts moved this weight in the direction of τ_t]."""

    name: ClassVar[str] = "quorum"
    title: ClassVar[str] = "Quorum"
    summary: ClassVar[str] = "Keeps a change where enough experts moved the weight the same way."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper("", "A worked example", 2026, "the authors of Mergescape")

    share: Annotated[float, Range(0.0, 1.0, "Share of the experts that must agree.")] = 0.6

    def prepare_tensor(self, name: str, deltas: torch.Tensor, survey: object | None) -> torch.Tensor:
        """Turn task vectors (T, *shape) into directions; a merge adds them up, times the coefficients."""
        up, down = (deltas > 0).sum(0), (deltas < 0).sum(0)
        agreeing = torch.where(deltas > 0, up, down)
        return deltas * (agreeing >= self.share * len(deltas))


def main(folder: Path) -> None:
    models = {
        "base": [0.0, 0.0, 0.0, 1.0],
        "a": [1.0, 2.0, -1.0, 1.0],  # a and b agree on the first and the third weight
        "b": [3.0, -2.0, -3.0, 1.0],
    }
    for name, values in models.items():
        write(folder / f"{name}.safetensors", {"weight": torch.tensor(values)}, {})
    base, *experts = (reference(name, folder / f"{name}.safetensors") for name in models)
    with task_vectors(base, experts) as vectors:
        plan = merge_plan(vectors)
    merged = merge_tensors(Quorum(share=1.0), base, experts, {"a": 0.5, "b": 0.25})
    write(folder / "merged.safetensors", merged, {"format": "pt"}, plan)
    with open_tensors(folder / "merged.safetensors") as tensors:
        print(tensors.get("weight").tolist())  # [1.25, 0.0, -1.25, 1.0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
