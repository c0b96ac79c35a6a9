"""WebDataset shards: tar files in which a sample is the files of one name, "0001.jpg" and "0001.cls"."""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from PIL.Image import Image

from evaluation.data.labels import Label, numbered, pool_of
from evaluation.data.picture import decoded
from evaluation.data.source import Item, Source
from evaluation.errors import EvaluationError

PICTURES = ("jpg", "jpeg", "png", "webp", "ppm", "bmp")
TEXTS = ("txt", "text")
LABELS = ("cls", "label", "json")
Place = tuple[Path, int, int]  # tar file, first byte, size


def is_shards(path: Path) -> bool:
    """Whether a folder holds tar files, at its top or under train/, val/, test/."""
    return bool(_files(path))


def open_shards(path: Path) -> Source:
    """List the samples of a tar file or a folder of them; they are read in place, and the id of one is its shard and
    its name in it, "train/0.tar/0001". classnames.txt and zeroshot_classification_templates.txt in the folder, one a
    line, name classes and prompts.

    Raises: EvaluationError naming the shard and the sample without a label or without content.
    """
    root = path if path.is_dir() else path.parent
    places: dict[str, tuple[str, Place]] = {}
    labels: list[Label] = []
    pools: list[str] = []
    digest = hashlib.sha256()
    for file in _files(path) if path.is_dir() else [path]:
        relative = file.relative_to(root).as_posix()
        digest.update(f"{relative}\0{file.stat().st_size}\0{file.stat().st_mtime_ns}\n".encode())
        for name, parts in _samples(file).items():
            id = f"{relative}/{name}"
            content = next((ending for ending in (*PICTURES, *TEXTS) if ending in parts), None)
            label = next((ending for ending in LABELS if ending in parts), None)
            if content is None or label is None:
                lacks = "picture or text" if content is None else f"label ({', '.join(LABELS)})"
                raise EvaluationError(f"Shard '{file}': sample '{name}' has no {lacks}; it has {', '.join(parts)}.")
            places[id] = (content, parts[content])
            labels.append(_label(_bytes(parts[label]), label, f"Shard '{file}', sample '{name}'"))
            pools.append(pool_of(file, root))
    if not places:
        raise EvaluationError(f"Shards '{path}' hold no sample.")
    classes, targets = numbered(labels, _lines(root / "classnames.txt"), f"Shards '{path}'")
    templates = _lines(root / "zeroshot_classification_templates.txt") or []
    items = tuple(Item(id, target, pool) for id, target, pool in zip(places, targets, pools, strict=True))
    prompts = tuple(each.replace("{c}", "{}") for each in templates)
    return Source(path, classes, path.stem, prompts, items, digest.hexdigest(), partial(_read, path, places))


def _read(path: Path, places: Mapping[str, tuple[str, Place]], id: str) -> Image | str:
    ending, place = places[id]
    content = _bytes(place)
    if ending in TEXTS:
        return content.decode("utf-8", errors="replace").strip()
    return decoded(content, f"'{path}', sample '{id}.{ending}'")


def _files(path: Path) -> list[Path]:
    return sorted([*path.glob("*.tar"), *path.glob("*/*.tar")])


def _samples(file: Path) -> dict[str, dict[str, Place]]:
    """Ending -> place, by sample name: all before the first dot of the last part of the path."""
    found: dict[str, dict[str, Place]] = {}
    try:
        with tarfile.open(file, "r:") as opened:
            for member in opened:
                if member.isfile():
                    folder, _, last = member.name.rpartition("/")
                    stem, _, ending = last.partition(".")
                    name = f"{folder}/{stem}" if folder else stem
                    found.setdefault(name, {})[ending.lower()] = (file, member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise EvaluationError(
            f"Shard '{file}' cannot be read: {error}.", "Is the file complete, and a plain .tar?"
        ) from None
    return found


def _bytes(place: Place) -> bytes:
    file, start, size = place
    with open(file, "rb") as opened:
        opened.seek(start)
        return opened.read(size)


def _label(content: bytes, ending: str, where: str) -> Label:
    text = content.decode("utf-8", errors="replace").strip()
    if ending == "json":
        try:
            facts = json.loads(text)
            found = next((facts[key] for key in ("label", "cls", "class") if key in facts), None)
        except (ValueError, TypeError):
            found = None
        if not isinstance(found, int | str) or isinstance(found, bool):
            raise EvaluationError(f"{where}: its json has no label.", "Give it a field 'label', 'cls' or 'class'.")
        return found
    if not text:
        raise EvaluationError(f"{where}: its label is empty.")
    return text


def _lines(path: Path) -> list[str] | None:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()] if path.is_file() else None
