"""The examples in docstrings give what they show."""

import doctest
import importlib
import re

import pytest

from tests.conftest import ROOT

FOLDERS = ("merging", "evaluation", "surrogate", "study", "ui", "demo", "benchmarks")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0 < found.attempted


def test_they_are_found() -> None:
    assert len(MODULES) >= 20
