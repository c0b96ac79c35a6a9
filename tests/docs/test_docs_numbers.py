"""Every number in a table of README and docs comes from a JSON of a benchmark, or says whose it is."""

import re
from pathlib import Path

import pytest

from benchmarks.figures import FIGURES, IMAGES, fingerprint
from benchmarks.tables.__main__ import BLOCK, ROOT, TABLES, made, pages, stale
from benchmarks.tables.results import Results
from tests.docs.sources import GAP, pattern, texts

SOURCED = re.compile(r"<!-- source: [^\n]+ -->\n(?:\|[^\n]*\n)+")
TABLE = re.compile(r"(?:^\|[^\n]*\n)+", re.MULTILINE)
CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|arXiv \d+\.\d+")
MEASURED = re.compile(r"\d\.\d|\d\s?(?:%|×|ms\b|s\b|GB\b|MB\b|points?\b)")
WHOLE_PAGES = {
    "methods.md": "python -m merging --list --markdown",
    "front_quality.md": "benchmarks.front_quality",
    "licences.md": "make licences",
    "learning.md": "python -m benchmarks.learning_order --table docs/learning.md",
}


def test_tables_are_what_the_results_say() -> None:
    assert not [str(page.relative_to(ROOT)) for page in stale(Results())], "run: python -m benchmarks.tables"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_table_with_measured_numbers_is_made_or_has_a_source(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name in WHOLE_PAGES:
        assert WHOLE_PAGES[page.name] in text
        return
    by_hand = SOURCED.sub("", BLOCK.sub("", text))
    for table in TABLE.findall(by_hand):
        for line in table.splitlines():
            assert not MEASURED.search(CODE.sub("", line)), f"{page.name}: a number without a source: {line}"


def test_a_page_asks_only_for_tables_that_exist_and_every_table_is_asked_for() -> None:
    asked = [found["name"] for page in pages() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert set(asked) == set(TABLES)


def test_where_nothing_was_measured_the_page_says_so(tmp_path: Path) -> None:
    nothing = Results(tmp_path)
    for name in set(TABLES) - {"goldens"}:
        text = made(name, nothing)
        assert text.startswith("Not measured in this version.")
        module = re.search(r"python -m ([\w.]+)", text)
        assert module and (ROOT / (module[1].replace(".", "/") + ".py")).is_file()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_the_results(name: str) -> None:
    read, _ = FIGURES[name]
    drawn = (IMAGES / name).read_text(encoding="utf-8")
    assert f"numbers {fingerprint(read(Results()))}" in drawn, "run: python -m benchmarks.figures"


def test_the_errors_of_the_page_are_the_errors_of_the_program() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    messages = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(messages) >= 20
    said = list(texts(ROOT))
    for message in messages:
        assert len(message.replace(GAP, "").strip()) > 10, message
        assert any(pattern(message).search(text) for text in said), f"the program no longer says: {message}"
