"""Per-sample outputs of done trials, and the true classes beside them: arrays in the study's folder. No torch here."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.errors import StudyError
from study.folder.writing import replacing
from study.study import Study

OUTPUTS = "outputs"


def outputs_path(study: Study, trial: str, split: str) -> Path:
    """Where the per-sample outputs of a trial's split are kept."""
    return study.folder / OUTPUTS / f"{trial}.{split}.npz"


def save_outputs(study: Study, trial: str, split: str, outputs: Mapping[str, NDArray[np.float32]]) -> str:
    """Write the outputs {task: (samples, classes)} atomically; the SHA-256 (hex) of the file."""
    path = outputs_path(study, trial, split)
    return _save(path, {task: np.asarray(one, np.float32) for task, one in outputs.items()})


def save_targets(study: Study, split: str, targets: Mapping[str, NDArray[np.int64]]) -> None:
    """Keep the true classes {task: (samples,)} beside the outputs: with them any metric can be read later."""
    _save(_targets_path(study, split), targets)


def _save(path: Path, arrays: Mapping[str, Any]) -> str:
    with replacing(path) as file:
        np.savez(file, **arrays)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _targets_path(study: Study, split: str) -> Path:
    return study.folder / OUTPUTS / f"targets.{study.context}.{split}.npz"


def load_targets(study: Study, split: str = "validation") -> dict[str, NDArray[Any]]:
    """The true classes of a split, by task; empty before anything was measured."""
    path = _targets_path(study, split)
    return _read(str(path), path.stat().st_mtime_ns) if path.exists() else {}


def load_outputs(study: Study, trial: str, split: str = "validation") -> dict[str, NDArray[Any]]:
    """The per-sample outputs of one trial, by task.

    Raises:
        StudyError: the file is missing or damaged.
    """
    path = outputs_path(study, trial, split)
    if not path.exists():
        cure = f"Measure it again: python -m study repair {study.folder}, then run."
        raise StudyError(f"The outputs of trial {trial} are missing: {path}.", cure)
    return _read(str(path), path.stat().st_mtime_ns)


def refuse_bomb(file: Any, path: Path) -> None:
    """Raise ValueError for arrays that would grow when read: ours are stored as they are, so only others' do."""
    size = sum(entry.file_size for entry in file.zip.infolist())
    if size > path.stat().st_size:
        raise ValueError(f"its arrays would grow to {size:,} bytes")


@lru_cache(maxsize=512)
def _read(path: str, changed: int) -> dict[str, NDArray[Any]]:
    try:
        with open(path, "rb") as whole, np.load(whole, allow_pickle=False) as file:
            refuse_bomb(file, Path(path))
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        cure = f"Measure that trial again: python -m study repair {Path(path).parent.parent}, then run."
        raise StudyError(f"{path} is damaged: {error}.", cure) from error
