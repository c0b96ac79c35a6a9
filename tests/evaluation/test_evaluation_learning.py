"""What weights are multiplied with, and gradients of the bound weights, on a real open_clip network."""

import pytest
import torch

from evaluation.gradients import Gradients
from evaluation.uses import Uses, plain_attention


@pytest.fixture
def bound(model, layout, colours):
    """The tiny network bound to a buffer of its own numbers; its entries, the buffer, inputs, a head."""
    entries, buffer, others = layout(model)
    model.bind(entries, buffer, others)
    images, _ = colours.tiles(6)
    return model, entries, buffer, torch.from_numpy(model.preprocess(images)), model.head(["red", "blue"], ["{}"])


def test_every_weight_that_pictures_meet_is_seen_with_its_input(bound) -> None:
    model, entries, buffer, inputs, head = bound
    seen: dict[str, tuple[str, torch.Tensor]] = {}
    block = model.module.visual.transformer.resblocks[0]
    direct: dict[str, torch.Tensor] = {}
    handles = [
        block.mlp.c_proj.register_forward_pre_hook(lambda m, x: direct.__setitem__("mlp.c_proj", x[0])),
        block.ln_1.register_forward_hook(lambda m, x, y: direct.__setitem__("attn.in_proj", y)),
    ]
    with torch.no_grad(), plain_attention(), Uses(entries, buffer, lambda n, h, x: seen.__setitem__(n, (h, x))):
        model.forward(inputs, head)
    for handle in handles:
        handle.remove()
    wanted = {name for name, shape, _ in entries if name.startswith("visual.") and len(shape) > 1}
    assert wanted - set(seen) == {"visual.positional_embedding"}
    prefix = "visual.transformer.resblocks.0."
    for name, tensor in (("mlp.c_proj.weight", "mlp.c_proj"), ("attn.in_proj_weight", "attn.in_proj")):
        how, x = seen[prefix + name]
        one, other = (each.T @ each for each in (x, direct[tensor].reshape(-1, x.shape[1])))
        assert how == "rows"
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    # packed attention's output projection is used without its module being called
    assert seen[prefix + "attn.out_proj.weight"][1].shape == seen[prefix + "mlp.c_fc.weight"][1].shape
    assert seen["visual.conv1.weight"][0] == "patches" and seen["visual.proj"][0] == "columns"
    assert seen["visual.ln_post.weight"][0] == "scale"
    assert torch.backends.mha.get_fastpath_enabled()


def test_gradients_are_the_slopes_of_the_loss(bound) -> None:
    model, entries, buffer, inputs, head = bound
    tuned = Gradients(model, buffer)
    targets = torch.tensor([0, 1, 0, 1, 1, 0])
    aim = tuned.remembered(inputs, head)
    place = dict((name, offset) for name, _, offset in entries)["visual.transformer.resblocks.0.mlp.c_fc.weight"]
    for loss, given in (("entropy", []), ("labels", [targets]), ("expert", [each + 0.1 for each in aim])):
        tuned.flat.zero_()
        tuned.add(inputs, head, loss, given, 0.5)
        slope = float(tuned.flat[place + 3])
        ends = []
        for step in (1e-2, -1e-2):
            buffer[place + 3] += step
            ends.append(tuned.add(inputs, head, loss, given, 0.0))
            buffer[place + 3] -= step
        assert slope == pytest.approx(0.5 * (ends[0] - ends[1]) / 2e-2, rel=0.05, abs=1e-5), loss
        assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_squares_are_per_sample_and_over_classes(bound) -> None:
    model, _, buffer, inputs, head = bound
    tuned = Gradients(model, buffer)
    tuned.add_squares(inputs[:2], head, 0.5)
    wanted = torch.zeros_like(buffer)
    for one in inputs[:2].split(1):
        share = model.forward(one, head).softmax(-1)[0]
        for c in range(2):
            alone = Gradients(model, buffer)
            alone.add(one, head, "labels", [torch.tensor([c])], 1.0)
            wanted += 0.5 * float(share[c]) * alone.flat.square()
    torch.testing.assert_close(Gradients(model, buffer).flat, torch.zeros_like(buffer))
    torch.testing.assert_close(tuned.flat, wanted, rtol=1e-3, atol=1e-7)
