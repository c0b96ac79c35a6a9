"""Merges with mergekit, FusionBench and PEFT. Runs in the peers' environment, and knows nothing of Mergescape.

    python oracle.py INPUTS.safetensors JOBS.json OUT.safetensors

INPUTS holds `family/model/tensor` (model: base, 0, 1 …) and `draws/job/tensor/model`; JOBS is a list of objects
{id, peer, method, family, experts, parameters, folder}. OUT gets `id/float32/tensor` and, from the same inputs computed
in double precision, `id/float64/tensor`; the last line printed is a JSON object {versions, errors: {id: message}}.
"""

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

State = dict[str, Tensor]
Job = Mapping[str, Any]
LORA = {"first": (20, 16), "second": (12, 20)}


def main(inputs: str, jobs: str, out: str) -> None:
    stored = load_file(inputs)
    found: State = {}
    errors: dict[str, str] = {}
    with open(jobs, encoding="utf-8") as file:
        listed = json.load(file)
    for job in listed:
        try:
            for dtype in (torch.float32, torch.float64):
                with contextlib.redirect_stdout(sys.stderr):
                    merged = PEERS[job["peer"]](job, {name: value.to(dtype) for name, value in stored.items()})
                prefix = f"{job['id']}/{str(dtype).removeprefix('torch.')}"
                found.update({f"{prefix}/{name}": value.detach().clone() for name, value in merged.items()})
        except Exception as error:  # whatever a peer raises is its answer
            errors[job["id"]] = f"{type(error).__name__}: {error}".splitlines()[0]
    save_file({name: value.contiguous() for name, value in found.items()}, out)
    versions = {name: version(name) for name in ("mergekit", "fusion-bench", "peft", "torch", "transformers")}
    print(json.dumps({"versions": versions, "errors": errors}))


def models_of(job: Job, stored: State) -> tuple[State, list[State]]:
    """Return the base and the experts of a job."""

    def state(model: str) -> State:
        prefix = f"{job['family']}/{model}/"
        return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}

    return state("base"), [state(str(number)) for number in range(job["experts"])]


# mergekit


def by_mergekit(job: Job, stored: State) -> State:
    """Merge with mergekit's in-memory interface, tensor by tensor.

    The parameter `base` says what its base model is: "ours" (the default), "first expert" or "none".
    """
    from mergekit.merge_methods import merge_tensors

    base, experts = models_of(job, stored)
    parameters = dict(job["parameters"])
    what = parameters.pop("base", "ours")
    models = [base, *experts] if what == "ours" else experts
    index = None if what == "none" else 0
    merged: State = {}
    for name in base:
        drawn = [stored[key] for key in (f"draws/{job['id']}/{name}/{n}" for n in range(len(experts))) if key in stored]
        with drawing(drawn):
            tensors = [model[name] for model in models]
            merged[name] = merge_tensors(tensors, job["method"], parameters=parameters, base_index=index, name=name)
    return merged


@contextlib.contextmanager
def drawing(uniform: list[Tensor]) -> Iterator[None]:
    """Let torch.bernoulli compare its probabilities with the given numbers in [0, 1), in this order."""
    waiting = iter(uniform)
    genuine = torch.bernoulli

    def given(chance: Tensor, *_: Any, **__: Any) -> Tensor:
        return (next(waiting).reshape(chance.shape) < chance).to(chance.dtype)

    if uniform:
        torch.bernoulli = given
    try:
        yield
    finally:
        torch.bernoulli = genuine


# FusionBench


def by_fusion_bench(job: Job, stored: State) -> State:
    """Merge with the functions behind FusionBench's algorithms.

    `scale` multiplies the merged task vector, `weights` the experts' own before they are merged.
    """
    base, experts = models_of(job, stored)
    parameters = dict(job["parameters"])
    scale, weights = parameters.pop("scale", 1.0), parameters.pop("weights", [1.0] * len(experts))
    vectors = [
        {name: weight * (expert[name] - base[name]) for name in base}
        for expert, weight in zip(experts, weights, strict=True)
    ]
    change = BENCH[job["method"]](base, vectors, parameters)
    return {name: base[name] + scale * change[name] for name in base}


