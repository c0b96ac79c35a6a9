"""What a merge costs where everything is loaded again for it, as in the tools that this is compared with.

*pickles*: the way of the MAP authors (and of the task-vector code that theirs builds on): for every merge each task
vector is made from two whole-module pickles, base and expert, the merged model from the base's pickle once more, and
every data set is decoded from its files. *files*: the way of tools built on mergekit: merge to a checkpoint on disk,
build a network, load the checkpoint, decode the data. The merge itself is ours in `files`, and faster than theirs; what
they reload is read from a warm file cache; frozen heads are loaded, not computed. All in turns, in one process.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.trial.vit import MODEL, points


def measure(folder: Path, repetitions: int, device: str = "cpu") -> dict[str, Any]:
    """Median seconds per merge of the three ways on the same study, and their ratios to ours; on a GPU all in bf16."""
    from study.measuring.measure import Measurer
    from study.measuring.outputs import save_outputs
    from study.study import open_study

    study = open_study(folder)
    names = [one.name for one in study.experts]
    rows: list[dict[str, float]] = []
    with Measurer(study, device) as measurer:
        _pickles(folder, ["base", *names])
        heads = {name: task.head.weight.clone() for name, task in measurer.tasks.items()}
        torch.save(heads, folder / "heads.pt")
        ids = {name: task.split("validation").ids for name, task in measurer.tasks.items()}
        for number, point in enumerate(points(names, repetitions + 2)[1:]):
            seconds, outputs = {}, {}
            begun = time.perf_counter()
            result = measurer.measure(study.method(), point)
            save_outputs(study, f"trial{number}", "validation", result.outputs)
            seconds["ours"] = time.perf_counter() - begun
            for way, one_merge in (("pickles", _from_pickles), ("files", _through_files)):
                begun = time.perf_counter()
                network = one_merge(study, point)
                outputs[way] = _evaluate(network.to(measurer.device), folder, ids, measurer.device)
                seconds[way] = time.perf_counter() - begun
            for way, found in outputs.items():
                for name, mine in result.outputs.items():
                    gap = float((found[name] - torch.from_numpy(mine)).abs().max())
                    if gap > (1e-2 if device == "cpu" else 5e-2) * float(mine.max() - mine.min()):
                        raise SystemExit(f"'{way}' measures another model: task {name} differs by {gap}")
            rows.append(seconds)
    rows = rows[1:]
    return {
        "samples": sum(task.samples.validation for task in study.tasks),
        "experts": len(names),
        "medians": {way: statistics.median(row[way] for row in rows) for way in rows[0]},
        "times_as_long_as_ours": {
            way: statistics.median(row[way] / row["ours"] for row in rows) for way in ("pickles", "files")
        },
        "raw": rows,
    }


def _pickles(folder: Path, names: list[str]) -> None:
    """Image encoders as whole-module pickles, as the field's legacy checkpoints are; the text tower is not kept."""
    import open_clip
    from safetensors.torch import load_file

    for name in names:
        path = folder / f"{name}.pt"
        if not path.exists():
            network = open_clip.create_model(MODEL, pretrained=None)
            network.load_state_dict(load_file(folder / f"{name}.safetensors"))
            torch.save(network.visual, path)


def _from_pickles(study: Any, point: dict[str, float]) -> nn.Module:
    folder = study.folder
    total: dict[str, torch.Tensor] = {}
    for name, coefficient in point.items():
        before = torch.load(folder / "base.pt", weights_only=False).state_dict()
        after = torch.load(folder / f"{name}.pt", weights_only=False).state_dict()
        for key, one in before.items():
            change = coefficient * (after[key] - one)
            total[key] = total[key] + change if key in total else change
    network: nn.Module = torch.load(folder / "base.pt", weights_only=False)
    merged = {key: one + total[key] for key, one in network.state_dict().items()}
    network.load_state_dict(merged)
    return network.eval()


def _through_files(study: Any, point: dict[str, float]) -> nn.Module:
    import open_clip
    from safetensors.torch import load_file

    from merging import OpenRecipe, merge, method, new_recipe, reference

    folder = study.folder
    base = reference("base", folder / "base.safetensors")
    experts = [reference(name, folder / f"{name}.safetensors") for name in point]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        recipe = new_recipe(OpenRecipe(method("task_arithmetic"), base, experts, point), Path(place))
        merge(recipe, Path(place), Path(place) / "merged.safetensors")
        network = open_clip.create_model(MODEL, pretrained=None)
        network.load_state_dict(load_file(Path(place) / "merged.safetensors"))
    visual: nn.Module = network.visual
    return visual.eval()


def _evaluate(
    visual: nn.Module, folder: Path, ids: dict[str, tuple[str, ...]], device: torch.device
) -> dict[str, torch.Tensor]:
    """Decode, resize, normalise and classify, with the data loader of torch in this process."""
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    cfg: Any = visual
    transform = image_transform_v2(PreprocessCfg(**cfg.preprocess_cfg), is_train=False)
    heads = torch.load(folder / "heads.pt", map_location=device)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    found = {}
    with torch.inference_mode(), half:
        for name, own in ids.items():
            files = [folder / "data" / name / each for each in own]
            parts = []
            for start in range(0, len(files), 125):
                batch = torch.stack([transform(Image.open(each).convert("RGB")) for each in files[start : start + 125]])
                features = nn.functional.normalize(visual(batch.to(device)), dim=-1)
                parts.append(features.float() @ heads[name].T)
            found[name] = torch.cat(parts).float().cpu()
    return found
