"""What the words on the screens mean: read from docs/glossary.md, the one place where they are explained."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
PLAIN = (("base", "starting model"), ("experts", "specialists"), ("expert", "specialist"), ("merge ", "mix "))


@lru_cache(maxsize=1)
def words() -> dict[str, str]:
    """{word on the screen: its meaning, told in the words of the screen}."""
    rows = [line.strip().strip("|").split("|") for line in FILE.read_text(encoding="utf-8").splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == 3]
    return {shown: meaning for noun, shown, meaning in cells[2:] if shown not in ("–", "on screen")}


def meaning(word: str) -> str:
    """The explanation that a person sees on hovering over a word.

    Raises:
        KeyError: the glossary does not explain it; every word used here must stand there.
    """
    found = words()[word]
    for noun, plain in PLAIN:
        found = found.replace(noun, plain)
    return f"{word[0].upper()}{word[1:]}: {found}."
