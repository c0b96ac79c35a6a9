"""From the study's front to the explorer's message; made-up fronts with numbers one can check by eye."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from ui.emulator import distil, features
from ui.packing import packed_points
from ui.payload import exact_point, explorer_payload, noisy_tasks, role_of


def cell(value: float, stderr: float = 0.02) -> dict[str, float]:
    return {"value": value, "stderr": stderr, "n": 400}


def guess(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.02}


def trial(name: str, method: str, at: tuple[float, float], a: float, b: float) -> dict[str, Any]:
    return {
        "trial": name,
        "method": method,
        "coefficients": dict(zip("ab", at, strict=True)),
        "metrics": {"a": cell(a), "b": cell(b)},
    }


def point(method: str, at: tuple[float, float], a: float, b: float) -> dict[str, Any]:
    return {
        "method": method,
        "coefficients": dict(zip("ab", at, strict=True)),
        "metrics": {"a": guess(a), "b": guess(b)},
    }


def made_front(direction: str = "max") -> dict[str, Any]:
    unit = "fraction" if direction == "max" else "nats"
    span = [0.0, 1.0] if direction == "max" else [0.0, None]
    facts = {"metric": "m", "unit": unit, "direction": direction, "range": span}
    return {
        "experts": ["a", "b"],
        "tasks": [{"name": name, "title": name.upper(), **facts} for name in "ab"],
        "measured": [
            trial("t1", "ta", (1.0, 0.0), 0.9, 0.4),
            trial("t2", "ta", (0.5, 0.5), 0.8, 0.7),
            trial("t3", "ties", (1.0, 1.0), 0.7, 0.8),
        ],
        "predicted": [point("ta", (0.6, 0.4), 0.84, 0.65), point("ties", (0.9, 1.0), 0.7, 0.8)],
        "baselines": {
            "expert:a": {"trial": "t1", "metrics": {"a": cell(0.9), "b": cell(0.4)}, "test": {}},
            "average": {"trial": "t2", "metrics": {"a": cell(0.8), "b": cell(0.7)}, "test": {}},
        },
    }


def unpacked(cloud: dict[str, Any], name: str) -> Any:
    """The numbers as the browser reads them."""
    low, high = (np.array(end) for end in cloud["scales"]["c" if name == "c" else "m"])
    steps = np.frombuffer(base64.b64decode(cloud[name]), "<u2").reshape(cloud["n"], len(low))
    return low + steps / 65535 * (high - low)


def made_payload(direction: str = "max", method: str = "ta") -> dict[str, Any]:
    return explorer_payload(made_front(direction), (0.0, 1.0), {"a": "Expert A"}, method, {"and": "and"})


def test_only_the_chosen_method_and_its_baselines_by_role() -> None:
    payload = made_payload()
    assert [row["id"] for row in payload["checked"]] == ["t1", "t2"]
    assert [row["role"] for row in payload["checked"]] == ["specialist", "average"]
    assert payload["checked"][0]["title"] == "Expert A specialist alone"
    assert [row["label"] for row in payload["checked"]] == ["expert:a", "average"]
    assert payload["cloud"]["n"] == 1
    assert payload["tasks"][0]["expert"] == 0.9 and payload["tasks"][0]["average"] == 0.8
    assert payload["tasks"][0]["floor"] == pytest.approx(0.01)


def test_another_methods_baselines_are_shown_without_strengths() -> None:
    payload = made_payload(method="ties")
    extra = [row for row in payload["checked"] if row["id"] != "t3"]
    assert [row["c"] for row in extra] == [[], []]
    assert {row["role"] for row in extra} == {"specialist", "average"}


def test_a_metric_that_is_better_when_small_is_turned_round() -> None:
    payload = made_payload("min")
    task = payload["tasks"][0]
    row = {name: unpacked(payload["cloud"], name)[0] for name in ("m", "lo", "hi")}
    assert task["sign"] == -1 and payload["unit"] == "score"
    assert row["m"][0] == pytest.approx(-0.84)
    assert row["lo"][0] == pytest.approx(-0.86) and row["hi"][0] == pytest.approx(-0.83)
    exact = exact_point({"coefficients": {"a": 0.1, "b": 0.2}, "metrics": {"a": guess(0.5), "b": guess(0.5)}}, payload)
    assert exact["c"] == [0.1, 0.2] and exact["m"][0] == -0.5


def test_measured_bars_hold_nine_of_ten() -> None:
    row = made_payload()["checked"][0]
    assert row["hi"][0] - row["m"][0] == pytest.approx(1.6449 * 0.02, abs=1e-4)


def test_same_front_same_bytes() -> None:
    assert json.dumps(made_payload()) == json.dumps(made_payload())


def test_roles() -> None:
    lines = {"expert:a": {"trial": "1"}, "base": {"trial": "2"}}
    assert [role_of(trial, lines) for trial in ("1", "2", "3")] == ["specialist", "base", None]


def test_a_task_that_noise_dominates_is_named() -> None:
    facts = made_payload()["tasks"]
    assert noisy_tasks(facts, [{"m": [0.8 + 0.1 * k, 0.1 * k]} for k in range(4)]) == []
    assert noisy_tasks(facts, [{"m": [0.8, 0.1 * k]} for k in range(4)]) == ["A"]


def test_other_methods_are_overlays_without_the_fixed_mixes() -> None:
    front = made_front()
    found = explorer_payload(front, (0.0, 1.0), {}, "ta", {}, {"ta": "Task arithmetic", "ties": "TIES"})
    assert found["method"]["title"] == "Task arithmetic"
    (other,) = found["others"]
    assert other["title"] == "TIES" and other["cloud"]["n"] == 1
    assert [row["id"] for row in other["checked"]] == ["t3"]
    (other,) = explorer_payload(front, (0.0, 1.0), {}, "ties", {})["others"]
    assert other["checked"] == []  # t1 and t2 are the fixed marks, shown once


def test_predictions_that_miss_by_more_than_the_noise_are_called_rough() -> None:
    front = {**made_front(), "surrogate": {"loo_rmse": {"a": 0.05, "b": 0.03}}}
    assert [row["task"] for row in explorer_payload(front, (0.0, 1.0), {}, "ta", {})["rough"]] == [0]


def test_packed_points_keep_four_digits() -> None:
    rng = np.random.default_rng(0)
    rows = [{"c": rng.uniform(0, 3, 2), "m": m, "lo": m - 0.01, "hi": m + 0.01} for m in rng.normal(size=(50, 3))]
    cloud = packed_points(rows, 2, 3)
    for name in ("c", "m", "lo", "hi"):
        assert np.allclose(unpacked(cloud, name), [row[name] for row in rows], atol=1e-4)
    flat = packed_points([{"c": [0.5], "m": [1.0], "lo": [1.0], "hi": [1.0]}] * 2, 1, 1)
    assert np.array_equal(unpacked(flat, "m"), [[1.0], [1.0]])
    assert packed_points([], 2, 3) == {"n": 0, "d": 2, "T": 3}


def test_the_distilled_curve_recovers_a_quadratic() -> None:
    rng = np.random.default_rng(0)
    C = rng.uniform(size=(60, 3))
    weights = rng.normal(size=10)
    m = 1 / (1 + np.exp(-features(C) @ weights))
    rows = [{"c": list(c), "m": [float(v)]} for c, v in zip(C, m, strict=True)]
    found = distil(rows, [{"bounds": [0.0, 1.0], "sign": 1.0, "floor": 0.01}], [])
    assert found is not None and found["trusted"]
    assert np.allclose(found["weights"][0], weights, atol=1e-5)
    assert distil(rows[:5], [{"bounds": [0.0, 1.0], "sign": 1.0, "floor": 0.01}], []) is None


def test_the_curve_says_how_far_it_is_off() -> None:
    rows = [{"c": [x], "m": [0.9 if x > 0.5 else 0.1]} for x in np.linspace(0, 1, 30)]
    found = distil(rows, [{"bounds": [0.0, 1.0], "sign": 1.0, "floor": 0.01}], [])
    assert found is not None and not found["trusted"] and found["residual"][0] > 0.1
