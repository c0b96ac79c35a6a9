"""Carrying out a recipe: one .safetensors file, or a folder with shards, recipe and the base's companions."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from merging.combining.stream import merge_blocks, merge_plan
from merging.errors import MergingError
from merging.files.writing import Slot, rows_of, write, write_bytes, write_text
from merging.recipe import Recipe, new_recipe
from merging.task_vector import task_vectors

SHARD = 5 * 10**9  # bytes, as in huggingface_hub
RECIPE = "recipe.yaml"
MERGEKIT = "mergekit_config.yml"
COMPANIONS = (
    ".json",
    ".txt",
    ".model",
    ".jinja",
    ".tiktoken",
)  # configuration and tokenizer of a base folder
SINGLE = "model.safetensors"
OPEN_CLIP = "open_clip_model.safetensors"
Progress = Callable[[int, int], None]


def merge(
    recipe: Recipe,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    shard: int = SHARD,
) -> dict[str, str]:
    """Carry out a recipe whose paths are relative to `folder`; return SHA-256 (hex) by file name.

    `out` ending in .safetensors is one file, with the recipe beside it as <name>.recipe.yaml; anything else
    is a folder with weights (in shards of at most `shard` bytes), recipe.yaml, and the configuration and
    tokenizer files of the base where the base is a folder. Nothing half-written is ever left at `out`.

    Raises:
        MergingError: a wrong recipe or checkpoint, or an `out` that holds something else.
    """
    out = Path(out)
    opened = recipe.opened(folder)
    base = opened.base.path
    refuse_overwriting(out, [base, *(expert.path for expert in opened.experts)])
    with task_vectors(opened.base, opened.experts) as vectors:
        plan = merge_plan(vectors, opened.dtype)
    single = out.suffix == ".safetensors"
    full = new_recipe(opened, out.parent if single else out)
    metadata = {"format": "pt", "mergescape": full.identity()}
    stream = reported(merge_blocks(opened), plan, progress)
    if single:
        recipe_file = out.with_suffix(".recipe.yaml")
        found = {out.name: write(out, stream, metadata, plan)}
        found[recipe_file.name] = write_text(recipe_file, full.to_yaml())
        return found
    files = {RECIPE: full.to_yaml().encode()} | companions(base)
    return write_folder(out, stream, plan, metadata, Folder(files, base), shard)


def reported(
    stream: Iterator[tuple[str, Tensor]], plan: Sequence[Slot], progress: Progress | None
) -> Iterator[tuple[str, Tensor]]:
    """Pass tensors or their blocks on and report how many tensors of how many are done."""
    for done, slot in enumerate(plan, start=1):
        for tensor in rows_of(slot, stream):
            yield slot.name, tensor
        if progress:
            progress(done, len(plan))
    yield from stream


def refuse_overwriting(out: Path, sources: Sequence[Path]) -> None:
    """Raise MergingError when `out` holds a source, or anything but an earlier merge."""
    here = out.resolve()
    for source in sources:
        if here in (source.resolve(), *source.resolve().parents):
            raise MergingError(f"'{out}' holds the checkpoint '{source}'.", "Choose another place to write.")
    if out.suffix == ".safetensors":
        if out.is_dir():
            raise MergingError(f"'{out}' is a folder.", "Choose another name.")
    elif out.exists() and not (out.is_dir() and (_merged_before(out) or not any(out.iterdir()))):
        raise MergingError(
            f"'{out}' exists and is not an earlier merge.",
            "Give a new folder, or a name that ends in .safetensors.",
        )


def _merged_before(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RECIPE, MERGEKIT))


@dataclass(frozen=True)
class Folder:
    """What stands beside the weights: files by name; and the checkpoint whose way of naming weights is kept."""

    files: Mapping[str, bytes]
    model: Path


def write_folder(
    out: Path,
    stream: Iterator[tuple[str, Tensor]],
    plan: Sequence[Slot],
    metadata: Mapping[str, str],
    beside: Folder,
    shard: int = SHARD,
) -> dict[str, str]:
    """Write weights and files into a folder; SHA-256 by file name."""
    with new_folder(out) as work:
        found = _write_weights(work, stream, plan, metadata, beside.model, shard)
        for name, data in beside.files.items():
            found[name] = write_bytes(work / name, data)
    return found


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place only when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        work.chmod(0o755)
        yield work
        _replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_weights(
    work: Path,
    stream: Iterator[tuple[str, Tensor]],
    plan: Sequence[Slot],
    metadata: Mapping[str, str],
    base: Path,
    shard: int,
) -> dict[str, str]:
    parts = _shards(plan, shard)
    if len(parts) == 1:
        name = OPEN_CLIP if (base / OPEN_CLIP).is_file() else SINGLE
        return {name: write(work / name, stream, metadata, plan)}
    found: dict[str, str] = {}
    where: dict[str, str] = {}
    for number, part in enumerate(parts, start=1):
        name = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        found[name] = write(work / name, _only(part, stream), metadata, part)
        where.update({slot.name: name for slot in part})
    for extra, _ in stream:
        raise MergingError(f"Tensor '{extra}' has no shard.")
    index = {
        "metadata": {"total_size": sum(slot.nbytes for slot in plan)},
        "weight_map": dict(sorted(where.items())),
    }
    name = "model.safetensors.index.json"
    found[name] = write_text(work / name, json.dumps(index, indent=2) + "\n")
    return found


def _only(part: Sequence[Slot], stream: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Take the tensors of one shard from a stream."""
    for slot in part:
        for tensor in rows_of(slot, stream):
            yield slot.name, tensor


def _shards(plan: Sequence[Slot], limit: int) -> list[list[Slot]]:
    """Split the plan into consecutive parts of at most `limit` bytes (one tensor may be larger)."""
    parts: list[list[Slot]] = [[]]
    held = 0
    for slot in plan:
        if parts[-1] and held + slot.nbytes > limit:
            parts.append([])
            held = 0
        parts[-1].append(slot)
        held += slot.nbytes
    return parts


def companions(base: Path) -> dict[str, bytes]:
    """Return configuration and tokenizer files of a base folder, by name."""
    if not base.is_dir():
        return {}
    return {
        file.name: file.read_bytes()
        for file in sorted(base.iterdir())
        if file.is_file() and file.suffix in COMPANIONS and not file.name.endswith(".index.json")
    }


def _replace(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`; an earlier merge there is removed only after it."""
    if not out.exists():
        os.rename(work, out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    os.rename(out, old / "merge")
    os.rename(work, out)
    shutil.rmtree(old, ignore_errors=True)
