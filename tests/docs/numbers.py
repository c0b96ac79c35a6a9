"""Which numbers of a page look measured, and which of them nobody has accounted for.

A measured number is marked (`<!-- from: … -->`), stands in a table that is made, or under a `<!-- source: … -->`. All
others with a unit have a line in numbers.yaml.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from benchmarks.tables.__main__ import BLOCK
from benchmarks.tables.prose import MARK

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SOURCED = re.compile(r"<!-- source: [^\n]+ -->\n(?:\|[^\n]*\n)+")
NOT_PROSE = re.compile(r"<!--.*?-->|`[^`\n]*`|\]\([^)]*\)|arXiv \d+\.\d+|\b\d+\.\d+\.\d+(?:\.\d+)?\b", re.DOTALL)
WORDS = (
    "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty fifty sixty hundred thousand "
    "million dozen half third thirds quarter quarters fifth tenth tenths hundredth hundredths few several couple"
).replace(" ", "|")
UNITS = (
    "per cent|percent|points?|ms|milliseconds?|s|seconds?|min|minutes?|hours?|h|days?|kB|MB/s|GB/s|MB|GB|TB|times|fold|"
    "megabytes?|gigabytes?|terabytes?|x"
)
BETWEEN = r"(?:of |or more |and more )?(?:an? )?"
MEASURED = re.compile(
    rf"(?<![\w.@#/-])\d[\d,.]*(?:[\s-]?(?:%|×)|[\s-]?(?:{UNITS})\b)"
    rf"|\b(?!one point\b)(?:{WORDS})[\s-]{BETWEEN}(?:{UNITS}|%|×)\b"
    r"|\b(?:about|in|of|within|under|after|for|than|takes?) an? (?:millisecond|second|minute|hour|day|point)\b"
    r"|\b(?:milliseconds|terabytes|gigabytes)\b"
    r"|\b(?:twice|thrice) (?:as|the)\b|\bhalf (?:as|the (?:memory|time|size|bytes|cost|error))\b"
    r"|\b(?:half|third|quarter|fifth|tenth) (?:less|more)\b"
    r"|(?<![\w.@#/-])\d+\.\d+(?![\w.])",
    re.IGNORECASE,
)
WORD = {10: "ten"}
KINDS = {
    "published": {"source"},  # somebody else's number; the source stands on the page
    "setting": {"code"},  # a number of the program: module:NAME, `times` where the page writes another unit
    "file": {"file", "holds"},  # a number that a file of the project holds in these words
    "test": {"test"},  # a test asserts it: path::name
    "definition": {"why"},  # what a word means
    "example": {"why"},  # made up to explain something
    "arithmetic": {"why"},  # follows from numbers beside it
}


@dataclass(frozen=True)
class Exempt:
    """One line of numbers.yaml."""

    where: str
    text: str
    kind: str
    facts: dict[str, Any]


def exempt(path: Path) -> list[Exempt]:
    """All lines, each with its kind and that kind's facts."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Exempt(row.pop("where"), row.pop("text"), row.pop("kind"), row) for row in rows]


def prose(page: str) -> str:
    """What a person wrote on a page, in one line: without tables and numbers that are made, code and links."""
    for pattern in (BLOCK, FENCE, SOURCED, MARK, NOT_PROSE):
        page = pattern.sub(" ¦ ", page)
    return " ".join(page.split())


def literals(source: str) -> str:
    """What a module that makes a page writes into it, in one line: its texts, but not its docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    return prose("\n\n¦\n\n".join(texts))


def unaccounted(text: str, known: list[Exempt]) -> Iterator[str]:
    """The measured numbers of a text that no line of the table explains, each with the words around it."""
    for one in known:
        text = text.replace(one.text, " ¦ ")
    for found in MEASURED.finditer(text):
        yield f"{found[0]!r} in “…{text[max(0, found.start() - 60) : found.end() + 30]}…”"


def wrong(one: Exempt, text: str, root: Path) -> str:
    """What is not true of a line of the table; empty where all is."""
    if text.count(one.text) != 1:
        return f"stands {text.count(one.text)} times on the page"
    if one.kind not in KINDS or not KINDS[one.kind] <= set(one.facts):
        return f"kind {one.kind!r} needs {KINDS.get(one.kind, sorted(KINDS))}"
    facts = one.facts
    if one.kind == "setting":
        return _setting(one)
    if one.kind == "published" and facts["source"] not in text:
        return f"its source {facts['source']!r} does not stand on the page"
    if one.kind == "file" and str(facts["holds"]) not in (root / facts["file"]).read_text(encoding="utf-8"):
        return f"{facts['file']} does not hold {facts['holds']!r}"
    if one.kind == "test":
        path, name = facts["test"].split("::")
        if f"def {name}(" not in (root / path).read_text(encoding="utf-8"):
            return f"there is no test {facts['test']}"
    return ""


def _setting(one: Exempt) -> str:
    for place, value in one.facts["code"].items():
        module, name = place.split(":")
        held = getattr(import_module(module), name)
        shown = held * one.facts.get("times", 1)
        if abs(shown - value) > 1e-9:
            return f"{place} is {held!r}, the table says {value}"
        if f"{value:g}" not in one.text and WORD.get(value, str(value)) not in one.text:
            return f"the text does not hold {value}"
    return ""
