"""Which files a checkpoint's weights lie in. No torch here: files are looked through before it is loaded."""

import json
import os
from pathlib import Path

from merging.errors import MergingError

SINGLE_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
SAFETENSORS = ".safetensors"
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
FORMATS = "Give a .safetensors file, a folder with one (or with a shard index), or a .pt/.bin state dict."


def weight_files(path: Path) -> list[Path]:
    """Return the files of a checkpoint, a file or a folder: all of safetensors, or all of torch.

    Raises:
        MergingError: nothing is there, or nothing that can be read as weights.
    """
    if not os.path.exists(path):  # False, too, for names that no disk could hold
        raise MergingError(f"There is no checkpoint at '{path}'.", FORMATS)
    if not path.is_dir() and not path.is_file():
        raise MergingError(f"'{path}' is a device or a pipe, not a file.", FORMATS)
    files = _in_folder(path) if path.is_dir() else [path]
    if not any(all(file.suffix in kind for file in files) for kind in ((SAFETENSORS,), TORCH_SUFFIXES)):
        raise MergingError(f"'{path}' is not a checkpoint that can be read (ending '{path.suffix}').", FORMATS)
    return files


def _in_folder(folder: Path) -> list[Path]:
    """Find the weight files of a folder: a shard index first, then the usual single files."""
    for index in sorted(folder.glob("*.index.json")):
        try:
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (KeyError, AttributeError, TypeError, ValueError, RecursionError) as error:
            raise MergingError(f"The shard index '{index}' cannot be read: {error}.") from error
        outside = [name for name in shards if "/" in name or "\\" in name or name in ("", "..")]
        if outside:
            raise MergingError(f"'{index}' lists the shard '{outside[0][:80]}', which is no file of that folder.")
        absent = [name for name in shards if not os.path.isfile(folder / name)]
        if absent or not shards:
            raise MergingError(f"'{index}' lists the shard '{(absent or ['none'])[0]}', which is not there.")
        return [folder / name for name in shards]
    for name in SINGLE_FILES:
        if (folder / name).is_file():
            return [folder / name]
    if (folder / "adapter_config.json").is_file():
        raise MergingError(
            f"'{folder}' holds a LoRA adapter, not a full checkpoint.",
            "An adapter can be an expert; the base must be the full checkpoint it was trained on.",
        )
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return found
    what = "no weight file" if not found else f"{len(found)} .safetensors files and no index"
    raise MergingError(f"The folder '{folder}' has {what}.", FORMATS)
