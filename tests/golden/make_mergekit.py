"""Make mergekit_models.safetensors and mergekit_merged.safetensors: `python tests/golden/make_mergekit.py`.

Run it where mergekit 0.1.5 and torch 2.13.0 are installed. Every case of mergekit_cases.yaml is carried out by
mergekit itself (`run_merge`, in float32) on tiny random Llamas; the tests only read what this writes. Random
masks: mergekit's `torch.bernoulli` is given our own uniform numbers (merging/sparsity/draws.py), so that everything
else about its random methods can be compared number by number.
"""

import importlib.metadata
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import peft
import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.merge_methods import generalized_task_arithmetic
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
CONFIG = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 12,
    "max_position_embeddings": 32,
    "tie_word_embeddings": False,
}
MODELS = ("base", "a", "b", "c")
VERSIONS = ("mergekit", "torch", "peft", "transformers")


def draws() -> ModuleType:
    """Load merging/sparsity/draws.py alone: it needs nothing of the package."""
    spec = importlib.util.spec_from_file_location("draws", HERE.parents[1] / "merging" / "sparsity" / "draws.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def models(folder: Path) -> dict[str, torch.Tensor]:
    """Write the base, three experts of it and an adapter; return what the tests need to write them again."""
    random = np.random.default_rng(11)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, dtype="float32"))
    shapes = {name: tuple(tensor.shape) for name, tensor in sorted(model.state_dict().items())}
    base = {name: random.normal(size=shape) for name, shape in shapes.items()}
    shared = {name: random.normal(size=shape) * 0.2 for name, shape in shapes.items()}
    kept: dict[str, torch.Tensor] = {}
    for who in MODELS:
        state = {}
        for name, shape in shapes.items():
            moved = random.random(size=shape) < 0.8
            change = 0.0 if who == "base" else (shared[name] + random.normal(size=shape) * 0.3) * moved
            state[name] = torch.tensor(base[name] + change, dtype=torch.float32)
        model.load_state_dict(state)
        model.save_pretrained(folder / who)
        kept[who] = torch.cat([tensor.reshape(-1) for _, tensor in sorted(state.items())])
    return kept


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    """Write a rank-2 adapter of two projections; return its tensors."""
    torch.manual_seed(3)
    model = LlamaForCausalLM.from_pretrained(folder / "base")
    config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    peft.get_peft_model(model, config).save_pretrained(folder / "lora")
    return load_file(folder / "lora" / "adapter_model.safetensors")


def our_masks() -> None:
    """Let mergekit draw its masks from our numbers: keyed by seed 0, the model's folder and the tensor."""
    uniform = draws().uniform
    kind = generalized_task_arithmetic.GeneralizedTaskArithmeticMerge
    merge, sparsify = kind.merge_group, generalized_task_arithmetic.sparsify
    state: dict[str, object] = {}

    def merge_group(self, group, /, **parameters):
        state["name"] = group.metadata.name
        state["queue"] = [Path(str(entry.id)).name for entry in group.non_base]
        return merge(self, group, **parameters)

    def sparse(delta, **parameters):
        state["expert"] = state["queue"].pop(0)
        return sparsify(delta, **parameters)

    def bernoulli(chance):
        drawn = uniform(0, state["expert"], state["name"], chance.numel()).view(chance.shape)
        alike = float(chance.min()) == float(chance.max())  # DARE has one density for all
        kept = drawn >= 1.0 - float(chance.max()) if alike else drawn < chance
        return kept.to(chance.dtype)

    kind.merge_group = merge_group
    generalized_task_arithmetic.sparsify = sparse
    torch.bernoulli = bernoulli


def merged(text: str, folder: Path, out: Path) -> dict[str, torch.Tensor]:
    """Carry out one configuration with mergekit, in `folder`."""
    options = MergeOptions(
        copy_tokenizer=False, write_model_card=False, lora_merge_cache=str(folder / "cache"), quiet=True
    )
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), str(out), options)
    return load_file(out / "model.safetensors")


def main() -> None:
    cases = yaml.safe_load((HERE / "mergekit_cases.yaml").read_text(encoding="utf-8"))
    facts = {name: importlib.metadata.version(name) for name in VERSIONS}
    facts |= {"command": "python tests/golden/make_mergekit.py", "config": json.dumps(CONFIG)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = models(folder)
        kept |= {f"lora/{key}": value for key, value in adapter(folder).items()}
        facts["adapter"] = (folder / "lora" / "adapter_config.json").read_text(encoding="utf-8")
        os.chdir(folder)
        our_masks()
        found, layers = {}, {}
        for case, text in cases.items():
            state = merged(text, folder, folder / f"out-{case}")
            found[case] = torch.cat([tensor.reshape(-1) for _, tensor in sorted(state.items())])
            layers[case] = json.loads((folder / f"out-{case}" / "config.json").read_text())["num_hidden_layers"]
    save_file(kept, HERE / "mergekit_models.safetensors", metadata=facts)
    save_file(found, HERE / "mergekit_merged.safetensors", metadata={**facts, "layers": json.dumps(layers)})
    for name in ("models", "merged"):
        (HERE / f"mergekit_{name}.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
