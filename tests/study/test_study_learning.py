"""Methods that learn, in a real study: which samples they see, what is kept, and that an export rebuilds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluation import evaluate
from evaluation.errors import Cancelled
from merging import method, methods
from study.demo import write_demo
from study.errors import StudyError
from study.export import Order, export
from study.measuring.calibration import splits_for
from study.measuring.learned import curve_text
from study.measuring.measure import Measurer
from study.running.evolve import evolve
from study.settings import MethodChoice, Samples, Settings
from study.study import Study, create, open_study
from study.verify import verify
from tests.conftest import as_json, run_command
from tests.study.test_study_resume import small_demo
from ui import copy_run

LOT = MethodChoice(name="lot")


def tiny(folder: Path) -> Study:
    """A study of two tasks with a handful of samples."""
    made = write_demo(folder, ("digits", "signs"))
    few = Samples(calibration=8, validation=12, test=12)
    tasks = tuple(task.model_copy(update={"samples": few}) for task in made.tasks)
    return Study(made.folder, made.settings.model_copy(update={"tasks": tasks}))


def test_a_method_sees_no_sample_of_another_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tiny(tmp_path / "study")
    with Measurer(study, "cpu") as measurer:
        loaded: list[str] = []
        real = evaluate.load_task

        def watched(spec, model, seed, cache, splits, **more):
            loaded.extend(splits)
            task = real(spec, model, seed, cache, splits, **more)
            assert set(task.splits) == set(splits)
            return task

        monkeypatch.setattr("study.measuring.calibration.load_task", watched)
        measurer.directions(LOT)
        assert set(loaded) == {"calibration"}
        access = measurer._access(measurer.method(LOT), lambda: False)
        with pytest.raises(StudyError, match="may not see the validation"):
            access.score()
        with pytest.raises(StudyError, match="may not see labels"):
            access.slope("digits", "labels", 0, 1.0)
    assert splits_for(("inputs", "labels", "validation")) == ("calibration", "validation")


SHORT = {"steps": 2, "look": 1, "looks": 2, "tune": True}  # of those settings, what a method has


def rows(inputs: object) -> set[bytes]:
    """Each sample as its bytes."""
    return {np.ascontiguousarray(one).tobytes() for one in np.asarray(inputs)}


@dataclass
class Seen:
    """What a study's model read and told: samples as bytes, forward passes, and how far a method said it was."""

    samples: set[bytes] = field(default_factory=set)
    passes: int = 0
    told: list[tuple[str, int, int]] = field(default_factory=list)

    def clear(self) -> None:
        self.samples, self.passes, self.told = set(), 0, []


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Measurer, dict[str, set[bytes]], Seen]]:
    """A small study, the bytes of every split's samples, and what went through the model and was told."""
    study = tiny(tmp_path_factory.mktemp("watched") / "study")
    seen = Seen()

    def say(*told: Any) -> None:
        seen.told.append(told)

    with Measurer(study, "cpu", say, splits=("calibration", "validation", "test")) as measurer:
        splits: dict[str, set[bytes]] = {}
        for task in measurer.tasks.values():
            for name, split in task.splits.items():
                splits[name] = splits.get(name, set()) | rows(split.inputs)
        real = measurer.model.forward

        def forward(inputs, head):
            seen.samples |= rows(inputs)
            seen.passes += 1
            return real(inputs, head)

        measurer.model.forward = forward  # type: ignore[method-assign]
        yield measurer, splits, seen


@pytest.mark.parametrize("name", [name for name, kind in methods().items() if kind.needs_data])
def test_no_sample_of_another_split_goes_through_the_model(name: str, watched) -> None:
    measurer, splits, seen = watched
    has = method(name).settings
    for extra in ({}, {"transductive": True}) if "transductive" in has else ({},):
        choice = MethodChoice(name=name, settings={k: v for k, v in SHORT.items() if k in has} | extra)
        allowed = splits_for(measurer.method(choice).needs)
        seen.clear()
        measurer.directions(choice)
        for split in ("calibration", "validation", "test"):
            assert bool(seen.samples & splits[split]) == (split in allowed), f"{name} and the {split} samples"
        assert seen.samples <= set.union(*splits.values()), "samples that belong to no split"


