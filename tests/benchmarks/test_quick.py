"""`make bench`: every call names a benchmark and options that exist; what cannot run is said, not dropped."""

import json
from pathlib import Path

import pytest

from benchmarks import quick
from tests.conftest import ROOT


@pytest.mark.parametrize("name", quick.QUICK)
def test_every_call_names_a_benchmark_and_options_that_exist(name: str) -> None:
    for module, *words in quick.QUICK[name]:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        for word in words:
            assert not word.startswith("--") or f'"{word}"' in source, f"{module} has no option {word}"


@pytest.mark.parametrize("name", ["merge_others", "against_peers"])
def test_without_peers_it_says_what_is_skipped(name: str, tmp_path: Path) -> None:
    row = quick.one(name, tmp_path, {"folder": str(tmp_path), "peers": str(tmp_path / "peers")}, peers=False)
    assert row["end"] == "skipped: its peers could not be installed"
    assert not list(tmp_path.iterdir())


def test_a_benchmark_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(quick.QUICK, "scaling", (("benchmarks.no_such_benchmark",),))
    assert quick.run(["scaling"], tmp_path, {"folder": str(tmp_path), "peers": ""}) == 1
    assert json.loads((tmp_path / "quick.json").read_text())["rows"][0]["end"] == "failed"
    assert "No module named" in (tmp_path / "scaling.log").read_text()
