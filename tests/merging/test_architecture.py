"""What merging and evaluation know of architectures by name says the same of heads and layers."""

import re

from evaluation.models import architecture as read
from merging.algebra.matrices import row_blocks
from merging.architecture import names as merged


def test_the_two_pillars_agree() -> None:
    assert read.HEADS <= merged.HEADS
    assert all(read.MAY_LACK.match(part) for part in merged.KEPT)
    words = [re.search(r"resblocks[^)]*", one.pattern) for one in (read.BLOCK, merged.BLOCK)]
    assert words[0] and words[1] and words[0][0] == words[1][0]
    for name in (
        "visual.transformer.resblocks.3",
        "blocks.11",
        "encoder.layer.0",
        "h.7",
        "vision_model.encoder.layers.2",
    ):
        assert read.BLOCK.search(name) and merged.block_of(f"{name}.mlp.weight") == name


def test_fused_attention_is_three_matrices_in_every_library() -> None:
    for name in ("visual.transformer.resblocks.0.attn.in_proj_weight", "visual.trunk.blocks.0.attn.qkv.weight"):
        assert row_blocks(name, (12, 4), True) == [slice(0, 4), slice(4, 8), slice(8, 12)]
        assert row_blocks(name, (12, 4), False) == [slice(0, 12)]
    assert row_blocks("text_projection", (4, 4), True) == []
