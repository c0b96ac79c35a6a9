"""Plain data to Plotly figures, without streamlit. Marks as in the explorer: diamond = measured, circle = predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

CHECKED, PREDICTED, SPECIALIST, BASE, BEST = "#007A5A", "#0072B2", "#B87400", "#7A828A", "#C44601"
MARKS = {
    "base": ("starting model", "square", BASE),
    "average": ("plain average", "square-open", BASE),
    "arithmetic": ("usual recipe, all at 0.3", "square-x-open", BASE),
    "specialist": ("specialist alone", "triangle-up", SPECIALIST),
    None: ("mix", "diamond", CHECKED),
}
# Several ways of blending: the first keeps the diamond, the others have a sign of their own in it, as on the map.
METHODS = (
    ("diamond", CHECKED),
    ("diamond-x-open", "#B0558F"),
    ("diamond-cross-open", "#857A12"),
    ("diamond-open-dot", "#6868D4"),
)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # lines that differ without colour
ROLES = {"specialist": "expert"}
Json = Mapping[str, Any]


def live_figure(rows: Sequence[Json], x: Json, y: Json) -> go.Figure:
    """Every measured mix on two tasks; ``rows``: {"metrics", "role", "number", "method": its title}, ``x``, ``y``: task
    facts. Where there is more than one way of blending, each has its own mark."""
    figure = go.Figure()
    methods = list(dict.fromkeys(row["method"] for row in rows if row["role"] is None))
    kinds = [
        (*mark, [row for row in rows if row["role"] == role])
        for role, mark in MARKS.items()
        if role or len(methods) < 2
    ]
    if len(methods) > 1:
        kinds += [
            (
                method,
                *METHODS[i % len(METHODS)],
                [row for row in rows if row["role"] is None and row["method"] == method],
            )
            for i, method in enumerate(methods)
        ]
    for name, symbol, colour, mine in kinds:
        if not mine:
            continue
        figure.add_scatter(
            x=[scaled(row, x) for row in mine],
            y=[scaled(row, y) for row in mine],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 1}},
            hovertemplate=f"{x['title']} %{{x:.1f}}<br>{y['title']} %{{y:.1f}}<extra>{name}</extra>",
        )
    corners = best_so_far(rows, x, y)
    if len(corners) > 1:
        figure.add_scatter(
            x=[a for a, _ in corners], y=[b for _, b in corners], mode="lines", name="best so far", hoverinfo="skip",
            line={"color": BEST, "width": 2, "dash": "dot"},
        )  # fmt: skip
    return dressed(figure, label(x), label(y))


def best_so_far(rows: Sequence[Json], x: Json, y: Json) -> list[tuple[float, float]]:
    """The mixes that no other beats on both tasks, from left to right."""
    turn = [-1.0 if task["direction"] == "min" else 1.0 for task in (x, y)]
    points = sorted(
        {(scaled(row, x), scaled(row, y)) for row in rows}, key=lambda p: (-turn[0] * p[0], -turn[1] * p[1])
    )
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or turn[1] * point[1] > turn[1] * kept[-1][1]:
            kept.append(point)
    return kept[::-1]


def prediction_figure(pairs: Sequence[Json], task: Json) -> go.Figure:
    """Predicted against checked for one task; ``pairs``: {"mean", "low", "high", "value"}."""
    scale = 100.0 if task["unit"] == "fraction" else 1.0
    x = [scale * pair["mean"] for pair in pairs]
    y = [scale * pair["value"] for pair in pairs]
    figure = go.Figure()
    ends = [min(x + y), max(x + y)]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": BASE, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    figure.add_scatter(
        x=x, y=y, mode="markers", showlegend=False,
        marker={"symbol": "diamond", "size": 10, "color": CHECKED},
        error_x={
            "array": [scale * (pair["high"] - pair["mean"]) for pair in pairs],
            "arrayminus": [scale * (pair["mean"] - pair["low"]) for pair in pairs],
            "color": PREDICTED, "thickness": 1,
        },
    )  # fmt: skip
    return dressed(figure, f"{task['title']}: predicted", "checked")


def learning_figure(facts: Json, titles: Mapping[str, str]) -> go.Figure:
    """The curve of a training: every task's validation metric over its steps (the more the better), and their mean.

    ``facts``: "curve" as `study.measuring.learned.learned` gives it, "best": the step whose weights were kept.
    """
    curve = facts["curve"]
    steps = [one["step"] for one in curve]
    figure = go.Figure()
    for number, name in enumerate(curve[0]["validation"]):
        figure.add_scatter(
            x=steps, y=[one["validation"][name] for one in curve], name=titles.get(name, name), mode="lines",
            line={"width": 1.5, "dash": DASHES[number % len(DASHES)]},
        )  # fmt: skip
    figure.add_scatter(
        x=steps,
        y=[one["mean"] for one in curve],
        name="mean",
        mode="lines+markers",
        line={"color": CHECKED, "width": 3},
    )
    figure.add_vline(
        x=facts["best"], line={"color": BASE, "dash": "dot"}, annotation_text="kept", annotation_position="bottom right"
    )
    return dressed(figure, "step", "on the validation samples")


def basic_map(
    predicted: Sequence[Json],
    checked: Sequence[Json],
    lines: Mapping[str, Json],
    x: Json,
    y: Json,
    pick: Json | None,
) -> go.Figure:
    """The map without the explorer, for browsers in which it does not start. Rows: {"metrics": {task: value}};
    ``lines``: the fixed mixes by label.
    """
    figure = go.Figure()
    for rows, name, symbol, colour in (
        (predicted, "predicted", "circle-open", PREDICTED),
        (checked, "checked", "diamond", CHECKED),
        ([pick] if pick else [], "your mix", "circle-open", BEST),
    ):
        figure.add_scattergl(
            x=[scaled(row, x) for row in rows], y=[scaled(row, y) for row in rows], mode="markers", name=name,
            marker={"symbol": symbol, "size": 16 if name == "your mix" else 8, "color": colour, "line": {"width": 2}},
        )  # fmt: skip
    for role, (name, symbol, colour) in MARKS.items():
        mine = [row for name_of, row in lines.items() if role and name_of.split(":")[0] == ROLES.get(role, role)]
        if mine:
            figure.add_scattergl(
                x=[scaled(row, x) for row in mine], y=[scaled(row, y) for row in mine], mode="markers", name=name,
                marker={"symbol": symbol, "size": 11, "color": colour},
            )  # fmt: skip
    return dressed(figure, label(x), label(y))


def scaled(row: Json, task: Json) -> float:
    """A row's score as the axes show it: fractions in percent."""
    cell = row["metrics"][task["name"]]
    value = cell if isinstance(cell, float) else cell.get("value", cell.get("mean"))
    return round((100.0 if task["unit"] == "fraction" else 1.0) * float(value), 3)


def label(task: Json) -> str:
    """An axis title: the task and its unit."""
    return f"{task['title']} ({'%' if task['unit'] == 'fraction' else task['unit']})"


def dressed(figure: go.Figure, x: str, y: str) -> go.Figure:
    """The look that all charts share."""
    figure.update_layout(
        height=380,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},  # grows away from the plot
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}},
        uirevision="fixed",
    )
    return figure
