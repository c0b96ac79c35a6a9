"""The demo shows a real conflict: average << best coefficients << experts, and methods differ."""

import statistics
from pathlib import Path

from study.demo import DEFAULT, demo_tasks, write_demo
from study.front import front
from study.measuring.asked import measure_now
from study.settings import MethodChoice
from study.study import open_study
from tests.conftest import as_json

TASKS = ("digits", "signs", "flags")


def test_the_demo_ships_six_tasks() -> None:
    assert set(demo_tasks()) == {"digits", "letters", "signs", "surfaces", "faults", "flags"}
    assert DEFAULT == TASKS


def test_all_six_can_be_asked_for(tmp_path: Path) -> None:
    value = as_json("demo", str(tmp_path / "six"), "--tasks", "all")
    assert len(value["experts"]) == 6


def test_a_study_folder_can_be_moved(demo_copy: Path, tmp_path: Path) -> None:
    moved = demo_copy.rename(tmp_path / "elsewhere")
    assert as_json("status", str(moved))["done"] == 12
    assert as_json("run", str(moved), "--trials", "12", "--device", "cpu")["measured"] == 0


def test_average_is_far_below_good_coefficients_and_these_below_the_experts(tmp_path: Path) -> None:
    study = open_study(write_demo(tmp_path / "study").folder)
    plain = study.method()
    wide = MethodChoice(name="tsv_m", bounds=(0.0, 2.0))
    study = type(study)(study.folder, study.settings.model_copy(update={"methods": (plain, wide)}))
    study.save()
    points = {
        "average": (plain, dict.fromkeys(TASKS, round(1 / 3, 4))),
        "base": (plain, dict.fromkeys(TASKS, 0.0)),
        **{f"uniform {c}": (plain, dict.fromkeys(TASKS, c)) for c in (0.6, 0.7, 0.8)},
        **{f"spectral {c}": (wide, dict.fromkeys(TASKS, c)) for c in (1.2, 1.4, 1.6)},
        **{name: (plain, {task: float(task == name) for task in TASKS}) for name in TASKS},
    }
    trials = dict(zip(points, measure_now(study, list(points.values()), ("test",), "cpu"), strict=True))
    experts = {task: trials[task].test[task].value for task in TASKS}

    def normalised(name: str) -> float:
        return statistics.mean(trials[name].test[task].value / experts[task] for task in TASKS)

    average = normalised("average")
    uniform = max(normalised(name) for name in points if name.startswith("uniform"))
    spectral = max(normalised(name) for name in points if name.startswith("spectral"))
    told = f"base {normalised('base'):.3f} average {average:.3f} uniform {uniform:.3f} spectral {spectral:.3f}"
    assert normalised("base") < average, told
    assert average < uniform - 0.08, told
    assert uniform < 0.92, told
    assert spectral > uniform + 0.02, told
    assert min(experts.values()) > 0.7, told


def test_every_expert_is_clearly_better_than_the_base_on_its_own_task(measured_demo: Path) -> None:
    base = front(open_study(measured_demo))["baselines"]
    for expert in TASKS:
        assert base[f"expert:{expert}"]["metrics"][expert]["value"] > base["base"]["metrics"][expert]["value"] + 0.1