@pytest.mark.parametrize("name", [name for name, kind in methods().items() if kind.needs_data])
def test_learning_tells_how_far_it_is_and_stops_between_two_passes(name: str, watched) -> None:
    measurer, _, seen = watched
    has, folder = method(name).settings, measurer.study.folder / "directions"
    choice = MethodChoice(name=name, settings={k: v for k, v in SHORT.items() if k in has})
    asked: list[int] = []
    measurer.forget(choice)
    seen.clear()
    measurer.directions(choice, lambda: bool(asked.append(len(seen.told))))
    told = [one for one in seen.told if one[0] != "preparing the method"]
    assert len(told) > 1 and all(0 <= done < of for _, done, of in told), f"{name} told {told}"
    for phase, many in groupby(told, key=lambda one: one[0]):
        places = [done for _, done, _ in many]
        assert places[0] == 0 and places == sorted(places), f"{phase} at {places}"
        assert phase in copy_run.PHASES, f"no words on the screen for '{phase}'"
    phases = [phase for phase, _ in groupby(told, key=lambda one: one[0])]
    assert len(set(phases)) == len(phases), f"to and fro between {phases}"
    assert len(asked) >= seen.passes > 0, "batches passed and nobody asked whether to go on"
    measurer.forget(choice)
    files, half = set(folder.iterdir()), len(told) // 2
    seen.clear()
    with pytest.raises(Cancelled):
        measurer.directions(choice, lambda: len(seen.told) > half)
    assert len(seen.told) == half + 1, "it went on"
    assert set(folder.iterdir()) == files and torch.equal(measurer.buffer, measurer.vectors.base())


def test_the_splits_share_no_sample(fresh_demo: Path) -> None:
    with Measurer(open_study(fresh_demo), "cpu", splits=("calibration", "validation", "test")) as measurer:
        for task in measurer.tasks.values():
            shown = [each.tobytes() for split in task.splits.values() for each in np.asarray(split.inputs)]
            assert len(set(shown)) == len(shown)
            assert len(task.split("calibration")) == 64


def test_what_was_learned_is_kept_and_an_export_rebuilds(fresh_demo: Path, tmp_path: Path) -> None:
    study = open_study(fresh_demo)
    report = export(study, Order(LOT, dict.fromkeys(("digits", "signs", "flags"), 0.9)), tmp_path / "out", "cpu")
    files = list((fresh_demo / "directions").glob("*.f32"))
    assert len(files) == 1 and json.loads(files[0].with_suffix(".json").read_text())["facts"]["layers"] == 28
    before = files[0].stat().st_mtime_ns
    checked = verify(tmp_path / "out", device="cpu")
    assert checked["identical"] and checked["metrics_equal"]
    assert files[0].stat().st_mtime_ns == before, "it was learned again"
    assert min(one["value"] for one in report["metrics"].values()) > 0.6


def test_learning_can_be_cancelled(fresh_demo: Path) -> None:
    with Measurer(open_study(fresh_demo), "cpu") as measurer:
        asked: list[int] = []

        def stop() -> bool:
            asked.append(1)
            return len(asked) > 5

        with pytest.raises(Cancelled):
            measurer.directions(LOT, stop)
    assert not list((fresh_demo / "directions").glob("*.f32"))


