"""What the words on the screens mean: read from docs/glossary.md, the one place where they are explained."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
PLAIN = {
    "an expert": "a specialist", "expert": "specialist", "base": "starting model", "merges": "mixes", "merge": "mix",
    "coefficient": "strength", "checkpoint": "model", "trials": "mixes",
}  # fmt: skip
NOUN = re.compile(rf"\b({'|'.join(PLAIN)})(?=s?\b)")


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
    return f"{word[0].upper()}{word[1:]}: {plainly(words()[word])}."


def meanings(*shown: str) -> str:
    """The explanations of several words, one below the other."""
    return "\n\n".join(meaning(word) for word in shown)


def plainly(text: str) -> str:
    """A sentence of the method gallery or the glossary in the words of the screen.

    >>> plainly("Averages the experts; only the proportions of the coefficients matter.")
    'Averages the specialists; only the proportions of the strengths matter.'
    """
    return NOUN.sub(lambda found: PLAIN[found[0]], text)
