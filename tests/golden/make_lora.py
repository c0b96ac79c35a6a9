"""Make lora_adapters.safetensors: `python tests/golden/make_lora.py`, where peft 0.21.2 and torch are installed.

Adapters of every kind that we merge, on one small module, and the full weights that PEFT's own
`merge_and_unload` gives. The tests only read the file: per case the adapter's tensors and configuration, and
the merged weights. `cat` is PEFT's exact `add_weighted_adapter(combination_type="cat")` of two adapters.
"""

import importlib.metadata
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

HERE = Path(__file__).parent
CASES = {
    "plain": {"r": 2, "lora_alpha": 6, "target_modules": ["first", "second"]},
    "rslora": {"r": 4, "lora_alpha": 6, "target_modules": ["first"], "use_rslora": True},
    "patterns": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["first", "second"],
        "rank_pattern": {"second": 3},
        "alpha_pattern": {"block.first": 7},
    },
    "dora": {"r": 2, "lora_alpha": 3, "target_modules": ["first"], "use_dora": True},
    "conv1d": {"r": 2, "lora_alpha": 3, "target_modules": ["swapped"], "fan_in_fan_out": True},
    "dora_conv1d": {
        "r": 2,
        "lora_alpha": 3,
        "target_modules": ["swapped"],
        "fan_in_fan_out": True,
        "use_dora": True,
    },
    "embedding": {"r": 2, "lora_alpha": 3, "target_modules": ["words"]},
    "conv2d": {"r": 2, "lora_alpha": 3, "target_modules": ["image"]},
    "saved": {"r": 2, "lora_alpha": 3, "target_modules": ["first"], "modules_to_save": ["head"]},
    "bias_all": {"r": 2, "lora_alpha": 3, "target_modules": ["first", "image"], "bias": "all"},
    "bias_only": {"r": 2, "lora_alpha": 3, "target_modules": ["first", "second"], "bias": "lora_only"},
    "lora_bias": {"r": 2, "lora_alpha": 5, "target_modules": ["first"], "lora_bias": True, "use_rslora": True},
    "dora_conv2d": {"r": 2, "lora_alpha": 3, "target_modules": ["image", "first"], "use_dora": True},
    "dora_embedding": {"r": 2, "lora_alpha": 3, "target_modules": ["words"], "use_dora": True},
    "rslora_patterns": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["first", "second"],
        "use_rslora": True,
        "rank_pattern": {"^block.first": 3},
        "alpha_pattern": {"second": 9},
    },
}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 6, bias=False)
        self.swapped = Conv1D(4, 6)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.image = nn.Embedding(7, 6), nn.Conv2d(3, 4, 3)
        self.block, self.head = Block(), nn.Linear(6, 3)


def trained(state: dict[str, torch.Tensor], config: dict[str, object], seed: int, folder: Path) -> None:
    """Write an adapter whose factors are random, as if trained."""
    torch.manual_seed(seed)
    model = Model()
    model.load_state_dict(state)
    adapted = get_peft_model(model, LoraConfig(**config))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(parameter + 0.3 * torch.randn(parameter.shape))
                if "magnitude" in name:
                    parameter.abs_()
    adapted.save_pretrained(folder)


def loaded(state: dict[str, torch.Tensor], folder: Path) -> PeftModel:
    model = Model()
    model.load_state_dict(state)
    return PeftModel.from_pretrained(model, folder)


def main() -> None:
    torch.manual_seed(0)
    state = {name: tensor.clone() for name, tensor in Model().state_dict().items()}
    kept = {f"base/{name}": tensor for name, tensor in state.items()}
    facts = {name: importlib.metadata.version(name) for name in ("peft", "torch")}
    facts["command"] = "python tests/golden/make_lora.py"
    with tempfile.TemporaryDirectory() as name:
        for number, (case, config) in enumerate(CASES.items()):
            folder = Path(name) / case
            trained(state, config, number + 1, folder)
            kept |= {f"{case}/adapter/{k}": v for k, v in load_file(folder / "adapter_model.safetensors").items()}
            facts[case] = (folder / "adapter_config.json").read_text(encoding="utf-8")
            whole = loaded(state, folder).merge_and_unload().state_dict()
            kept |= {f"{case}/merged/{k}": v.clone() for k, v in whole.items() if not torch.equal(v, state[k])}
        both = loaded(state, Path(name) / "plain")
        trained(state, CASES["plain"], 99, Path(name) / "other")
        kept |= {f"other/adapter/{k}": v for k, v in load_file(Path(name) / "other/adapter_model.safetensors").items()}
        facts["other"] = facts["plain"]
        both.load_adapter(Path(name) / "other", "other")
        both.add_weighted_adapter(["default", "other"], [0.3, 0.8], "cat", combination_type="cat")
        both.set_adapter("cat")
        whole = both.merge_and_unload().state_dict()
        kept |= {f"cat/merged/{k}": v.clone() for k, v in whole.items() if not torch.equal(v, state[k])}
    out = HERE / "lora_adapters.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, out, metadata=facts)
    out.chmod(0o644)


if __name__ == "__main__":
    main()
