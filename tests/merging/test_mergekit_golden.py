"""Every mergekit method and every part of its schema against mergekit 0.1.5 itself (tests/golden/make_mergekit.py)."""

import json
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from merging.__main__ import run
from merging.files.blocks import BLOCK
from merging.mergekit.parameters import RULES
from merging.mergekit.rules import BY_ROWS

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = yaml.safe_load((GOLDEN / "mergekit_cases.yaml").read_text(encoding="utf-8"))
TOLERANCE = 1e-6  # of the largest number of a tensor


def test_every_method_of_mergekit_is_among_the_cases(llama_facts) -> None:
    assert llama_facts("merged")["mergekit"] == "0.1.5"
    assert {yaml.safe_load(text)["merge_method"] for text in CASES.values()} == set(RULES)
    assert len(RULES) == 20


@pytest.mark.parametrize(
    ("case", "block"),
    [
        (case, block)
        for case, text in CASES.items()
        for block in (BLOCK, 100)
        if block == BLOCK or yaml.safe_load(text)["merge_method"] in BY_ROWS
    ],
)
def test_mergekit_gives_the_same(
    case: str, block: int, llamas, llama_facts, llama_state, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merging.files.blocks.BLOCK", block)
    monkeypatch.setattr("merging.mergekit.plan.PIECE", block)
    path = llamas / f"{case}.yml"
    path.write_text(CASES[case], encoding="utf-8")
    assert run([str(path), str(tmp_path / "out")]) == 0, capsys.readouterr().err
    known = llama_facts("merged")
    layers = json.loads(known["layers"])[case]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_hidden_layers"] == layers
    found = load_file(tmp_path / "out" / "model.safetensors")
    wanted = llama_state(load_file(GOLDEN / "mergekit_merged.safetensors")[case], layers)
    assert sorted(found) == sorted(wanted)
    for name, tensor in wanted.items():
        largest = float((found[name] - tensor).abs().max() / tensor.abs().max())
        assert largest <= TOLERANCE, (name, largest)
