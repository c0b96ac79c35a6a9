"""What belongs to one architecture, told by names: what a forward pass reads, where heads stand, what a layer is.

Everything that evaluation knows of single networks of transformers, timm, torchvision and open_clip stands here;
`merging.architecture` says what is merged.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# A pair's text tower, projection and scale: read once, for the frozen heads, and by no forward pass afterwards.
TEXT_SIDE = re.compile(r"(\w+\.)?(text_model|text_projection|logit_scale|logit_bias)\b")  # transformers' names
PICTURE_SIDE = "visual."  # open_clip's name of all the rest
# Parts of a base that an expert of its kind may lack: a pooler, all of a pair but its picture side.
MAY_LACK = re.compile(
    rf"pooler\.|visual_projection|{TEXT_SIDE.pattern}|transformer\.|token_embedding|positional_embedding|ln_final|text\."
)
# Kinds whose classifiers read the first token itself, though their bare encoders may have a pooler.
FIRST_TOKEN = frozenset("roberta xlm-roberta camembert distilbert electra deit vit".split())
# What a library puts between features and classes, by the names of its tensors: inner layer, outer layer, activation.
DEEP = (
    ("classifier.dense", "classifier.out_proj", "tanh"),  # RoBERTa and its kin
    ("pre_classifier", "classifier", "relu"),  # DistilBERT
)
GELU = ("electra",)  # names its layers as RoBERTa does
FLAT = ("classifier", "score", "fc", "head.fc", "head", "heads.head")
NUMBERED = re.compile(r"classifier\.(\d+)\.weight")  # torchvision's: dropout and activations have numbers too
HEADS = frozenset(name.partition(".")[0] for names in (FLAT, *(pair[:2] for pair in DEEP)) for name in names)
BLOCK = re.compile(r"(?:^|\.)(?:resblocks|layers|layer|blocks|block|h)\.\d+$")


@lru_cache(maxsize=1)
def built_in() -> frozenset[str]:
    """The names of open_clip's own architectures, from the files of the package: importing it takes seconds."""
    found = find_spec("open_clip")
    if found is None or found.origin is None:
        return frozenset()
    return frozenset(path.stem for path in (Path(found.origin).parent / "model_configs").glob("*.json"))


def is_head(name: str) -> bool:
    """Whether a tensor of this name is part of a classifier.

    >>> is_head("classifier.weight"), is_head("encoder.classifier.weight")
    (True, False)
    """
    return name.partition(".")[0] in HEADS


def longest_row(names: Iterable[str]) -> int:
    """How many numbered blocks the longest tower has whose tensors are called so; 0: none is in a block.

    >>> longest_row(["visual.blocks.0.w", "visual.blocks.1.attn.w", "text.layers.4.w", "proj"])
    5
    """
    towers: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        paths = (".".join(parts[:end]) for end in range(2, len(parts)))
        block = next((path for path in paths if BLOCK.search(path)), None)
        if block is not None:
            tower, _, number = block.rpartition(".")
            towers[tower] = max(towers.get(tower, 0), int(number) + 1)
    return max(towers.values(), default=0)
