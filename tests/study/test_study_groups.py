"""Layer groups in a study: what was measured comes along, merges differ by layer, and an export rebuilds."""

from pathlib import Path

import pytest

from merging import MergingError
from study.errors import StudyError
from study.export import Order, export
from study.exporting.retell import recipe_text
from study.folder.layers import title
from study.front import front
from study.headers import shapes
from study.measuring.asked import measure_now
from study.predict import predict
from study.preflight import glance
from study.preflight.method import look_at_methods
from study.running.plan import first_points, grouped_size
from study.study import Study, open_study
from study.varying.regroup import check_depth, parse_groups, regroup
from study.verify import verify
from tests.conftest import as_json, run_command
from ui.payload import explorer_payload


def test_a_study_gets_layer_groups_and_keeps_what_it_knows(demo_copy: Path, tmp_path: Path) -> None:
    before = open_study(demo_copy)
    lines = front(before)["references"]
    study, carried = regroup(before, 2)
    assert open_study(demo_copy).settings == study.settings and study.settings.groups == 2
    assert carried == len(before.done()) and len(study.coefficients) == 6
    old = {tuple(t.coefficients.values()): t.metrics for t in before.done()}
    for trial in study.done():
        numbers = list(trial.coefficients.values())
        assert numbers[::2] == numbers[1::2] and trial.metrics == old[tuple(numbers[::2])]
    facts = front(study)
    assert facts["coefficients"] == list(study.coefficients) and facts["experts"] == ["digits", "signs", "flags"]
    assert facts["references"] == lines
    for task, one in facts["references"]["ensemble"].items():
        low, high = (facts["baselines"][name]["metrics"][task]["value"] for name in ("base", f"expert:{task}"))
        assert low < one["value"] < high and one["n"] == 400
    assert set(facts["baselines"]) >= {"base", "average", "expert:digits"}
    payload = explorer_payload(facts, (0.0, 1.0), {"digits": "Digits"}, "task_arithmetic", {})
    assert [one["name"] for one in payload["experts"]] == list(study.coefficients)
    assert all(len(row["c"]) in (0, 6) for row in payload["checked"]) and payload["tasks"][0]["expert"]
    # An expert's own name stands for all its groups; the recipe says what the groups are.
    choice, point = study.method(), {"digits": 0.5, "signs@1": 0.2, "signs@2": 0.9, "flags": 0.7, "digits@2": 1.0}
    assert "groups: 2" in recipe_text(study, choice, study.check(choice, point))
    (trial,) = measure_now(study, [(choice, study.check(choice, point))], ("validation",), "cpu")
    assert trial.coefficients["digits@1"] == 0.5 and trial.coefficients["digits@2"] == 1.0
    known = [study.importance(choice), predict(study, [point], "logits")["points"][0]["metrics"]]
    assert known[0] is not None and known[0].shape == (6,) and known[0].min() > 0
    assert set(known[1]) == {"digits", "signs", "flags"}
    export(study, Order(choice, trial.coefficients), tmp_path / "out", "cpu")
    checked = verify(tmp_path / "out", device="cpu")
    assert checked["identical"] and checked["metrics_equal"]
    again, back = regroup(study, None)
    assert back == carried and len(again.done()) == len(before.done())


def test_the_plan_begins_with_the_anchors_and_spreads_the_groups(fresh_demo: Path) -> None:
    study, _ = regroup(open_study(fresh_demo), 4)
    points = first_points(study, study.method(), 0, 0.3)
    assert len(points) == grouped_size(12, 3) and points == first_points(study, study.method(), 0, 0.3)
    anchors = [point for origin, point in points if origin == "anchor"]
    assert [0.0] * 12 in anchors and [1.0] * 4 + [0.0] * 8 in anchors
    rest = [point for origin, point in points if origin == "design"]
    assert all(len(set(point[:4])) > 1 for point in rest)


@pytest.mark.parametrize("text", ["1", "17", "many", "2.5"])
def test_wrong_groups_are_refused(text: str) -> None:
    with pytest.raises(StudyError, match="no number of layer groups"):
        parse_groups(text)


def test_more_groups_than_blocks_are_told_before_anything_runs(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    found = shapes(study.path(study.settings.base.weights))
    assert found is not None
    most = glance.layers(found)
    check_depth(study, most)
    with pytest.raises(MergingError, match="cannot be cut"):
        check_depth(study, most + 1)
    deep = Study(study.folder, study.settings.model_copy(update={"groups": most + 1}))
    assert [one.level for one in look_at_methods(deep) if one.where == "layer groups"] == ["stop"]


def test_groups_on_the_command_line(demo_copy: Path) -> None:
    assert as_json("groups", str(demo_copy), "slope")["coefficients"][:2] == ["digits@first", "digits@last"]
    done = run_command("groups", str(demo_copy), "5")
    assert done.returncode == 2 and "its longest row of numbered blocks has 4" in done.stderr
    assert title("Digits", "first", "slope") == "Digits · first layers"
    text = (demo_copy / "study.yaml").read_text().replace("groups: slope", "groups: 99")
    (demo_copy / "study.yaml").write_text(text)
    wrong = run_command("status", str(demo_copy))
    assert wrong.returncode == 2 and "groups must be slope or a whole number from 2 to 16" in wrong.stderr
