"""A Python file as model and metrics: named on the command line only, measured, predicted, exported, verified."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from study.commands.terminal import main
from study.errors import StudyError
from study.measuring.measure import Measurer
from study.preflight.doctor import doctor
from study.run import run
from study.study import open_study
from tests.conftest import ROOT, run_command
from tests.forking import run_script

FILE = ROOT / "examples" / "own_model.py"


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study that the example makes and searches."""
    folder = tmp_path_factory.mktemp("code") / "curves"
    done = run_script(FILE, str(folder), "9", folder=folder.parent)
    assert done.returncode == 0, done.stderr
    assert "9 merges measured" in done.stdout and "predicted by 'quadratic'" in done.stdout
    return folder


def _said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, object]:
    monkeypatch.setattr(sys, "argv", ["study", *words, "--json"])
    main()
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_the_whole_way_from_the_command_line(
    curves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = ("--code", str(FILE))
    found = _said(capsys, monkeypatch, "front", str(curves))
    facts = {one["name"]: one for one in found["tasks"]}  # type: ignore[attr-defined]
    assert [facts[name]["direction"] for name in ("waves", "hills", "distance")] == ["min"] * 3
    rows = {tuple(row["coefficients"].values()): row["metrics"] for row in found["measured"]}  # type: ignore[attr-defined]
    assert rows[1.0, 0.0]["waves"]["value"] < rows[0.0, 0.0]["waves"]["value"]
    assert rows[0.0, 1.0]["hills"]["value"] < rows[1.0, 0.0]["hills"]["value"]
    at = "waves=0.5,hills=0.25"
    (point,) = _said(capsys, monkeypatch, "measure", str(curves), "--at", at, *code)["points"]  # type: ignore[misc]
    out = tmp_path / "out"
    value = _said(capsys, monkeypatch, "export", str(curves), "--at", at, "--out", str(out), *code)
    sys.path.insert(0, str(FILE.parent))
    try:
        from own_model import build, metrics  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    network = build()
    network.load_state_dict(load_file(out / "model.safetensors"))
    with torch.no_grad():
        for split, told in (("validation", point["metrics"]), ("test", value["metrics"])):
            for name, (number, error) in metrics(network, split).items():
                assert told[name]["value"] == pytest.approx(number, rel=1e-6)  # type: ignore[index]
                assert told[name]["stderr"] == pytest.approx(error, rel=1e-6)  # type: ignore[index]
    again = _said(capsys, monkeypatch, "verify", str(out), *code)
    assert again["identical"] and again["metrics_equal"]
    assert "from my_model import build" in (out / "README.md").read_text(encoding="utf-8")


def test_it_is_run_only_when_it_is_named(curves: Path) -> None:
    """What a browser starts is this command, without --code."""
    done = run_command("run", str(curves), "--trials", "20", "--device", "cpu")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "run only when it is named on the command line. Add --code FILE.py" in done.stderr.splitlines()[-1]
    with pytest.raises(StudyError, match="named on the command line"):
        run(open_study(curves), 20, device="cpu")


def test_another_file_is_not_taken_for_the_one_that_was_measured_with(curves: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(FILE.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(StudyError, match="other.py' is not the one that this study's trials were measured with"):
        run(open_study(curves, other), 20, device="cpu")


def test_the_doctor_tries_the_metrics_once(curves: Path, tmp_path: Path) -> None:
    report = doctor(open_study(curves, FILE), "cpu")
    assert not any(one.level == "stop" or one.topic == "model" for one in report.findings)
    text = FILE.read_text(encoding="utf-8").replace("found[name] = (float", "found[name + '!'] = (float")
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    report = doctor(open_study(curves, tmp_path / "m.py"), "cpu")
    assert {one.where for one in report.findings if one.level == "stop"} == {"axis 'waves'", "axis 'hills'"}
    assert "gives no 'waves'; it gives waves!, hills!" in report.findings[0].text


def test_code_is_for_studies_whose_model_is_code(fresh_demo: Path) -> None:
    with pytest.raises(StudyError, match="but the model of this study is 'models/mergescape-demo.json'"):
        Measurer(open_study(fresh_demo, FILE), "cpu")
