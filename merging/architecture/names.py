"""What belongs to one architecture, told by tensor names: heads, what an expert may lack, layers, fused weights.

Everything that the methods know of transformers', timm's, torchvision's and open_clip's networks by name stands here;
`evaluation.models.architecture` says what a forward pass reads.
"""

import re
from collections.abc import Mapping

# First part of a tensor's name, below the encoder's prefix, where it is part of a task's own classifier.
HEADS = frozenset(
    "classifier score head heads fc lm_head qa_outputs pre_classifier cls classification_head head_dist".split()
)
# Parts of the base that an expert of its kind may lack: a pooler, or all of CLIP but the image tower.
KEPT = tuple(
    "pooler. text_model. text_projection visual_projection. logit_scale"  # transformers' names
    " transformer. token_embedding. positional_embedding ln_final. text.".split()  # open_clip's
)
# A layer: the number of a block in its tower.
BLOCK = re.compile(r"(?:^|\.)(?:resblocks|layers|layer|blocks|block|h)\.(\d+)(?=\.)")
# Outside the blocks, and after them: final norm, projection, head.
LATE = re.compile(
    r"(?:^|\.)(?:ln_post|ln_final|ln_f|post_layernorm|final_layer_norm|norm|layernorm|proj|text_projection"
    r"|visual_projection|logit_scale|pooler|head|lm_head|classifier|fc)(?:\.|$)"
)
# First and second weight of an MLP.
MLPS = (
    ("c_fc.weight", "c_proj.weight"),
    ("fc1.weight", "fc2.weight"),
    ("up_proj.weight", "down_proj.weight"),
    ("intermediate.dense.weight", "output.dense.weight"),
)
# Kinds of linear layers; the first that fits counts.
KINDS: Mapping[str, str] = {
    "attention_in": r"in_proj|q_proj|k_proj|v_proj|query|key|value|qkv",
    "attention_out": r"out_proj|o_proj|attn\.proj|attention\.output",
    "mlp_in": r"c_fc|fc1|up_proj|gate_proj|intermediate",
    "mlp_out": r"c_proj|fc2|down_proj|output\.dense",
}
# (3d × d): query, key and value on top of each other, in torch's own attention (open_clip, torchvision) and in timm's.
FUSED = ("in_proj_weight", "attn.qkv.weight")
# Two-dimensional, but left to the mean by the authors of TSV-M and Iso-C.
NO_MATRIX = "text_projection"


def is_head(name: str) -> bool:
    """Whether a tensor belongs to a classifier on top of an encoder.

    >>> is_head("classifier.dense.weight"), is_head("encoder.layer.0.fc.weight")
    (True, False)
    """
    return name.partition(".")[0] in HEADS


def block_of(name: str) -> str | None:
    """Return the block that a tensor belongs to.

    >>> block_of("visual.transformer.resblocks.3.mlp.c_fc.weight")
    'visual.transformer.resblocks.3'
    >>> block_of("visual.proj")
    """
    match = BLOCK.search(name)
    return None if match is None else name[: match.end(1)]


def kind_of(name: str) -> str:
    """Return the kind of layer that a tensor belongs to, "others" where it has none of KINDS.

    >>> kind_of("visual.transformer.resblocks.0.mlp.c_fc.weight")
    'mlp_in'
    """
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, name)), "others")
