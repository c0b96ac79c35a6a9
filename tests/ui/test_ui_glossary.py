"""One source explains the words; every word that a page explains stands in it."""

import re
from pathlib import Path

import pytest

from ui import copy, copy_guide, guide
from ui.glossary import meaning, words

ROOT = Path(__file__).resolve().parents[2]


def test_every_word_that_a_page_explains_is_in_the_glossary() -> None:
    used = set(copy.STEP_WORDS)
    for path in (ROOT / "ui").rglob("*.py"):
        text = path.read_text()
        used |= set(re.findall(r"""meaning\(["']([a-z ]+)["']\)""", text))
        used |= set(re.findall(r'"([a-z ]+)"', " ".join(re.findall(r'meanings\(("[^)]*)\)', text))))
    assert used <= set(words()) and len(used) >= 12
    assert meaning("starting model") == "Starting model: the model that all specialists were fine-tuned from."
    with pytest.raises(KeyError):
        meaning("hypervolume")


def test_explanations_use_the_words_of_the_screen() -> None:
    assert not any(re.search(r"\bexperts?\b|\bbase\b|\bcheckpoint", meaning(word)) for word in words())


def test_the_guide_has_five_steps() -> None:
    assert len(copy_guide.STEPS) == 5 and guide.ON