def bench(module: str) -> Any:
    """Import a module of FusionBench's methods."""
    import transformers.models.clip.modeling_clip as clip

    if not hasattr(clip, "CLIPVisionTransformer"):  # FusionBench 0.2.33 imports a class that transformers 5 renamed
        clip.CLIPVisionTransformer = clip.CLIPVisionModel
    return importlib.import_module(f"fusion_bench.method.{module}")


def spectral(module: str, name: str, base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """A function of FusionBench that takes task vectors and gives the merged one."""
    found: State = getattr(bench(module), name)(vectors, accelerator="cpu", **parameters)
    return found


def ties(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    ties_utils = bench("ties_merging.ties_merging_utils")
    flat = torch.stack([ties_utils.state_dict_to_vector(vector) for vector in vectors])
    return unflattened(ties_utils.ties_merging(flat, **parameters), base)


def consensus(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """TALL masks by FusionBench, combined as in the paper: kept where at least `agree` masks are set."""
    flat = torch.stack([flattened(vector) for vector in vectors])
    start = flattened(base)
    masks = bench("tall_mask.utils").generate_task_masks(
        flat, start + flat, start, tall_mask_lambda=parameters["tall_mask_lambda"]
    )
    return unflattened(flat.sum(0) * (masks.sum(0) >= parameters["agree"]), base)


def svc(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """Task arithmetic at 0.3, its matrices calibrated."""
    calibrate = bench("singular_value_calibration.utils").subspace_consistency_spectral_calibration
    found: State = {}
    for name, start in base.items():
        merged = start + 0.3 * torch.stack([vector[name] for vector in vectors]).sum(0)
        if start.dim() == 2 and name not in parameters["exclude_keys"]:
            experts = [start + vector[name] for vector in vectors]
            merged = calibrate(start, experts, merged, parameters["alpha"], torch.device("cpu"))
        found[name] = merged - start
    return found


def knots(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """FusionBench's common space of each matrix, its TIES over all of them, the mean elsewhere."""
    align, elect = bench("knots.knots_utils").subspace_alignment, bench("ties_merging.ties_merging_utils").ties_merging
    found = {name: torch.stack([vector[name] for vector in vectors]).mean(0) for name in base}
    names = [name for name in sorted(base) if base[name].dim() == 2 and name not in parameters["exclude_keys"]]
    spaces = {name: align([vector[name] for vector in vectors], eps=1e-5) for name in names}
    turned = [{name: s.unsqueeze(1) * parts[n] for name, (_, s, parts) in spaces.items()} for n in range(len(vectors))]
    merged = elect(torch.stack([flattened(state) for state in turned]), parameters["reset_thresh"], "mean")
    for name, value in unflattened(merged, turned[0]).items():
        found[name] = spaces[name][0] @ value
    return found


def model_stock(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    stock = bench("model_stock.model_stock")
    one, two = ({name: base[name] + vector[name] for name in base} for vector in vectors)
    merged = stock.merge_weights(one, two, base, stock.compute_ratio(stock.compute_angle(one, two, base)))
    return {name: merged[name] - base[name] for name in base}


def opcm(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """OPCM's two rules in the order of its loop, with its scaling after every expert."""
    method = bench("opcm.opcm").OPCMForCLIP
    state = SimpleNamespace(previous_lambda_t=1.0, lambda_t=1.0)
    merged = {name: base[name] + vectors[0][name] for name in base}
    lengths = [length(vectors[0])]
    for vector in vectors[1:]:
        lengths.append(length(vector))
        for name, start in base.items():
            both = (merged[name], start, start + vector[name], name)
            if start.dim() == 2 and name != "text_projection":
                merged[name] = method.merge_linear_weights(state, *both, parameters["alpha"])
            else:
                merged[name] = method.merge_other_parameters(state, *both)
        now = length({name: merged[name] - base[name] for name in base})
        shrunk = sum(lengths) / len(lengths) / now
        merged = {name: base[name] + (merged[name] - base[name]) * shrunk for name in base}
        state.previous_lambda_t = 1.0 / shrunk
    return {name: merged[name] - base[name] for name in base}


def doge(base: State, vectors: list[State], parameters: dict[str, Any]) -> State:
    """DOGE on the matrices, under names that it takes for an encoder's weights."""
    matrices = [name for name in base if base[name].dim() == 2 and name != "text_projection"]
    names = {f"{name.replace('.', '_')}_weight": name for name in matrices}

    def model(state: State) -> torch.nn.Module:
        parts = {key: torch.nn.Parameter(state[name].clone()) for key, name in names.items()}
        return torch.nn.ModuleDict({"encoder": torch.nn.ParameterDict(parts)})

    experts = [{name: base[name] + vector[name] for name in base} for vector in vectors]
    models = {"_pretrained_": model(base), **{str(number): model(expert) for number, expert in enumerate(experts)}}
    merged = bench("doge_ta.doge_ta").DOGE_TA_Algorithm(**parameters).run(models).encoder
    moved = {name: merged[key].detach() - base[name] for key, name in names.items()}
    return {name: moved.get(name, torch.zeros_like(base[name])) for name in base}


def length(state: State) -> float:
    return float(torch.cat([value.reshape(-1) for value in state.values()]).norm())


def flattened(state: State) -> Tensor:
    return torch.cat([state[name].reshape(-1) for name in sorted(state)])


def unflattened(flat: Tensor, like: State) -> State:
    found: State = {}
    start = 0
    for name in sorted(like):
        stop = start + like[name].numel()
        found[name] = flat[start:stop].view(like[name].shape)
        start = stop
    return found


# PEFT


def by_peft(job: Job, stored: State) -> State:
    """Merge random LoRA adapters, saved to the job's folder; `merge` takes the one adapter there is into the base.

    Gives `merged/…`, and the base as `base/…`.
    """
    import peft

    torch.manual_seed(job["parameters"]["seed"])
    network = torch.nn.ModuleDict({name: torch.nn.Linear(size[1], size[0]) for name, size in LORA.items()})
    base = {name: value.detach().clone() for name, value in network.state_dict().items()}
    options = job["parameters"]["adapters"]
    configs = [peft.LoraConfig(target_modules=list(LORA), init_lora_weights=False, **option) for option in options]
    model = peft.PeftModel(network, configs[0], adapter_name="0")
    for number, config in enumerate(configs[1:], start=1):
        model.add_adapter(str(number), config)
    model.save_pretrained(job["folder"])
    names = [str(number) for number in range(len(options))]
    if job["method"] == "merge":
        merged = {name: value.detach() for name, value in model.merge_and_unload().state_dict().items()}
    else:
        model.add_weighted_adapter(names, job["parameters"]["weights"], "merged", combination_type=job["method"])
        merged = dict(base)
        for part in LORA:
            merged[f"{part}.weight"] = base[f"{part}.weight"] + model.base_model.model[part].get_delta_weight("merged")
    return {f"base/{name}": value for name, value in base.items()} | {f"merged/{k}": v for k, v in merged.items()}


PEERS = {"mergekit": by_mergekit, "fusion-bench": by_fusion_bench, "peft": by_peft}
SPECTRAL = {
    "tsv_m": ("task_singular_vector.utils.TSVM_utils", "compute_and_sum_svd_mem_reduction"),
    "iso_c": ("isotropic_merging.iso_utils", "iso_c"),
    "iso_cts": ("isotropic_merging.iso_utils", "iso_cts"),
    "wudi": ("wudi.wudi", "wudi_merging"),
}
BENCH: Mapping[str, Callable[[State, list[State], dict[str, Any]], State]] = {
    **{name: partial(spectral, *where) for name, where in SPECTRAL.items()},
    "magmax": lambda base, vectors, parameters: bench("magmax.magmax")._magmax_select(vectors),
    "emr": lambda base, vectors, parameters: bench("emr_merging.utils").emr_merge(vectors)[0],
    "ties": ties,
    "consensus": consensus,
    "model_stock": model_stock,
    "opcm": opcm,
    "svc": svc,
    "knots": knots,
    "doge": doge,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
