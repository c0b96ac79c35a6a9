"""What a worker on another machine needs of a study: its checkpoints, prepared samples and directions, as files.

Pictures and texts stay where they are: a node gets the prepared samples, and of a task's data only what they are
called. Where every node sees the study's own folder (a shared file system) they read there, and nothing is shipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.data.source import Source, absent
from study.errors import StudyError
from study.measuring.learned import DIRECTIONS
from study.measuring.samples import FOLDER as SAMPLES
from study.settings import Settings
from study.study import Study

BESIDE = (".json", ".txt", ".model", ".gz", ".vocab", ".merges")  # what may lie beside a model's description
SMALL = 50_000_000


@dataclass(frozen=True)
class File:
    """A file of the shipment: its path below the folder, its bytes, and what holds them (uint8, n)."""

    path: str
    size: int
    held: Any


@dataclass(frozen=True)
class Shipment:
    """``settings`` name the shipped files; ``key`` is a hash of what they are. A node that sees ``mark`` sees the study
    itself, and opens it with the settings ``own``. sources: of each task's data, what the data are called."""

    key: str
    settings: Settings
    own: Settings
    files: tuple[File, ...]
    sources: dict[str, Source]
    mark: Path


def pack(study: Study, sources: Mapping[str, Source], mark: Path, hold: Callable[[Any], Any] | None) -> Shipment:
    """Gather a study's files; ``hold`` puts an array of bytes where every node can get it (None: no node needs to)."""
    settings, paths = _rewritten(study)
    for name in (SAMPLES, DIRECTIONS):
        for file in (study.folder / name).rglob("*"):
            if file.is_file() and not file.name.startswith("."):
                paths[file.relative_to(study.folder).as_posix()] = file
    known = [(name, str(file), file.stat().st_size, file.stat().st_mtime_ns) for name, file in sorted(paths.items())]
    key = hashlib.sha256(json.dumps([study.context, known]).encode()).hexdigest()[:16]
    held = [] if hold is None else [File(name, size, hold(_bytes(Path(file)))) for name, file, size, _ in known]
    named = {name: absent(source) for name, source in sources.items()}
    return Shipment(key, settings, study.settings, tuple(held), named, mark)


def place(shipment: Shipment, node: str, get: Callable[[Any], Any]) -> Study:
    """The study as this node sees it; what is shipped is written into the node's temporary folder, once.

    Raises:
        StudyError: nothing was shipped and the study's folder is not seen.
    """
    if not shipment.files:
        if not shipment.mark.exists():
            raise StudyError(
                f"The node does not see '{shipment.mark.parent}', which the nodes had in common when the run began.",
                "Give the same command again: what it needs is then shipped.",
            )
        return Study(shipment.mark.parent, shipment.own)
    folder = Path(tempfile.gettempdir()) / f"mergescape-{shipment.key}-{node[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StudyError(f"'{folder}' on a node belongs to somebody else.", "Remove it, or set TMPDIR for the nodes.")
    with _alone(folder / ".lock"):
        for file in shipment.files:
            target = folder / file.path
            if target.is_file() and target.stat().st_size == file.size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.part")
            get(file.held).tofile(draft)
            draft.replace(target)
    return Study(folder, shipment.settings)


def _rewritten(study: Study) -> tuple[Settings, dict[str, Path]]:
    """Settings whose paths lead into the shipment, and the files that stand there."""
    paths: dict[str, Path] = {}

    def shipped(text: str | None, place: str) -> str | None:
        source = None if text is None else study.path(text)
        if source is None or not source.exists():
            return text  # a name that a library knows, or a hub id
        inside = [source] if source.is_file() else [one for one in sorted(source.rglob("*")) if one.is_file()]
        top = source.parent if source.is_file() else source
        if place == "model" and source.is_file():
            inside += [one for one in top.iterdir() if one.suffix in BESIDE and one.stat().st_size < SMALL]
        paths.update({f"shipped/{place}/{one.relative_to(top).as_posix()}": one for one in inside})
        return f"shipped/{place}/{source.name}" if source.is_file() else f"shipped/{place}"

    own = study.settings
    base = {"weights": shipped(own.base.weights, "base"), "model": shipped(own.base.model, "model")}
    base["tokenizer"] = shipped(own.base.tokenizer, "tokenizer")
    experts = tuple(
        one.model_copy(update={"weights": shipped(one.weights, f"expert-{i}")}) for i, one in enumerate(own.experts)
    )
    tasks = tuple(one.model_copy(update={"head": shipped(one.head, f"head-{i}")}) for i, one in enumerate(own.tasks))
    changed = {"base": own.base.model_copy(update=base), "experts": experts, "tasks": tasks}
    return own.model_copy(update=changed), paths


def _bytes(path: Path) -> Any:
    return np.memmap(path, np.uint8, "r").view(np.ndarray) if path.stat().st_size else np.zeros(0, np.uint8)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one worker of a node writes; the others then find everything there."""
    with open(path, "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
