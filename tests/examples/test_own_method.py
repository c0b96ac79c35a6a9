"""The example of an own method runs, and the method printed in docs/adding.md is that one."""

import re
from pathlib import Path

import pytest
import torch

from merging import Method, combine_into, prepare, reference, task_vectors, write
from tests.conftest import ROOT
from tests.forking import run_script


def test_the_example_runs(tmp_path: Path) -> None:
    done = run_script(ROOT / "examples" / "own_method.py", str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # by hand: 0.5·1 + 0.25·3, nothing where they disagree, 0.5·(−1) + 0.25·(−3), the base where nobody moved
    assert done.stdout.strip() == "[1.25, 0.0, -1.25, 1.0]"
    assert len((ROOT / "examples" / "own_method.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.fixture
def printed() -> type[Method]:
    """Return the class of docs/adding.md, made from the text that is printed there."""
    text = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, type[Method]] = {"__name__": "quorum"}  # type: ignore[dict-item]
    exec(compile(blocks[0], "docs/adding.md", "exec"), names)  # noqa: S102 (our own page)
    return names["Quorum"]


def test_the_page_prints_the_method_of_the_example(printed: type[Method]) -> None:
    example = (ROOT / "examples" / "own_method.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    for line in ("up, down = (deltas > 0).sum(0), (deltas < 0).sum(0)", "agreeing >= self.share * len(deltas)"):
        assert line in example and line in page
    assert printed.__doc__ and printed.__doc__ in example
    for named in set(re.findall(r"`((?:examples|merging|tests|benchmarks)/[\w/.]+)`", page)) - {
        "merging/methods/quorum.py",
        "tests/golden/quorum.json",
    }:
        assert (ROOT / named).exists(), named


def test_the_printed_method_gives_the_values_of_its_equation(printed: type[Method], tmp_path: Path) -> None:
    states = {"base": [1.0, 1.0, 1.0], "a": [2.0, 0.0, 3.0], "b": [3.0, 2.0, 3.0], "c": [0.0, 3.0, 2.0]}
    for name, values in states.items():
        write(tmp_path / f"{name}.safetensors", {"weight": torch.tensor(values)}, {})
    base, *experts = (reference(name, tmp_path / f"{name}.safetensors") for name in states)
    with task_vectors(base, experts) as vectors:
        directions = prepare(printed(), vectors)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, {"a": 0.5, "b": 0.25, "c": 1.0})
    # changes a (1, −1, 2), b (2, 1, 2), c (−1, 2, 1); 60 % of three is two: c's first and a's second are left out
    wanted = torch.tensor([1.0 + 0.5 + 0.5, 1.0 + 0.25 + 2.0, 1.0 + 1.0 + 0.5 + 1.0])
    assert torch.equal(out[:3], wanted)
