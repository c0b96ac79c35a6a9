"""Plain data to Plotly figures that are not the map: two fronts, overlap, measurements. No streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui.figures import PREDICTED, best_so_far, dressed, label, scaled

Json = Mapping[str, Any]
SECOND = "#C44601"
NAMES = ("predicted", "checked")


def two_fronts(pair: Sequence[Json], names: Sequence[str], x: Json, y: Json) -> go.Figure:
    """Two fronts (`study.front`) on one map: each its colour and its line, predicted hollow, checked filled."""
    figure = go.Figure()
    for front, name, colour, dash in zip(pair, names, (PREDICTED, SECOND), ("solid", "dash"), strict=True):
        for rows, symbol, what in (
            (front["predicted"], "circle-open", NAMES[0]),
            (front["measured"], "diamond", NAMES[1]),
        ):
            figure.add_scatter(
                x=[scaled(row, x) for row in rows],
                y=[scaled(row, y) for row in rows],
                mode="markers",
                name=f"{name}, {what}",
                marker={"symbol": symbol, "size": 7 if what == NAMES[0] else 10, "color": colour},
                opacity=0.45 if what == NAMES[0] else 1.0,
                hovertemplate=f"{x['title']} %{{x:.1f}}<br>{y['title']} %{{y:.1f}}<extra>{name}, {what}</extra>",
            )
        corners = best_so_far(front["predicted"] or front["measured"], x, y)
        figure.add_scatter(
            x=[a for a, _ in corners], y=[b for _, b in corners], mode="lines", name=f"{name}, best",
            line={"color": colour, "width": 2, "dash": dash}, hoverinfo="skip",
        )  # fmt: skip
    drawn = dressed(figure, label(x), label(y))
    return drawn.update_layout(height=480, legend={"orientation": "h", "y": -0.22, "yanchor": "top"})


def overlap(cosines: Mapping[str, Mapping[str, float]], titles: Mapping[str, str]) -> go.Figure:
    """How alike the experts' changes are: 0 = independent, 1 = the same direction, below 0 = against each other."""
    names = list(cosines)
    values = [[None if a == b else cosines[a][b] for b in names] for a in names]
    shown = [titles.get(name, name) for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=shown,
            y=shown,
            zmin=-1,
            zmax=1,
            colorscale="RdBu",
            reversescale=True,
            texttemplate="%{z:.2f}",
            hovertemplate="%{x} and %{y}: %{z:.3f}<extra></extra>",
        )  # fmt: skip
    )
    figure.update_layout(
        height=120 + 44 * len(names), width=220 + 110 * len(names), margin={"l": 10, "r": 10, "t": 10, "b": 10}
    )
    figure.update_yaxes(autorange="reversed")
    return figure
