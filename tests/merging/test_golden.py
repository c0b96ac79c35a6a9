"""Every method against values that were not made by it (tests/golden/make.py says where from)."""

import json
from pathlib import Path

import pytest
import torch

from merging import combine_into, method, methods, prepare, task_vectors
from tests.merging.toy import Toy

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = {path.stem: path for path in sorted(GOLDEN.glob("*.json")) if "method" in json.loads(path.read_text())}
CASES = [(name, number) for name, path in FILES.items() for number in range(len(json.loads(path.read_text())["cases"]))]


def test_every_method_has_golden_values_and_none_is_orphaned() -> None:
    assert sorted(FILES) == sorted(methods())


@pytest.mark.parametrize(("name", "number"), CASES)
def test_golden_values(name: str, number: int, golden_families) -> None:
    data = json.loads(FILES[name].read_text(encoding="utf-8"))
    case = data["cases"][number]
    assert data["method"] == name and case["source"] and data["command"]
    golden_family = golden_families(case.get("inputs", "inputs"))
    experts = [expert for expert in golden_family.experts if expert.name in case["coefficients"]]
    with task_vectors(golden_family.base, experts) as vectors:
        made = method(name, case["settings"])
        access = Toy(vectors.layout, vectors.names) if made.needs else None
        directions = prepare(made, vectors, access=access)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, case["coefficients"], exact=case["exact"])
        assert len(case["expected"]) >= len(vectors.layout.entries) - 1
        for key, values in case["expected"].items():
            found = vectors.layout.view(out, vectors.layout.index[key])
            wanted = torch.tensor(values, dtype=torch.float32)
            torch.testing.assert_close(found, wanted, rtol=0.0, atol=case["tolerance"], msg=key)
