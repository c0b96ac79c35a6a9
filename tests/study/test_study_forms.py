"""One merge in more than one form: other seeds of a random method, frozen and exact; nothing of it is a trial."""

import json
from pathlib import Path

import pytest
import torch

import merging
from merging.combining.distance import frozen_distance
from study.errors import StudyError
from study.export import Order, export
from study.measuring.learned import DIRECTIONS
from study.measuring.measure import Measurer, references
from study.settings import MethodChoice
from study.study import Study, open_study
from study.varying.forms import forms, forms_text
from study.varying.spread import spread, spread_text
from study.verify import verify
from tests.conftest import copied, run_command

AT = {"digits": 0.9, "signs": 0.4, "flags": 0.2}
TIES, DARE = MethodChoice(name="ties"), MethodChoice(name="dare_linear", settings={"drop": 0.8, "seed": 5})


@pytest.fixture(scope="module")
def study(measured_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("forms") / "study"
    copied(measured_demo, folder)
    return open_study(folder)


def kept(study: Study) -> list[str]:
    return sorted(file.name for file in (study.folder / DIRECTIONS).iterdir())


def test_the_spread_over_seeds_is_what_single_seeds_give(study: Study) -> None:
    trials, files = len(study.store.trials()), kept(study)
    found = spread(study, DARE, AT, seeds=3, device="cpu")
    assert [row["seed"] for row in found["seeds"]] == [5, 6, 7] and found["seeds"][0]["apart"] == 0.0
    assert all(0.1 < row["apart"] < 3.0 for row in found["seeds"][1:])
    assert len(study.store.trials()) == trials and kept(study) == files
    for task in ("digits", "signs", "flags"):
        values = torch.tensor([row["metrics"][task]["value"] for row in found["seeds"]], dtype=torch.float64)
        told = found["summary"][task]
        assert told["mean"] == pytest.approx(float(values.mean()))
        assert told["deviation"] == pytest.approx(float(values.std()))
        assert (told["low"], told["high"]) == (float(values.min()), float(values.max())) and told["stderr"] > 0
    with Measurer(study, "cpu") as measurer:
        one = measurer.measure(MethodChoice(name="dare_linear", settings={"drop": 0.8, "seed": 6}), AT).measured
    assert {name: each.value for name, each in one.items()} == {
        name: each["value"] for name, each in found["seeds"][1]["metrics"].items()
    }
    lines = spread_text(found).splitlines()
    assert lines[0].split() == ["seed", "apart", "digits", "signs", "flags"] and len(lines) == 1 + 3 + 3 + 1
    assert len({len(line) for line in lines[:-1]}) == 1


@pytest.mark.parametrize(
    ("choice", "seeds", "words"),
    [(TIES, 5, ["'ties'", "dare_linear", "della"]), (DARE, 1, ["--seeds is 1", "2 to"])],
)
def test_a_spread_that_makes_no_sense_is_refused(choice: MethodChoice, seeds: int, words, study: Study) -> None:
    with pytest.raises(StudyError) as caught:
        spread(study, choice, AT, seeds, device="cpu")
    assert all(word in str(caught.value) for word in words)


def test_an_export_says_which_form_it_is_and_how_far_the_other_is(study: Study, tmp_path: Path) -> None:
    base, experts = references(study)
    with merging.task_vectors(base, experts) as vectors:
        apart = frozen_distance(merging.method("ties"), vectors, AT)
    assert apart > 0.01
    made = export(study, Order(TIES, AT, exact=True), tmp_path / "exact", "cpu")
    assert made["forms"] == {"written": "exact", "distance": apart}
    card = (tmp_path / "exact" / "README.md").read_text()
    assert "the exact form" in card and f"{apart:.1%} of the change from the base" in card
    assert json.loads((tmp_path / "exact" / "mergescape.json").read_text())["forms"] == made["forms"]
    found = verify(tmp_path / "exact", device="cpu")
    assert found["identical"] and found["metrics_equal"]
    both = forms(study, TIES, AT, "cpu")
    assert both["distance"] == apart and both["frozen"] != both["exact"]
    assert json.loads((tmp_path / "exact" / "mergescape.json").read_text())["validation"] == both["exact"]
    assert f"{apart:.1%}" in forms_text(both) and "frozen" in forms_text(both)


def test_methods_of_one_form_say_nothing_of_two(study: Study, tmp_path: Path) -> None:
    plain = MethodChoice(name="task_arithmetic")
    made = export(study, Order(plain, AT), tmp_path / "plain", "cpu")
    assert made["forms"] is None and "form" not in (tmp_path / "plain" / "README.md").read_text().split("## How")[0]
    with pytest.raises(StudyError, match="one form only"):
        forms(study, plain, AT, "cpu")


def test_an_exact_form_that_is_not_there_is_refused_not_left_out(study: Study, tmp_path: Path) -> None:
    frozen = [name for name, kind in merging.methods().items() if kind.linearity == "frozen" and not kind.exact_form]
    assert all("at" in merging.method(name).settings for name in frozen), "their coefficients are their anchor's"
    for name in frozen:
        with pytest.raises(StudyError, match="no exact form"):
            export(study, Order(MethodChoice(name=name), AT, exact=True), tmp_path / "no", "cpu")
    assert frozen and not (tmp_path / "no").exists()


def test_the_command_line_asks_for_a_merge(study: Study) -> None:
    refused = run_command("spread", str(study.folder))
    assert refused.returncode == 2 and "--at" in refused.stderr and refused.stderr.count("\n") == 1
