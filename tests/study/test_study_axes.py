"""Axes beyond the experts' own tasks: distance, size, time, a corrupted copy and a held-out task, the whole way."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from study.axes import axes, dropped, held_out, with_axis
from study.choosing.flips import flips
from study.commands.terminal import main
from study.demo import SOURCE
from study.errors import StudyError
from study.export import Order, export
from study.front import front
from study.keeping.table import table
from study.measuring.outputs import load_outputs
from study.measuring.samples import drawn
from study.predict import choose
from study.predicting.observe import observations
from study.run import run
from study.settings import Settings
from study.study import Study, open_study
from study.verify import verify
from surrogate.joint import FittedJoint
from ui.payload import explorer_payload

ADDED = ["distance", "megabytes", "milliseconds", "signs:blur:5"]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two demo experts on few samples, with every kind of axis, 12 trials measured."""
    from study.demo import write_demo

    folder = tmp_path_factory.mktemp("axes") / "study"
    write_demo(folder, ("digits", "signs"))
    _samples(folder)
    words = [word for what in ADDED for word in ("--add", what)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["study", "axes", str(folder), *words, "--held-out", f"flags={SOURCE}/tasks/flags"])
        main()
    _samples(folder)
    run(open_study(folder), 12, device="cpu")
    return folder


def _samples(folder: Path) -> None:
    value = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    for task in value["tasks"]:
        task["samples"] = {"calibration": 0, "validation": 60, "test": 40}
    (folder / "study.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")


def _flat(path: Path) -> torch.Tensor:
    return torch.cat([one.double().flatten() for one in load_file(path).values() if one.is_floating_point()])


def test_every_kind_of_axis_is_measured_and_stands_in_the_front(studied: Path) -> None:
    study = open_study(studied)
    value = front(study)
    facts = {one["name"]: one for one in value["tasks"]}
    assert list(facts) == ["digits", "signs", "signs blur 5", "flags", *ADDED[:3]]
    assert [facts[name]["direction"] for name in facts] == ["max"] * 4 + ["min"] * 3
    assert [facts[name]["unit"] for name in ADDED[:3]] == ["relative", "MB", "ms"]
    lines = {label: line["metrics"] for label, line in value["baselines"].items()}
    base, expert = _flat(studied / "models" / "base.safetensors"), _flat(studied / "models" / "digits.safetensors")
    assert lines["base"]["distance"]["value"] == 0
    assert lines["expert:digits"]["distance"]["value"] == pytest.approx(
        float((expert - base).norm() / base.norm()), rel=1e-4
    )
    size = (studied / "models" / "base.safetensors").stat().st_size / 1e6
    assert lines["base"]["megabytes"]["value"] == pytest.approx(size, rel=0.01)
    assert 0 < lines["average"]["milliseconds"]["value"] < 1000
    assert lines["expert:signs"]["signs blur 5"]["value"] < lines["expert:signs"]["signs"]["value"]
    assert lines["base"]["flags"]["n"] == 60
    # Least is best: nothing is nearer to the base than the base.
    nearest = [row for row in value["measured"] if row["metrics"]["distance"]["value"] == 0]
    assert nearest and all(row["on_front"] for row in nearest)
    assert value["predicted"] and all(set(row["metrics"]) == set(facts) for row in value["predicted"])


def test_a_corrupted_copy_reads_the_same_samples(studied: Path) -> None:
    study = open_study(studied)
    (clean, one), (spoiled, two) = drawn(study, "signs"), drawn(study, "signs blur 5")
    assert one.ids == two.ids and one.fingerprint != two.fingerprint
    before, after = (np.asarray(source.read(one.ids[0]), dtype=float) for source in (clean, spoiled))
    assert 1 < np.abs(before - after).mean() < 100
    outputs = load_outputs(study, study.done()[0].id)
    assert outputs["signs"].shape == outputs["signs blur 5"].shape


def test_what_has_no_outputs_is_predicted_beside_the_logits(studied: Path) -> None:
    study = open_study(studied)
    from study.front import fitted

    model = fitted(study, study.method(), "logits")
    assert isinstance(model, FittedJoint) and model.logits.observations.names == tuple(
        one.name for one in axes(study) if one.formula
    )
    loo = dict(zip(model.observations.names, model.loo().rmse, strict=True))
    spread = np.ptp(observations(study, study.method()).Y, axis=0)
    # ‖Σ c τ‖² is a quadratic in c: the distance is known almost exactly, the size is the same everywhere.
    assert loo["distance"] < 0.02 * spread[list(loo).index("distance")] and loo["megabytes"] < 1e-6
    assert {one.task for one in flips(study, study.method(), model.observations.X)} == {
        "digits", "signs", "signs blur 5", "flags",
    }  # fmt: skip
    wished = choose(study, {"distance": 0.02}, "logits")
    assert wished["metrics"]["distance"]["mean"] < 0.03 and wished["met"]
    with pytest.raises(StudyError, match="Unknown axis 'distanc'. Nearest: 'distance'"):
        choose(study, {"distanc": 0.02})


