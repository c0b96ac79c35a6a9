"""What a server lets its visitors do: which folders they may name, how much they may send, keep and run. No torch.

Read from the environment, so that it holds for the browser's process and for every worker that it starts:

MERGESCAPE_ROOTS       folders, separated as in PATH; empty: only the studies folder; not set: anywhere
MERGESCAPE_MAX_UPLOAD  megabytes of a study that is sent in (default 20000)
MERGESCAPE_MAX_STUDY   megabytes that a study may hold before nothing more is started in it (not set: no limit)
MERGESCAPE_MAX_JOBS    studies that may be measured at a time (not set: no limit)
MERGESCAPE_HUB         1: visitors may fetch from and publish to a model hub even where folders are limited
MERGESCAPE_CACHE       folder for fingerprints of model files (not set: the user's cache folder); empty: none are kept
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from study.checkout import ROOT
from study.errors import StudyError

ROOTS = "MERGESCAPE_ROOTS"
UPLOAD = 20_000


@dataclass(frozen=True)
class Allowance:
    """``roots`` None: any folder; sizes in bytes, None: no limit."""

    roots: tuple[Path, ...] | None
    upload: int
    study: int | None
    jobs: int | None
    hub: bool


def allowance() -> Allowance:
    """What the environment says.

    Raises:
        StudyError: a limit is not a whole number.
    """
    roots = os.environ.get(ROOTS)
    named = None if roots is None else tuple(Path(one).expanduser() for one in roots.split(os.pathsep) if one.strip())
    size = _number("MERGESCAPE_MAX_STUDY")
    return Allowance(
        roots=None if named is None else tuple(path.resolve() for path in (*named, home(), ROOT / "demo")),
        upload=(_number("MERGESCAPE_MAX_UPLOAD") or UPLOAD) * 1_000_000,
        study=None if size is None else size * 1_000_000,
        jobs=_number("MERGESCAPE_MAX_JOBS"),
        hub=named is None or os.environ.get("MERGESCAPE_HUB") == "1",
    )


def home() -> Path:
    """Where the browser keeps studies: MERGESCAPE_HOME, or `studies` in the checkout."""
    return Path(os.environ.get("MERGESCAPE_HOME") or ROOT / "studies").expanduser().resolve()


def cache() -> Path | None:
    """Where fingerprints of model files are kept from one run to the next; None: nowhere.

    `merging.files.remembered` decides it; said here once more because a server's page is drawn without torch.
    """
    named = os.environ.get("MERGESCAPE_CACHE")
    if named == "":
        return None
    try:
        usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mergescape"
        return Path(named).expanduser() if named else usual
    except RuntimeError:  # no home
        return None


def outside(path: Path, *also: Path) -> str | None:
    """Why a path may not be used here, whether it exists or not; None if it may. Links are followed first."""
    roots = allowance().roots
    if roots is None:
        return None
    try:
        real = path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that cannot be one
        return f"'{path}' is not a path that can be used."
    if any(real.is_relative_to(root) for root in (*roots, *(one.resolve() for one in also))):
        return None
    return f"'{path}' lies outside the folders that this server allows."


def confined(path: Path, *also: Path) -> Path:
    """The path, unchanged.

    Raises:
        StudyError: it lies, or its links lead, outside the folders that this server allows.
    """
    problem = outside(path, *also)
    if problem:
        raise StudyError(problem, f"Its owner names them in {ROOTS}.")
    return path


def refuse_hub() -> None:
    """Raise StudyError where visitors may not use a model hub: there they would act in the server's name."""
    if not allowance().hub:
        raise StudyError("This server neither fetches from a model hub nor publishes to one.", "Use the command line.")


def refuse_large(folder: Path) -> None:
    """Raise StudyError where a study has reached the size that this server allows."""
    limit = allowance().study
    if limit is None:
        return
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if size > limit:
        raise StudyError(
            f"The study holds {size / 1e6:.0f} MB; this server allows {limit / 1e6:.0f} MB.",
            "Remove exports that you no longer need, or take the study home and go on there.",
        )


def refuse_more_jobs(running: int) -> None:
    """Raise StudyError where as many studies are measured as this server allows."""
    limit = allowance().jobs
    if limit is not None and running >= limit:
        raise StudyError(
            f"{running} studies are being measured; this server allows {limit} at a time.", "Wait until one has ended."
        )


def _number(name: str) -> int | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise StudyError(f"{name} is '{text[:40]}'.", "It must be a whole number from 1 on, or not be set.")
    return int(text)
