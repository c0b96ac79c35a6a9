"""Every number of README and docs comes from a JSON of a benchmark, or says whose it is."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import learned_cost
from benchmarks.figures import FIGURES, IMAGES, fingerprint
from benchmarks.peers.environment import PEERS
from benchmarks.tables.__main__ import BLOCK, ROOT, TABLES, made, pages, stale
from benchmarks.tables.prose import marked
from benchmarks.tables.results import Results
from tests.docs.numbers import exempt, literals, prose, unaccounted, wrong
from tests.docs.sources import GAP, pattern, texts

# pages that are made whole, and held to what makes them by a test of their own
MADE = ("methods.md", "front_quality.md", "licences.md", "learning.md")
MAKERS = [
    *(f"benchmarks/learning_{name}.py" for name in ("page", "table", "medium", "more", "summary")),
    *(f"benchmarks/quality/{name}.py" for name in ("table", "summary", "rivals", "budgets")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "benchmarks" / "tables").glob("*.py")),
]
TABLE = re.compile(r"(?:^\|[^\n]*\n)+", re.MULTILINE)
COST = re.compile(r"^'[^']*(?:\b|\d)(?:m?s|min|h|[kMGT]B|(?:milli)?seconds?|minutes?|hours?|days?)'")
KNOWN = exempt(ROOT / "tests" / "docs" / "numbers.yaml")


def test_tables_are_what_the_results_say() -> None:
    assert not [str(page.relative_to(ROOT)) for page in stale(Results())], "run: python -m benchmarks.tables"


@pytest.mark.parametrize("page", [page for page in pages() if page.name not in MADE], ids=lambda page: page.stem)
def test_every_measured_number_of_a_page_is_marked_or_accounted_for(page: Path) -> None:
    check(str(page.relative_to(ROOT)), prose(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", MAKERS)
def test_what_makes_a_page_or_table_writes_no_number_of_its_own(module: str) -> None:
    check(module, literals((ROOT / module).read_text(encoding="utf-8")))


def test_the_methods_page_names_no_time_or_size_that_was_not_measured() -> None:
    text = prose(TABLE.sub("", (ROOT / "docs/methods.md").read_text(encoding="utf-8")))
    for measured in learned_cost.costs(json.loads((ROOT / learned_cost.OUT).read_text(encoding="utf-8"))):
        text = text.replace(measured.sentence, " ¦ ")
    mine = [one for one in KNOWN if one.where == "docs/methods.md"]
    assert not [wrong(one, text, ROOT) for one in mine if wrong(one, text, ROOT)]
    costs = [one for one in unaccounted(text, mine) if COST.search(one)]
    assert not costs, costs


def test_every_line_of_the_table_belongs_to_a_page_or_module() -> None:
    here = {str(page.relative_to(ROOT)) for page in pages()} | set(MAKERS)
    assert not {one.where for one in KNOWN} - here
    assert not {one.where for one in KNOWN} & {f"docs/{name}" for name in MADE} - {"docs/methods.md"}


@pytest.mark.parametrize(
    "sentence",
    [
        "A trial takes 0.4 s.",
        "It is 3 times as fast and needs 2 GB.",
        "Off by half a point, at most 3 %.",
        "It takes a tenth of a second.",
        "It starts in a second.",
        "Twice as fast as theirs.",
        "It reads 203 MB/s.",
        "| merging | 1.2 × |",
    ],
)
def test_a_new_number_with_a_unit_is_noticed(sentence: str) -> None:
    assert list(unaccounted(prose(sentence), []))


@pytest.mark.parametrize(
    "sentence",
    [
        "Three experts, 12 trials, 400 samples; the first ones.",
        "A second time; mergekit 0.1.5; `--want a=0.5`.",
        "<!-- from: load.json#p95 seconds -->0.79 s<!-- end -->",
        "a [link](page.md#0.5) to arXiv 2406.07529",
    ],
)
def test_counts_versions_code_and_marked_numbers_are_left_alone(sentence: str) -> None:
    assert not list(unaccounted(prose(sentence), []))


def test_a_marked_number_is_written_from_its_json(tmp_path: Path) -> None:
    (tmp_path / "it.json").write_text('{"rows": [{"who": "a", "took": 0.5}, {"who": "b", "took": 2.0}], "share": 0.25}')
    results = Results(tmp_path)
    page = "<!-- from: it.json#{} -->?<!-- end -->"
    asked = {"rows[who=b].took .1f": "2.0", "rows.0.took seconds": "0.50 s", "share percent": "25 %"}
    for place, value in asked.items():
        assert f">{value}<" in marked(page.format(place), results)
    with pytest.raises(KeyError, match="there is no who"):
        marked(page.format("who .1f"), results)
    with pytest.raises(KeyError, match="neither"):
        marked("<!-- from: nobody-knows -->?<!-- end -->", results)


def test_no_mark_begins_a_line_where_markdown_would_take_it_for_a_block() -> None:
    for page in pages():
        assert not re.search(r"^ *<!-- from:", page.read_text(encoding="utf-8"), re.MULTILINE), page.name


def check(where: str, text: str) -> None:
    """Every measured number of a text is in the table, and what the table says of it is true."""
    mine = [one for one in KNOWN if one.where == where]
    found = {one.text: wrong(one, text, ROOT) for one in mine}
    assert not any(found.values()), f"{where}: { ({text: what for text, what in found.items() if what}) }"
    left = list(unaccounted(text, mine))
    assert not left, (
        f"{where}: mark it (benchmarks/tables/prose.py) or account for it in tests/docs/numbers.yaml: {left}"
    )


def test_a_page_asks_only_for_tables_that_exist_and_every_table_is_asked_for() -> None:
    asked = [found["name"] for page in pages() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert set(asked) == set(TABLES)


def test_where_nothing_was_measured_the_page_says_so(tmp_path: Path) -> None:
    nothing = Results(tmp_path)
    for name in set(TABLES) - {"goldens", "commands"}:
        text = made(name, nothing)
        assert text.startswith("Not measured in this version.")
        module = re.search(r"python -m ([\w.]+)", text)
        assert module and (ROOT / (module[1].replace(".", "/") + ".py")).is_file()


def test_the_peers_of_the_page_are_those_that_are_measured() -> None:
    page = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    for peer in PEERS:
        version = peer.split("==")[1]
        assert version in page, f"docs/peers.md does not name {peer}"


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