def test_the_explorer_turns_what_is_better_when_small(studied: Path) -> None:
    study = open_study(studied)
    payload = explorer_payload(front(study), (0.0, 1.0), {}, "task_arithmetic", {})
    facts = {one["name"]: one for one in payload["tasks"]}
    assert facts["distance"]["sign"] == -1 and facts["digits"]["sign"] == 1
    assert facts["distance"]["base"] == 0 and facts["distance"]["bounds"] == [0.0, None]
    at = list(facts).index("distance")
    assert all(row["m"][at] <= 0 for row in payload["checked"]) and payload["unit"] == "score"
    rows = table(study)
    assert rows[0]["milliseconds"] > 0 and rows[0]["distance.stderr"] == 0


def test_an_export_says_them_and_is_verified_but_for_the_time(studied: Path, tmp_path: Path) -> None:
    study = open_study(studied)
    value = export(study, Order(study.method(), {"digits": 0.5, "signs": 0.25}, "bfloat16"), tmp_path / "out", "cpu")
    written = sum(one.nbytes for one in load_file(tmp_path / "out" / "open_clip_model.safetensors").values())
    assert value["metrics"]["megabytes"]["value"] == pytest.approx(written / 1e6, rel=1e-9)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| distance | Distance from the base (relative) |" in card and ", blur 5 | Accuracy |" in card
    assert verify(tmp_path / "out", device="cpu")["metrics_equal"]
    facts = json.loads((tmp_path / "out" / "mergescape.json").read_text(encoding="utf-8"))
    assert set(facts["metrics"]) == {one.name for one in axes(study)}


def test_axes_are_dropped_and_old_trials_count_again(demo_copy: Path) -> None:
    study = open_study(demo_copy)
    before = len(study.done())
    more = Study(study.folder, with_axis(study.settings, "distance"))
    assert before == 12 and not more.done()
    less = Study(study.folder, dropped(more.settings, "distance"))
    assert less.settings == study.settings and len(less.done()) == before


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("distanc", "'distanc' is no axis. Give distance, megabytes, milliseconds, or TASK:KIND:SEVERITY"),
        ("nothing:blur:2", "one of the tasks digits, signs, flags"),
        ("signs:blurr:2", "Unknown corruption 'blurr'. Nearest: 'blur'."),
        ("signs:blur:9", "has severity 9. Give a whole number from 1 to 5."),
    ],
)
def test_wrong_axes_are_named(fresh_demo: Path, what: str, text: str) -> None:
    settings = open_study(fresh_demo).settings
    with pytest.raises(StudyError) as caught:
        with_axis(settings, what)
    assert text in str(caught.value)
    with pytest.raises(StudyError, match="two axes are called 'distance'"):
        with_axis(with_axis(settings, "distance"), "distance")
    with pytest.raises(StudyError, match="'letters' is not NAME=DATA"):
        held_out(settings, "letters", fresh_demo)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("axes", [{"name": "d", "kind": "distance", "direction": "max"}], "of kind distance has its own direction"),
        ("axes", [{"name": "d", "kind": "code"}], "only a Python model"),
        ("axes", [{"name": "d", "kind": "far"}], "'distance', 'megabytes', 'milliseconds' or 'code'"),
        ("axes", [{"name": "digits", "kind": "distance"}], "two axes are called 'digits'"),
        ("tasks", [], "there is nothing to measure"),
        ("tasks", [{"name": "a", "data": "a", "expert": "b"}], "names the expert 'b'; there are ['digits', 'flags'"),
        ("tasks", [{"name": "a", "data": "a", "corruption": "fog"}], "Unknown corruption 'fog'"),
    ],
)  # fmt: skip
def test_a_study_file_with_wrong_axes_is_refused(fresh_demo: Path, field: str, value: Any, text: str) -> None:
    file = fresh_demo / "study.yaml"
    facts = yaml.safe_load(file.read_text(encoding="utf-8")) | {field: value}
    file.write_text(yaml.safe_dump(facts), encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        open_study(fresh_demo)
    assert text in str(caught.value)


def test_settings_without_axes_say_nothing_of_them() -> None:
    """So that no study of an earlier version changes its context."""
    facts = {"name": "s", "base": {"model": "m", "weights": "w"}, "experts": [{"name": "a", "weights": "w"}]}
    settings = Settings.model_validate({**facts, "tasks": [{"name": "a", "data": "d"}], "methods": ["ties"]})
    assert "axes" not in settings.model_dump(mode="json", exclude_none=True)
