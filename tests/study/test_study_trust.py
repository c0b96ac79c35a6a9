"""How far predictions were off, what to measure next, and a chosen mix retold as recipe and command line."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from merging import Recipe
from study.choosing.trust import left_out, nearby, surrogates
from study.exporting.retell import command_lines, recipe_text
from study.front import fitted
from study.study import open_study, vector

AT = {"digits": 0.5, "signs": 0.4, "flags": 0.3}


def test_left_out_holds_every_trial_and_gives_the_error_that_is_shown(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    choice = study.method()
    names = [one["name"] for one in surrogates(study, choice)]
    assert {"quadratic", "logits"} <= set(names)
    for name in names:
        found = left_out(study, choice, name)
        rmse = fitted(study, choice, name).loo().rmse
        for j, task in enumerate(study.tasks):
            pairs = found[task.name]
            assert len(pairs) == len(study.done(choice.name))
            assert np.sqrt(np.mean([(p["mean"] - p["value"]) ** 2 for p in pairs])) == pytest.approx(rmse[j])
            assert all(p["low"] <= p["mean"] + 1e-9 and p["mean"] <= p["high"] + 1e-9 for p in pairs)


def test_nearby_mixes_are_new_and_apart(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    found = nearby(study, study.method(), AT, 4)
    X = np.array([vector(study, one) for one in found])
    known = np.array([vector(study, trial.coefficients) for trial in study.done()])
    assert len(found) == 4
    assert np.linalg.norm(X[:, None] - known[None], axis=2).min() > 0.01
    assert np.linalg.norm(X[:, None] - X[None], axis=2)[np.triu_indices(4, 1)].min() > 0.05


def test_the_recipe_is_one_that_merging_reads(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    recipe = Recipe.from_yaml(recipe_text(study, study.method(), AT))
    assert recipe.coefficients == AT and recipe.method == study.method().name
    for part in (recipe.base, *recipe.experts):
        assert (study.folder / part.path).exists() and part.fingerprint


def test_the_command_lines_survive_a_shell(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    lines = command_lines(study, study.method(), AT, {"digits": 0.9}, "quadratic")
    words = [shlex.split(line) for line in lines]
    assert [one[3] for one in words] == ["predict", "measure", "export", "choose"]
    assert all(one[4] == str(study.folder) for one in words)
    assert words[0][6] == "digits=0.5,signs=0.4,flags=0.3" and words[3][6] == "digits=0.9"
