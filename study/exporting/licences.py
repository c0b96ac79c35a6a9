"""Which licence each part of a merge says it is under: read from what lies with the weights, never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from study.headers import metadata
from study.study import Study

TEXTS = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
ATTRIBUTION = "ATTRIBUTION.md"


@dataclass(frozen=True)
class Licence:
    """One part (base or expert), the licence that its files state (None: they state none), and where that stands."""

    part: str
    licence: str | None
    source: str | None


def licences(study: Study) -> list[Licence]:
    """The licence of the base and of every expert.

    Looked for, in this order: the metadata of the safetensors file, the front matter of a model card (README.md) and
    a licence text in the checkpoint's own folder; last, a file ATTRIBUTION.md in the study.
    """
    parts = [("base", study.settings.base.weights), *((one.name, one.weights) for one in study.experts)]
    return [_licence(study, name, study.path(text)) for name, text in parts]


def _licence(study: Study, part: str, path: Path) -> Licence:
    folder = path if path.is_dir() else path.parent
    inside = _stated(path) if path.suffix == ".safetensors" else None
    if inside:
        return Licence(part, inside, path.name)
    card = _card(folder / "README.md")
    if card:
        return Licence(part, card, "README.md")
    # A text lies for sure with the weights only where the folder is theirs alone.
    found = next((name for name in TEXTS if (folder / name).is_file()), None) if path.is_dir() else None
    if found:
        return Licence(part, _first_line(folder / found), found)
    if (study.folder / ATTRIBUTION).is_file() and path.is_relative_to(study.folder):
        return Licence(part, f"see {ATTRIBUTION}", ATTRIBUTION)
    return Licence(part, None, None)


def _stated(path: Path) -> str | None:
    facts = metadata(path)
    return _clean(facts.get("license") or facts.get("licence"))


def _card(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8")[:100_000]
    except (OSError, UnicodeDecodeError):
        return None
    matter = re.match(r"---\s*\n(.*?)\n---\s*\n", text, re.DOTALL)
    try:
        value = yaml.safe_load(matter.group(1)) if matter else None
    except yaml.YAMLError:
        return None
    return _clean(value.get("license")) if isinstance(value, dict) else None


def _first_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return _clean(lines[0] if lines else "") or path.name


def _clean(value: object) -> str | None:
    text = " ".join(str(value).split())[:120] if value else ""
    return text or None
