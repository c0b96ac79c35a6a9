"""The joint model of the demo: what its options add to equal weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demo import joint, network
from demo.subjects import TASKS


@pytest.fixture(scope="module")
def batches() -> tuple[object, list[joint.Batch]]:
    model = network.create(network.MODELS / "base.safetensors")
    dice = np.random.default_rng(0)
    made = []
    for name in ("digits", "flags"):
        subject = TASKS[name][0]
        images = torch.from_numpy(dice.normal(size=(6, 3, 32, 32)).astype(np.float32))
        head = network.head(model, subject) * model.logit_scale.detach().exp()
        made.append((images, torch.from_numpy(dice.integers(len(subject.classes), size=6)), head))
    return model, made


def gradients(model) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.visual.parameters()])


def test_sharpness_aware_steps_come_back_to_where_they_were(batches) -> None:
    model, made = batches
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.zero_grad()
    loss = joint.plain_step(model, made, joint.Options())
    plain = gradients(model).clone()
    model.zero_grad()
    assert joint.samo_step(model, made, joint.Options(samo=True), torch.Generator().manual_seed(1)) == loss
    sharp = gradients(model)
    apart = float((sharp - plain).norm() / plain.norm())
    assert 1e-4 < apart < 0.2, f"near the plain gradient, and not the same: {apart}"
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=1e-5, atol=1e-5)


def test_the_saliency_entropy_is_one_for_equal_shares_and_less_otherwise(batches) -> None:
    model, made = batches
    twice = [made[0], made[0]]
    found, seen = joint.losses(model, twice)
    assert float(joint.entropy_of_saliency(found, seen).detach()) == pytest.approx(1.0, abs=1e-5)
    found, seen = joint.losses(model, made)
    mixed = joint.entropy_of_saliency(found, seen)
    assert 0.0 < float(mixed.detach()) < 1.0
    model.zero_grad()
    torch.autograd.backward(mixed)
    assert float(gradients(model).norm()) > 0.0
