"""Every command of the contract on the built-in demo: JSON shapes, exit codes, one clear line for a wrong request."""

import csv
import json
import math
from pathlib import Path

import pytest

from tests.conftest import as_json, run_command

EXPERTS = ["digits", "signs", "flags"]
AT = "digits=0.4,signs=0.6,flags=0.5"


def test_status_counts_and_times(measured_demo: Path) -> None:
    value = as_json("status", str(measured_demo))
    assert value["experts"] == EXPERTS
    assert [task["name"] for task in value["tasks"]] == EXPERTS
    assert value["methods"] == ["task_arithmetic"]
    assert (value["done"], value["failed"], value["running"], value["proposed"]) == (12, 0, 0, 0)
    assert value["seconds"] > 0
    assert set(value["breakdown"]) == {"merge", "forward", "other"}
    assert math.isclose(value["seconds_per_trial"], sum(value["breakdown"].values()), rel_tol=0.5)
    assert value["last_error"] is None


def test_front_has_measured_and_predicted_points(measured_demo: Path) -> None:
    value = as_json("front", str(measured_demo), "--points", "20")
    assert value["experts"] == EXPERTS
    assert value["evaluations"] == 12 == len(value["measured"])
    assert {task["direction"] for task in value["tasks"]} == {"max"}
    for point in value["measured"]:
        assert set(point["coefficients"]) == set(EXPERTS)
        for metric in point["metrics"].values():
            assert 0 <= metric["value"] <= 1 and metric["n"] == 400 and metric["stderr"] < 0.03
    assert any(point["on_front"] for point in value["measured"])
    assert 1 <= len(value["predicted"]) <= 20
    for point in value["predicted"]:
        assert all(0 <= c <= 1 for c in point["coefficients"].values())
        for metric in point["metrics"].values():
            assert metric["low"] <= metric["mean"] <= metric["high"]
    assert set(value["surrogate"]["loo_rmse"]) == set(EXPERTS)
    model = value["surrogate"]
    assert model["trusted"] == (min(model["loo_r2"].values()) >= 0.95) and model["quadratic_r2"] < 1.0
    assert model["trust"] in run_command("front", str(measured_demo)).stdout
    assert set(value["hypervolume"]["reference"]) == set(EXPERTS)
    assert value["hypervolume"]["measured"] > 0


def test_on_front_is_what_no_other_trial_beats(measured_demo: Path) -> None:
    rows = as_json("front", str(measured_demo))["measured"]
    values = [[row["metrics"][task]["value"] for task in EXPERTS] for row in rows]
    for row, mine in zip(rows, values, strict=True):
        beaten = any(all(o >= m for o, m in zip(other, mine, strict=True)) and other != mine for other in values)
        assert row["on_front"] == (not beaten)


@pytest.mark.parametrize("name", ["quadratic", "logits", "linear-logits", "gp"])
def test_any_surrogate_can_be_asked_for(measured_demo: Path, name: str) -> None:
    value = as_json("front", str(measured_demo), "--surrogate", name, "--points", "5")
    assert value["surrogate"]["name"] == name
    assert value["predicted"]


def test_predict_then_measure_agree_within_reason(demo_copy: Path) -> None:
    predicted = as_json("predict", str(demo_copy), "--at", AT)["points"][0]
    measured = as_json("measure", str(demo_copy), "--at", AT)["points"][0]
    assert predicted["coefficients"] == measured["coefficients"] == {"digits": 0.4, "signs": 0.6, "flags": 0.5}
    for task in EXPERTS:
        assert abs(predicted["metrics"][task]["mean"] - measured["metrics"][task]["value"]) < 0.08
    status = as_json("status", str(demo_copy))
    assert status["done"] == 13
    again = as_json("measure", str(demo_copy), "--at", AT)["points"][0]
    assert again == measured
    assert as_json("status", str(demo_copy))["done"] == 13, "nothing is measured twice"


