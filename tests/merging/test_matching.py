"""Weight matching tells experts of one base from shuffled or foreign models."""

from pathlib import Path

import pytest
import torch

from merging import open_tensors, write
from merging.architecture.matching import Matching, matching

Weights = dict[str, torch.Tensor]


def weights(seed: int) -> Weights:
    dice = torch.Generator().manual_seed(seed)
    return {
        "blocks.0.mlp.fc1.weight": torch.randn(24, 8, generator=dice),
        "blocks.0.mlp.fc2.weight": torch.randn(8, 24, generator=dice),
        "head.weight": torch.randn(4, 8, generator=dice),
    }


def matched(folder: Path, base: Weights, expert: Weights) -> Matching | None:
    for name, tensors in (("base", base), ("expert", expert)):
        write(folder / f"{name}.safetensors", {key: one.contiguous() for key, one in tensors.items()}, {})
    with open_tensors(folder / "base.safetensors") as one, open_tensors(folder / "expert.safetensors") as other:
        return matching(one, other)


def test_a_fine_tuned_expert_keeps_every_unit_in_its_place(tmp_path: Path) -> None:
    base, noise = weights(1), weights(2)
    found = matched(tmp_path, base, {key: base[key] + 0.05 * noise[key] for key in base})
    assert found is not None and found.share == found.stream == 1.0 and found.units == 24
    assert found.before == pytest.approx(found.after) and found.before > 0.99


def test_a_shuffled_copy_is_found_out(tmp_path: Path) -> None:
    base, order = weights(1), torch.randperm(24, generator=torch.Generator().manual_seed(4))
    shuffled = {
        "blocks.0.mlp.fc1.weight": base["blocks.0.mlp.fc1.weight"][order],
        "blocks.0.mlp.fc2.weight": base["blocks.0.mlp.fc2.weight"][:, order],
        "head.weight": base["head.weight"],
    }
    found = matched(tmp_path, base, shuffled)
    assert found is not None and found.after == pytest.approx(1.0)
    assert found.share == float((order == torch.arange(24)).sum()) / 24 and found.before < 0.3


def test_layers_that_store_their_weights_the_other_way_round_are_read_so(tmp_path: Path) -> None:
    linear, order = weights(1), torch.randperm(24, generator=torch.Generator().manual_seed(4))
    base = {  # as transformers' GPT-2 does
        "h.0.mlp.c_fc.weight": linear["blocks.0.mlp.fc1.weight"].T,
        "h.0.mlp.c_fc.bias": torch.arange(24.0),
        "h.0.mlp.c_proj.weight": linear["blocks.0.mlp.fc2.weight"].T,
    }
    shuffled = {
        "h.0.mlp.c_fc.weight": base["h.0.mlp.c_fc.weight"][:, order],
        "h.0.mlp.c_fc.bias": base["h.0.mlp.c_fc.bias"][order],
        "h.0.mlp.c_proj.weight": base["h.0.mlp.c_proj.weight"][order],
    }
    kept, found = matched(tmp_path, base, base), matched(tmp_path, base, shuffled)
    assert kept is not None and kept.units == 24 and kept.share == kept.stream == 1.0
    assert found is not None and found.units == 24 and found.after == pytest.approx(1.0)
    assert found.share == float((order == torch.arange(24)).sum()) / 24 and found.before < 0.3


def test_a_shuffled_residual_stream_is_found_out(tmp_path: Path) -> None:
    # A whole network in another order: the same function, with no unit and no channel in its place
    dice = torch.Generator().manual_seed(9)
    base = {
        f"blocks.{block}.{name}": torch.randn(shape, generator=dice)
        for block in range(3)
        for name, shape in {"mlp.fc1.weight": (32, 16), "mlp.fc2.weight": (16, 32), "norm.weight": (16,)}.items()
    }
    stream = torch.randperm(16, generator=dice)
    shuffled = {}
    for name, tensor in base.items():
        hidden = torch.randperm(32, generator=torch.Generator().manual_seed(int(name.split(".")[1])))
        moved = tensor + 0.02 * torch.randn(tensor.shape, generator=dice)
        shuffled[name] = {
            "fc1": lambda w, h=hidden: w[h][:, stream],
            "fc2": lambda w, h=hidden: w[stream][:, h],
            "weight": lambda w: w[stream],
        }[name.split(".")[-2] if "mlp" in name else "weight"](moved)
    found = matched(tmp_path, base, shuffled)
    assert found is not None and found.after > 0.99 and found.before < 0.2
    assert found.stream == float((stream == torch.arange(16)).sum()) / 16 and found.share < 0.2


def test_a_model_trained_apart_matches_nowhere(tmp_path: Path) -> None:
    found = matched(tmp_path, weights(1), weights(2))
    assert found is not None and found.share < 0.3 and found.after < 0.7
    assert matched(tmp_path, {"head.weight": torch.ones(2, 2)}, {"head.weight": torch.ones(2, 2)}) is None
