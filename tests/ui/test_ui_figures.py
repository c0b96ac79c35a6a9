"""Figures and words: plain data in, plain data out."""

import pytest

from ui import figures, words

A = {"name": "a", "title": "A", "unit": "fraction", "direction": "max"}
LOSS = {"name": "b", "title": "B", "unit": "nats", "direction": "min"}


def row(a: float, b: float, role: str | None = None, method: str = "Simple") -> dict[str, object]:
    return {"metrics": {"a": a, "b": b}, "role": role, "number": 1, "method": method}


def test_live_figure_has_one_mark_per_role() -> None:
    figure = figures.live_figure([row(0.5, 1.0, "base"), row(0.9, 2.0, "specialist"), row(0.8, 0.5)], A, LOSS)
    names = {trace.name: trace for trace in figure.data}
    assert names["mix"].marker.symbol == "diamond" and names["specialist alone"].marker.symbol == "triangle-up"
    assert list(names["mix"].x) == [80.0]
    assert figure.layout.xaxis.title.text == "A (%)"


def test_live_figure_tells_several_ways_of_blending_apart() -> None:
    rows = [row(0.9, 2.0, "specialist", "Simple"), row(0.8, 0.5), row(0.7, 0.4, method="TIES"), row(0.6, 0.3)]
    marks = {trace.name: trace for trace in figures.live_figure(rows, A, LOSS).data}
    assert list(marks["Simple"].x) == [80.0, 60.0] and list(marks["TIES"].x) == [70.0] and "mix" not in marks
    assert marks["Simple"].marker.symbol != marks["TIES"].marker.symbol
    assert marks["specialist alone"].marker.symbol == "triangle-up"


def test_best_so_far_knows_that_a_loss_is_better_when_small() -> None:
    rows = [row(0.5, 0.3), row(0.9, 2.0), row(0.8, 0.5), row(0.7, 0.9)]
    assert figures.best_so_far(rows, A, LOSS) == [(50.0, 0.3), (80.0, 0.5), (90.0, 2.0)]


def test_prediction_figure_has_error_bars_in_points() -> None:
    figure = figures.prediction_figure([{"mean": 0.8, "low": 0.7, "high": 0.85, "value": 0.82}], A)
    assert figure.data[1].error_x.array[0] == pytest.approx(5) and figure.data[1].error_x.arrayminus[
        0
    ] == pytest.approx(10)


def test_basic_map_reads_predictions_and_measurements() -> None:
    predicted = [{"metrics": {"a": {"mean": 0.5}, "b": {"mean": 1.0}}}]
    checked = [{"metrics": {"a": {"value": 0.6}, "b": {"value": 2.0}}}]
    figure = figures.basic_map(predicted, checked, {}, A, LOSS, None)
    assert [list(trace.x) for trace in figure.data] == [[50.0], [60.0], []]


def test_sizes() -> None:
    counts = (0, 999, 1000, 1_964_762, 3.5e8, 2e12)
    assert [words.size(count) for count in counts] == ["0 B", "999 B", "1.0 kB", "2.0 MB", "350 MB", "2000.0 GB"]


def test_times_and_lists() -> None:
    assert words.duration(0.2) == "1 second"
    assert (
        words.duration(89) == "89 seconds"
        and words.duration(600) == "10 minutes"
        and words.duration(7200) == "2.0 hours"
    )
    assert words.ago(100, 130) == "just now" and words.ago(0, 7200) == "2 h ago"
    assert words.listed([]) == "" and words.listed(["a"]) == "a" and words.listed(["a", "b", "c"]) == "a, b and c"


def test_scores_carry_unit_and_error() -> None:
    assert words.score(0.8725, "fraction") == "87.2 %" and words.score(1.25, "nats") == "1.250"
    assert words.with_error({"value": 0.5, "stderr": 0.025}, "fraction") == "50.0 ± 2.5 %"
    assert words.likely({"mean": 0.5, "low": 0.4, "high": 0.6}, "fraction") == "50.0 % (40.0 to 60.0)"


def test_basic_map_has_the_fixed_mixes() -> None:
    lines = {"base": row(0.5, 1.0), "expert:a": row(0.9, 2.0), "arithmetic": row(0.7, 1.0)}
    figure = figures.basic_map([row(0.6, 1.0)], [row(0.7, 1.5)], lines, A, LOSS, row(0.6, 1.0))
    shapes = {trace.name: trace.marker.symbol for trace in figure.data}
    assert shapes["starting model"] == "square" and shapes["specialist alone"] == "triangle-up"
    assert shapes["usual recipe, all at 0.3"] == "square-x-open" and shapes["predicted"] != shapes["checked"]


def test_learning_figure_shows_each_task_the_mean_and_what_was_kept() -> None:
    curve = [
        {"step": 0, "mean": 0.5, "validation": {"a": 0.4, "b": 0.6}},
        {"step": 5, "mean": 0.6, "validation": {"a": 0.6, "b": 0.6}},
    ]
    figure = figures.learning_figure({"curve": curve, "best": 5}, {"a": "Task A"})
    lines = {trace.name: list(trace.y) for trace in figure.data}
    assert lines == {"Task A": [0.4, 0.6], "b": [0.6, 0.6], "mean": [0.5, 0.6]}
    assert figure.layout.shapes[0].x0 == 5
    assert len({trace.line.dash for trace in figure.data[:2]}) == 2