def test_points_come_from_a_file(measured_demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([EXPERTS, [0.1, 0.2, 0.3], [1, 0, 0.5]])
    points = as_json("predict", str(measured_demo), "--points", str(path))["points"]
    assert [point["coefficients"]["flags"] for point in points] == [0.3, 0.5]


def test_choose_keeps_the_minimums_it_can(measured_demo: Path) -> None:
    free = as_json("choose", str(measured_demo))
    assert free["met"]
    least = free["metrics"]["digits"]["mean"] + 0.02
    wish = as_json("choose", str(measured_demo), "--want", f"digits={least}")
    assert wish["met"] and wish["metrics"]["digits"]["mean"] >= least - 1e-9
    assert all(cost >= -1e-9 for cost in wish["costs"].values())
    impossible = as_json("choose", str(measured_demo), "--want", "digits=1.0,signs=1.0,flags=1.0")
    assert not impossible["met"] and sum(impossible["missing"].values()) > 0
    assert as_json("choose", str(measured_demo), "--knee")["coefficients"]


def test_front_on_the_held_out_split(demo_copy: Path) -> None:
    value = as_json("front", str(demo_copy), "--test")
    assert 2 <= sum(point["on_front"] for point in value["measured"]) < 12 == len(value["measured"])
    for point in value["measured"]:
        assert ("test" in point) == point["on_front"]
        if point["on_front"]:
            assert all(metric["n"] == 500 for metric in point["test"].values())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["front", "DIR", "--surrogate", "quadratix"], ["quadratix", "quadratic"]),
        (["predict", "DIR", "--at", "digits=0.4,signs=0.6"], ["flags"]),
        (["predict", "DIR", "--at", "digit=0.4,signs=0.6,flags=1"], ["'digit'", "'digits'"]),
        (["predict", "DIR", "--at", "digits=high,signs=0.6,flags=1"], ["digits=high", "NAME=NUMBER"]),
        (["predict", "DIR", "--at", "digits=1.7,signs=0.6,flags=1"], ["digits", "1.7", "[0, 1]"]),
        (["measure", "DIR", "--at", "digits=nan,signs=0.6,flags=1"], ["digits", "nan"]),
        (["predict", "DIR"], ["--at", "--points"]),
        (["predict", "DIR", "--points", "nowhere.csv"], ["nowhere.csv"]),
        (["run", "DIR", "--method", "tie", "--trials", "1"], ["'tie'", "'ties'"]),
        (["run", "DIR", "--device", "gpu9", "--trials", "13"], ["gpu9"]),
        (["run", "DIR", "--trials", "-3"], ["-3"]),
        (["choose", "DIR", "--want", "digitz=0.9"], ["digitz", "digits"]),
        (["export", "DIR", "--at", AT, "--out", "OUT", "--format", "int4"], ["int4", "float16"]),
        (["export", "DIR", "--at", AT, "--out", "DIR"], ["exists already"]),
        (["front", "NOWHERE"], ["no study folder"]),
        (["status", "EMPTY"], ["study.yaml"]),
        (["verify", "EMPTY"], ["recipe.yaml"]),
        (["demo", "DIR"], ["already holds a study"]),
        (["demo", "NEW", "--tasks", "digits,sings"], ["'sings'", "'signs'"]),
        (["demo", "NEW", "--tasks", "digits"], ["two"]),
        (["dance", "DIR"], ["dance"]),
    ],
)
def test_a_wrong_request_ends_with_2_and_one_line(
    demo_copy: Path, tmp_path: Path, words: list[str], parts: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    names = {"NOWHERE": "no", "EMPTY": "empty", "NEW": "new", "OUT": "out"}
    places = {"DIR": demo_copy, **{word: tmp_path / name for word, name in names.items()}}
    done = run_command(*[str(places.get(word, word)) for word in words], "--json")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    for part in parts:
        assert part in line


def test_a_study_without_trials_says_what_to_do(fresh_demo: Path) -> None:
    done = run_command("front", str(fresh_demo), "--json")
    assert done.returncode == 2
    assert "no done trials yet" in done.stderr and "--trials" in done.stderr


def test_a_study_file_without_experts_is_refused(fresh_demo: Path) -> None:
    path = fresh_demo / "study.yaml"
    lines = path.read_text().splitlines()
    start = lines.index("experts:")
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith((" ", "-")))
    path.write_text("\n".join(lines[:start] + lines[end:]))
    done = run_command("run", str(fresh_demo), "--trials", "1", fresh=True)
    assert done.returncode == 2
    assert "experts: missing" in done.stderr and done.stderr.count("\n") == 1


def test_json_is_one_object_on_stdout(measured_demo: Path) -> None:
    done = run_command("front", str(measured_demo), "--json", fresh=True)
    assert done.stdout.count("\n") == 1
    json.loads(done.stdout)
