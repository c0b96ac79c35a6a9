"""mergekit's plain sums: the same bits whatever the pieces; scalars go through every method that goes by rows."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from merging import Configuration, merge_mergekit, read_merge
from merging.mergekit.carrying import located
from merging.mergekit.group import Group
from merging.mergekit.parameters import RULES
from merging.mergekit.plan import open_plan
from merging.mergekit.rules import BY_ROWS
from merging.mergekit.sums import sum_rows

WEIGHTS = (0.3, -1.1, 0.9)


@pytest.mark.parametrize("wide", [torch.float32, torch.float64])
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("piece", [7, 1000])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("method", ["linear", "task_arithmetic"])
def test_pieces_change_no_bit(method: str, normalize: bool, piece: int, stored, wide) -> None:
    dice = torch.Generator().manual_seed(0)
    base, *others = (torch.randn(5, 9, generator=dice).to(stored) for _ in range(4))
    shared = {"normalize": normalize, "lambda": 0.7}
    group = Group("w", base, tuple(others), shared, tuple({"weight": weight} for weight in WEIGHTS))
    out = torch.empty(5, 9, dtype=torch.bfloat16)
    sum_rows(method, group, out, wide, piece)

    origin = base.to(wide) if method == "task_arithmetic" else 0.0
    wanted = torch.zeros(5, 9, dtype=wide)
    for other, weight in zip(others, WEIGHTS, strict=True):
        wanted.add_(other.to(wide) - origin, alpha=weight)
    if normalize and method == "linear":
        wanted /= sum(WEIGHTS)
    elif normalize:
        wanted /= torch.tensor(WEIGHTS, dtype=wide).sum()
    if method == "task_arithmetic":
        wanted = wanted.mul_(0.7).add_(origin)
    assert torch.equal(out, wanted.to(torch.bfloat16))


@pytest.mark.parametrize("method", [name for name in BY_ROWS if name not in ("passthrough", "nearswap")])
def test_a_scalar_is_merged(method: str, tmp_path: Path) -> None:
    for number, name in enumerate(("base", "a", "b")):
        save_file({"s": torch.tensor(1.0 + number), "w": torch.ones(3, 4) + number}, tmp_path / f"{name}.safetensors")
    own = {"weight": 0.5} | ({"density": 0.9} if "density" in RULES[method].parameters else {})
    own |= {"epsilon": 0.05} if method.startswith("della") else {}
    models = [{"model": str(tmp_path / f"{name}.safetensors"), "parameters": own} for name in ("a", "b")]
    base = {} if method == "linear" else {"base_model": str(tmp_path / "base.safetensors")}
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump({"merge_method": method, "models": models, "dtype": "float32", **base}))
    merge_mergekit(read_merge(path), tmp_path, tmp_path / "out.safetensors")
    found = load_file(tmp_path / "out.safetensors")["s"]
    assert found.shape == () and bool(torch.isfinite(found))


def test_what_was_measured_of_a_tensor_goes_with_it(tmp_path: Path) -> None:
    """Random masks, a bit a number and model, would grow with the models if they were held for all tensors."""
    dice = torch.Generator().manual_seed(0)
    for name in ("base", "a", "b"):
        tensors = {f"w{number}": torch.randn(9, 7, generator=dice) for number in range(20)}
        save_file(tensors, tmp_path / f"{name}.safetensors")
    models = [{"model": f"{name}.safetensors", "parameters": {"weight": 0.5, "density": 0.5}} for name in ("a", "b")]
    path = tmp_path / "c.yml"
    whole = {"merge_method": "dare_ties", "base_model": "base.safetensors", "models": models, "dtype": "float32"}
    path.write_text(yaml.safe_dump(whole))
    configuration = read_merge(path)
    assert isinstance(configuration, Configuration)
    with open_plan(configuration, located(configuration, tmp_path)) as plan:
        most = 0
        for _ in plan.stream():
            most = max(most, len(plan._kept))
    assert 0 < most <= 3 * torch.get_num_threads() and not plan._kept