def test_a_study_without_calibration_samples_says_so(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    tasks = tuple(
        task.model_copy(update={"samples": task.samples.model_copy(update={"calibration": 0})}) for task in study.tasks
    )
    bare = Study(study.folder, study.settings.model_copy(update={"tasks": tasks}))
    with Measurer(bare, "cpu") as measurer, pytest.raises(StudyError, match="calibration"):
        measurer.directions(LOT)


def test_polishing_helps_and_can_be_taken_home(tmp_path: Path) -> None:
    folder, at = str(small_demo(tmp_path / "study").folder), "digits=0.4,flags=0.4"
    value = as_json("polish", folder, "--at", at, "--out", str(tmp_path / "out"), "--device", "cpu")
    before, after = ([one["value"] for one in value[key].values()] for key in ("before", "after"))
    assert sum(after) > sum(before) + 0.1
    assert value["settings"] == {"on": "task_arithmetic", "at": at}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The method learned from the calibration samples" in card
    facts = as_json("learned", folder, "--method", "featcal")
    mapped = as_json("polish", folder, "--at", at, "--by", "react", "--device", "cpu")
    assert sum(one["value"] for one in mapped["after"].values()) > sum(before)
    shown = as_json("learned", folder, "--method", "react")
    assert shown["projection"] == "visual.proj" and shown["after"] < 0.8 * shown["before"]
    assert facts["blocks"] == 4 and facts["anchor"] == {"digits": 0.4, "flags": 0.4}
    for words, said in (
        (("polish", folder), "Give the merge to polish"),
        (("polish", folder, "--at", at, "--method", "wudi"), "cannot be polished"),
        (("polish", folder, "--at", at, "--by", "soap"), "Nothing polishes by 'soap'"),
        (("learned", folder, "--method", "lot"), "has learned nothing"),
    ):
        done = run_command(*words)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_the_curve_as_text() -> None:
    curve = [{"step": 0, "mean": 0.5}, {"step": 25, "mean": 0.75}, {"step": 50, "mean": 0.5}]
    lines = curve_text({"method": "atlas", "curve": curve, "best": 25}).splitlines()
    assert [("kept" in line, line.count("█")) for line in lines] == [(False, 1), (True, 30), (False, 1)]
    assert "no curve" in curve_text({"method": "lot"})


def test_a_search_by_metrics_alone_goes_on_where_it_stopped(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    folder = str(study.folder)
    words = ("evolve", folder, "--want", "digits=1", "--device", "cpu")
    first = as_json(*words, "--trials", "9")
    before = len(study.done())
    again = as_json(*words, "--trials", "9")
    assert again == first and len(study.done()) == before > 0
    assert first["value"] == max(first["history"]) and len(first["history"]) == first["trials"] == 9
    assert first["weights"] == {"digits": 1.0, "flags": 0.0}
    signed = as_json(*words, "--trials", "2", "--signed")
    near = [value for value in signed["coefficients"].values()]
    assert max(abs(value - 1 / 2) for value in near) < 0.3 and signed["trials"] == 2
    wrong = run_command("evolve", folder, "--want", "digit=1")
    assert wrong.returncode == 2 and "digit" in wrong.stderr


def test_the_first_stage_of_evo_merging_finds_how_much_of_each_adapter_to_keep(watched, tmp_path: Path) -> None:
    made = watched[0].study
    base = load_file(made.path("models/base.safetensors"))
    for task in ("digits", "signs"):
        own, adapter = load_file(made.path(f"models/{task}.safetensors")), {}
        for name in (name for name in base if name.startswith("visual.") and name.endswith("mlp.c_fc.weight")):
            u, s, vt = torch.linalg.svd((own[name] - base[name]).float(), full_matrices=False)
            module = f"base_model.model.{name.removesuffix('.weight')}"
            adapter[f"{module}.lora_A.weight"] = vt[:4].contiguous()
            adapter[f"{module}.lora_B.weight"] = (u[:, :4] * s[:4]).contiguous()
        (tmp_path / task).mkdir()
        save_file(adapter, tmp_path / task / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["c_fc"]}
        (tmp_path / task / "adapter_config.json").write_text(json.dumps(config))
    experts = tuple(one.model_copy(update={"weights": str(tmp_path / one.name)}) for one in made.experts)
    study = create(tmp_path / "study", absolute(made).model_copy(update={"experts": experts}))
    choice = MethodChoice(name="evo_merging")
    found = evolve(study, choice, trials=3, seed=1, first=5, device="cpu")
    assert evolve(study, choice, trials=3, seed=1, first=5, device="cpu") == found  # nothing is measured twice
    assert found["trials"] == len(found["history"]) == 8 and found["value"] == max(found["history"])
    keeps = [trial.settings["keep"] for trial in study.done()]
    assert len(set(keeps)) == 5 and all("digits=" in keep and "signs=" in keep for keep in keeps)
    assert max(keeps.count(keep) for keep in keeps) == 4  # the best of the first stage, and the second on top of it
    assert len(list((study.folder / "directions").glob("*.f32"))) == 1
    with pytest.raises(StudyError, match="no shares of adapters"):
        evolve(study, LOT, trials=3, seed=1, first=5)


def absolute(study: Study) -> Settings:
    """A study's settings for another folder."""
    settings, base = study.settings, study.settings.base
    where = {"model": base.model, "weights": base.weights, "tokenizer": base.tokenizer or ""}
    moved = base.model_copy(update={field: str(study.path(value)) for field, value in where.items()})
    tasks = tuple(task.model_copy(update={"data": str(study.path(task.data))}) for task in settings.tasks)
    return settings.model_copy(update={"base": moved, "tasks": tasks})


def test_pleas_takes_an_expert_with_shuffled_units_as_if_it_were_not(watched, tmp_path: Path) -> None:
    measurer = watched[0]
    study, dice = measurer.study, torch.Generator().manual_seed(5)
    weights = load_file(study.path("models/signs.safetensors"))
    for name in [name for name in weights if name.endswith("mlp.c_fc.weight")]:
        block, order = name.removesuffix("c_fc.weight"), torch.randperm(len(weights[name]), generator=dice)
        for key in ("c_fc.weight", "c_fc.bias"):
            weights[block + key] = weights[block + key][order].contiguous()
        weights[block + "c_proj.weight"] = weights[block + "c_proj.weight"][:, order].contiguous()
    save_file(weights, tmp_path / "signs.safetensors")
    experts = (study.experts[0], study.experts[1].model_copy(update={"weights": str(tmp_path / "signs.safetensors")}))
    choice = MethodChoice(name="pleas")
    plain = measurer.directions(choice)
    with Measurer(Study(study.folder, study.settings.model_copy(update={"experts": experts})), "cpu") as shuffled:
        found = shuffled.directions(choice)
    assert plain.facts["out of place"] == 0.0 and found.facts["out of place"] > 0.4
    torch.testing.assert_close(found.matrix, plain.matrix, rtol=1e-3, atol=1e-4)
