"""Where one front is better than another, on fronts whose answer is plain."""

from typing import Any

import pytest

from study.choosing.versus import beaten, points, shared_tasks, stretches
from study.errors import StudyError

X = {"name": "x", "metric": "accuracy", "direction": "max"}
Y = {"name": "y", "metric": "nll", "direction": "min"}


def front(rows: list[tuple[float, float]], stderr: float = 0.0) -> dict[str, Any]:
    cells = [{"metrics": {"x": {"mean": x}, "y": {"mean": y}}} for x, y in rows]
    return {"tasks": [X, Y], "predicted": cells, "measured": [], "hypervolume": {"stderr": {"x": stderr}}}


STEEP = front([(0.9, 3.0), (0.5, 1.0)])
FLAT = front([(0.8, 3.0), (0.7, 1.0)])


def test_each_is_better_somewhere() -> None:
    low, high = stretches(STEEP, FLAT, X, Y)[0], stretches(STEEP, FLAT, X, Y)[-1]
    assert (low.winner, low.high) == (0, 3.0) and low.gap == pytest.approx(0.1)
    assert (high.winner, high.low) == (1, 1.0) and high.gap == pytest.approx(0.2)
    assert beaten(STEEP, FLAT, [X, Y]) == (0.5, 0.5)


def test_differences_below_the_noise_are_none() -> None:
    found = stretches(front([(0.9, 3.0)], stderr=0.5), FLAT, X, Y)
    assert found[0].winner is None


def test_a_front_against_itself_is_a_draw() -> None:
    assert {one.winner for one in stretches(STEEP, STEEP, X, Y)} == {None}
    assert all(one.gap == 0 for one in stretches(STEEP, STEEP, X, Y))
    assert beaten(STEEP, STEEP, [X, Y]) == (0.0, 0.0)


def test_points_are_turned_so_that_more_is_better_and_beaten_ones_fall_out() -> None:
    assert sorted(map(tuple, points(front([(0.9, 3.0), (0.8, 3.5)]), [X, Y]).tolist())) == [(0.9, -3.0)]


def test_nothing_in_common() -> None:
    with pytest.raises(StudyError, match="no task in common"):
        shared_tasks(STEEP, {"tasks": [{"name": "x", "metric": "macro_f1"}]})
