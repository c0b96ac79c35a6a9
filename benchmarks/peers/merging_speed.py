"""One merge from files to a file, by FusionBench or PEFT. Runs in the peers' environment, knows nothing of Mergescape.

    python merging_speed.py WHAT OUT BASE EXPERT [EXPERT …]

WHAT is fusion-bench/task_arithmetic, fusion-bench/ties, or peft/cat; the weights of the experts are 0.3 each, the
density of TIES 0.3. Base and experts are Hugging Face folders with one safetensors file, for peft/cat the experts are
adapters and what is written is the merged model.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHT, DENSITY = 0.3, 0.3
State = dict[str, torch.Tensor]


def task_arithmetic(base: State, experts: list[State]) -> State:
    """As FusionBench's TaskArithmeticAlgorithm does it, by its arithmetic of state dicts."""
    from fusion_bench.utils.state_dict_arithmetic import state_dict_add, state_dict_mul, state_dict_sub

    total: State | None = None
    for expert in experts:
        vector = state_dict_sub(expert, base)
        total = vector if total is None else state_dict_add(total, vector)
    found: State = state_dict_add(state_dict_mul(total, WEIGHT), base)
    return found


def ties(base: State, experts: list[State]) -> State:
    """As FusionBench's TiesMergingAlgorithm does it, by its functions."""
    from fusion_bench.method.ties_merging.ties_merging_utils import (
        state_dict_to_vector,
        ties_merging,
        vector_to_state_dict,
    )

    start = state_dict_to_vector(base)
    vectors = torch.vstack([state_dict_to_vector(expert) - start for expert in experts])
    merged = start + WEIGHT * ties_merging(vectors, reset_thresh=100 * DENSITY, merge_func="sum")
    found: State = vector_to_state_dict(merged, base)
    return found


def cat(out: str, base: str, experts: list[str]) -> None:
    """As PEFT's documentation does it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    peft = PeftModel.from_pretrained(model, experts[0], adapter_name="0")
    for number, expert in enumerate(experts[1:], start=1):
        peft.load_adapter(expert, adapter_name=str(number))
    names = [str(number) for number in range(len(experts))]
    peft.add_weighted_adapter(names, [WEIGHT] * len(names), "merged", combination_type="cat")
    peft.set_adapter("merged")
    peft.merge_and_unload().save_pretrained(out)


def main(what: str, out: str, base: str, *experts: str) -> None:
    if what == "peft/cat":
        return cat(out, base, list(experts))
    import transformers.models.clip.modeling_clip as clip

    if not hasattr(clip, "CLIPVisionTransformer"):  # FusionBench 0.2.33 imports a class that transformers 5 renamed
        clip.CLIPVisionTransformer = clip.CLIPVisionModel
    states = [
        {name: value.float() for name, value in load_file(Path(one) / "model.safetensors").items()}
        for one in (base, *experts)
    ]
    merged = (ties if what.endswith("ties") else task_arithmetic)(states[0], states[1:])
    Path(out).mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in merged.items()}, Path(out) / "model.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
