"""Random checkpoints of real sizes on disk: a Llama base and experts, bfloat16."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merging import Slot, write

INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Size:
    """A Llama's dimensions; `shards` > 1 spreads each checkpoint over that many files."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int = 32000
    shards: int = 1

    @property
    def parameters(self) -> int:
        """How many numbers one checkpoint holds."""
        return sum(torch.Size(shape).numel() for shape in self.shapes().values())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes by tensor name, as transformers stores a Llama."""
        hidden, wide = self.hidden, self.intermediate
        found: dict[str, tuple[int, ...]] = {
            "lm_head.weight": (self.vocabulary, hidden),
            "model.embed_tokens.weight": (self.vocabulary, hidden),
            "model.norm.weight": (hidden,),
        }
        block = {
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
            **{f"self_attn.{name}_proj": (hidden, hidden) for name in "qkvo"},
            **{f"mlp.{name}_proj": (wide, hidden) for name in ("gate", "up")},
            "mlp.down_proj": (hidden, wide),
        }
        for layer in range(self.layers):
            found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
        return dict(sorted(found.items()))

    def config(self) -> dict[str, Any]:
        """Return transformers' config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // 64,
            "num_key_value_heads": self.hidden // 64,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        }


SIZES = {
    "tiny": Size(hidden=64, intermediate=128, layers=2, vocabulary=256),
    "small": Size(hidden=768, intermediate=3072, layers=6, vocabulary=16000),
    "medium": Size(hidden=1024, intermediate=4096, layers=12),
    "large": Size(hidden=2048, intermediate=5632, layers=22),
}
SHARDED = Size(hidden=2048, intermediate=5632, layers=17, shards=4)


def random_checkpoints(size: Size, experts: int, folder: Path, seed: int) -> list[Path]:
    """Write a base and `experts` experts around it, unless they stand in `folder` already; return their folders."""
    wanted = json.dumps([size.config(), size.shards, experts, seed])
    places = [folder / name for name in ("base", *(f"e{number}" for number in range(experts)))]
    mark = folder / "made.json"
    if mark.is_file() and mark.read_text() == wanted:
        return places
    for number, place in enumerate(places):
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(json.dumps(size.config(), indent=1))
        _write(place, size, seed, number)
    mark.write_text(wanted)
    return places


def _write(place: Path, size: Size, seed: int, number: int) -> None:
    """Write one checkpoint, tensor by tensor."""
    shapes = list(size.shapes().items())
    each = -(-len(shapes) // size.shards)
    where: dict[str, str] = {}
    for part in range(size.shards):
        own = dict(shapes[part * each : (part + 1) * each])
        name = "model.safetensors" if size.shards == 1 else f"model-{part + 1:05d}-of-{size.shards:05d}.safetensors"
        plan = [Slot(tensor, torch.bfloat16, shape) for tensor, shape in own.items()]
        write(place / name, _tensors(own, seed, number), {"format": "pt"}, plan)
        where |= dict.fromkeys(own, name)
    if size.shards > 1:
        (place / INDEX).write_text(json.dumps({"metadata": {"total_size": 2 * size.parameters}, "weight_map": where}))


def _tensors(shapes: Mapping[str, tuple[int, ...]], seed: int, number: int) -> Iterator[tuple[str, Tensor]]:
    """Give base tensors (number 0), or those of an expert: the base plus a tenth of other noise."""
    for name, shape in shapes.items():
        value = _noise(shape, f"{seed} {name}")
        if number:
            value += 0.1 * _noise(shape, f"{seed} {name} {number}")
        yield name, value.to(torch.bfloat16)


def _noise(shape: tuple[int, ...], key: str) -> Tensor:
    generator = torch.Generator().manual_seed(int.from_bytes(key.encode()) % (2**63 - 25))
    return torch.empty(shape).normal_(0.0, 0.02, generator=generator)
