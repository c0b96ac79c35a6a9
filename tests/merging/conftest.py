"""Small real checkpoints for the merging tests."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from merging import Checkpoint, reference, write

GOLDEN = Path(__file__).parents[1] / "golden"

SHAPES: Mapping[str, tuple[int, ...]] = {
    "attn.in_proj_bias": (24,),
    "attn.in_proj_weight": (24, 8),
    "conv.weight": (4, 3, 2, 2),
    "layers.0.fc.weight": (10, 6),
    "layers.1.fc.weight": (6, 16),
    "layers.2.norm.weight": (6,),
    "logit_scale": (),
    "row.weight": (1, 7),
    "unchanged.weight": (6, 4),
}


@dataclass(frozen=True)
class Family:
    """A base and its experts on disk."""

    folder: Path
    base: Checkpoint
    experts: tuple[Checkpoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(expert.name for expert in self.experts)


def tensors(seed: int, dtype: torch.dtype, base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Make the tensors of a base, or of an expert of `base`."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in SHAPES.items():
        noise = torch.randn(shape, generator=generator)
        if base is None:
            found[name] = noise.to(dtype)
        else:
            scale = 0.0 if name.startswith("unchanged") else 0.1
            found[name] = (base[name].float() + scale * noise).to(dtype)
    found["position_ids"] = torch.arange(5) if base is None else base["position_ids"] + seed
    found["flags"] = torch.tensor([True, False, True])
    return found


def family(folder: Path, count: int, dtype: torch.dtype = torch.float32, same: bool = False) -> Family:
    """Write a base and `count` experts (equal to the base when `same`) and reference them."""
    folder.mkdir(parents=True, exist_ok=True)
    base = tensors(1, dtype)
    write(folder / "base.safetensors", base, {"format": "pt"})
    experts = []
    for number in range(count):
        expert = base if same else tensors(100 + number, dtype, base)
        path = folder / f"expert{number}.safetensors"
        write(path, expert, {"format": "pt"})
        experts.append(reference(f"e{number}", path))
    return Family(folder, reference("base", folder / "base.safetensors"), tuple(experts))


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Family]:
    """Give families of T experts, written once per session."""
    made: dict[tuple[int, torch.dtype, bool], Family] = {}

    def get(count: int, dtype: torch.dtype = torch.float32, same: bool = False) -> Family:
        key = (count, dtype, same)
        if key not in made:
            made[key] = family(tmp_path_factory.mktemp("family"), count, dtype, same)
        return made[key]

    return get


@pytest.fixture(scope="session")
def golden_families(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Family]:
    """Give the base and the three experts of a file of golden inputs."""
    made: dict[str, Family] = {}

    def get(inputs: str) -> Family:
        if inputs not in made:
            folder = tmp_path_factory.mktemp("golden")
            data = json.loads((GOLDEN / f"{inputs}.json").read_text(encoding="utf-8"))
            found = []
            for name in ("base", "a", "b", "c"):
                state = {key: torch.tensor(value, dtype=torch.float32) for key, value in data[name].items()}
                write(folder / f"{name}.safetensors", state, {})
                found.append(reference(name, folder / f"{name}.safetensors"))
            made[inputs] = Family(folder, found[0], tuple(found[1:]))
        return made[inputs]

    return get


@pytest.fixture(scope="session")
def golden_family(golden_families) -> Family:
    """The base and the three experts that most golden values belong to."""
    return golden_families("inputs")


def llama_shapes(config: Mapping[str, int], layers: int) -> dict[str, tuple[int, ...]]:
    """Give the tensors of a Llama, sorted by name."""
    width, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    narrow = width // config["num_attention_heads"] * config["num_key_value_heads"]
    found = {"lm_head.weight": (words, width), "model.embed_tokens.weight": (words, width)}
    for layer in range(layers):
        place = f"model.layers.{layer}"
        found |= {f"{place}.{name}.weight": (width,) for name in ("input_layernorm", "post_attention_layernorm")}
        found |= {f"{place}.self_attn.{name}_proj.weight": (width, width) for name in "qo"}
        found |= {f"{place}.self_attn.{name}_proj.weight": (narrow, width) for name in "kv"}
        found |= {f"{place}.mlp.{name}_proj.weight": (inner, width) for name in ("gate", "up")}
        found[f"{place}.mlp.down_proj.weight"] = (width, inner)
    return dict(sorted({**found, "model.norm.weight": (width,)}.items()))


@pytest.fixture(scope="session")
def llama_facts() -> Callable[[str], dict[str, str]]:
    """Give the provenance of a golden file of mergekit."""

    def get(name: str) -> dict[str, str]:
        with safe_open(GOLDEN / f"mergekit_{name}.safetensors", "pt") as opened:
            return dict(opened.metadata())

    return get


@pytest.fixture(scope="session")
def llama_state(llama_facts) -> Callable[[Tensor, int], dict[str, Tensor]]:
    """Cut the flat tensor of a golden file into the tensors of a Llama."""
    config = json.loads(llama_facts("models")["config"])

    def get(flat: Tensor, layers: int) -> dict[str, Tensor]:
        wanted = llama_shapes(config, layers)
        parts = torch.split(flat, [math.prod(shape) for shape in wanted.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, wanted.items(), strict=True)}

    return get


@pytest.fixture(scope="session")
def llamas(tmp_path_factory: pytest.TempPathFactory, llama_facts, llama_state) -> Path:
    """Write the four tiny Llamas and the adapter that mergekit merged: base, a, b, c, lora."""
    folder = tmp_path_factory.mktemp("llamas")
    known = llama_facts("models")
    config = json.loads(known["config"])
    held = load_file(GOLDEN / "mergekit_models.safetensors")
    for who in ("base", "a", "b", "c"):
        write(folder / who / "model.safetensors", llama_state(held[who], config["num_hidden_layers"]), {"format": "pt"})
        more = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "float32", **config}
        (folder / who / "config.json").write_text(json.dumps(more))
        (folder / who / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": []}')
    factors = {key.removeprefix("lora/"): tensor for key, tensor in held.items() if key.startswith("lora/")}
    write(folder / "lora" / "adapter_model.safetensors", factors, {"format": "pt"})
    (folder / "lora" / "adapter_config.json").write_text(known["adapter"])
    return folder
