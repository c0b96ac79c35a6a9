"""The figures of the docs, drawn from the JSON of the benchmarks.

    python -m benchmarks.figures            # docs/images/surrogate/*.svg, docs/images/scaling.svg

Each file says in its metadata from which result it was drawn and the SHA-256 of the numbers in it, so that a test can
tell a figure from an older measurement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.quality.rivals import RIVALS
from benchmarks.quality.samplers import TITLES
from benchmarks.quality.summary import middle, rows_of
from benchmarks.tables.results import Results

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLOURS = {
    "logits": "#00796b",
    "product": "#00796b",
    "map-published": "#c62828",
    "map": "#ef6c00",
    "quadratic": "#ef6c00",
    "quadratic-soft": "#f9a825",
    "gp": "#5e35b1",
    "qlognehvi": "#5e35b1",
    "nsga2": "#1565c0",
    "optuna-tpe": "#6d4c41",
    "optuna-gp": "#ad1457",
    "optuna-nsga2": "#42a5f5",
    "sobol": "#757575",
    "simplex": "#bdbdbd",
}
Data = dict[str, Any]
FLAT = 2.0


def precision_data(results: Results) -> Data:
    """Per pool and rival the median RMSE by budget."""
    found = results.of("front_quality", "python -m benchmarks.front_quality")
    return _lines(found, "predict", "rival", ("logits", "map-published", "quadratic", "quadratic-soft", "gp"), "rmse")


def budget_data(results: Results) -> Data:
    """Per pool and spender the median hypervolume by budget."""
    found = results.of("front_quality", "python -m benchmarks.front_quality")
    return _lines(found, "spend", "spender", tuple(TITLES), "hv")


def _lines(found: dict[str, Any], section: str, key: str, names: tuple[str, ...], value: str) -> Data:
    data: Data = {}
    for pool in found["pools"]:
        rows = [row for row in rows_of(found, section, pool=pool) if key in row]
        if section == "predict":
            rows = [row for row in rows if row["points"] == "design"]
        for name in names:
            own = [row for row in rows if row[key] == name]
            budgets = sorted({row["n"] for row in own})
            line = [(n, middle([row for row in own if row["n"] == n], value)) for n in budgets]
            if line:
                data.setdefault(f"{pool}: {', '.join(found['pools'][pool]['tasks'])}", {})[name] = line
    return data


def slice_data(results: Results) -> Data:
    """The measured line."""
    return results.of("surrogate_slice", "python -m benchmarks.surrogate_slice")


def scaling_data(results: Results) -> Data:
    """Sweeps with their points."""
    found = results.of("scaling", "python -m benchmarks.scaling")
    return {
        one["name"]: {
            "what": one["what"],
            "over": one["over"],
            "exponent": one["exponent"],
            "points": [(p["size"], p["seconds"]) for p in one["points"]],
        }
        for one in found["sweeps"]
    }


def fingerprint(data: Data) -> str:
    """SHA-256 of the numbers, first sixteen digits."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def draw_precision(data: Data, figure: Any) -> None:
    """One panel a pool: error against measured merges, both axes logarithmic."""
    titles = {rival.name: rival.title for rival in RIVALS.values()}
    _panels(figure, data, titles, "error of predicted accuracy, points", log=True)


def draw_budget(data: Data, figure: Any) -> None:
    """One panel a pool: hypervolume against measured merges."""
    _panels(figure, data, TITLES, "share of the true front", log=False)


def _panels(figure: Any, data: Data, titles: dict[str, str], label: str, log: bool) -> None:
    columns = min(3, len(data))
    rows = -(-len(data) // columns)
    figure.set_size_inches(3.4 * columns, 2.6 * rows + 0.8)
    handles: dict[str, Any] = {}
    for place, (pool, lines) in enumerate(data.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for name, line in lines.items():
            wide = 2.4 if name in ("logits", "product") else 1.3
            (drawn,) = axes.plot(*zip(*line, strict=True), color=COLOURS.get(name), marker="o", ms=3, lw=wide)
            handles.setdefault(titles.get(name, name), drawn)
        axes.set_title(pool, fontsize=9)
        axes.set_xticks(sorted({n for line in lines.values() for n, _ in line}))
        axes.set_xlabel("measured merges", fontsize=8)
        if (place - 1) % columns == 0:
            axes.set_ylabel(label, fontsize=8)
        if log:
            axes.set_yscale("log")
            plain(axes.yaxis)
        axes.grid(alpha=0.25)
        axes.tick_params(labelsize=7)
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=columns, fontsize=8)
    below = 0.25 * -(-len(handles) // columns) + 0.15
    figure.tight_layout(rect=(0, below / figure.get_size_inches()[1], 1, 1))


def draw_slice(data: Data, figure: Any) -> None:
    """Accuracy and its predictions above, single samples below."""
    figure.set_size_inches(7.2, 6.0)
    above, below = figure.subplots(2, 1, sharex=True)
    c, names = data["coefficient"], {"logits": "from logits", "quadratic": "quadratic"}
    above.step(c, [100 * a for a in data["accuracy"]], where="mid", color="#212121", lw=1.4, label="measured")
    for name, title in names.items():
        one, colour = data["predicted"][name], COLOURS[name]
        wrong = f"{title}, from {data['trials']} merges (error {100 * one['rmse']:.1f} points)"
        above.plot(c, [100 * a for a in one["mean"]], color=colour, lw=2, label=wrong)
        above.fill_between(c, [100 * a for a in one["low"]], [100 * a for a in one["high"]], color=colour, alpha=0.15)
    above.set_ylabel(f"accuracy on {data['task']}, %")
    above.legend(fontsize=8)
    for curve in data["margins"]:
        below.plot(c, curve, lw=0.8, color="#00796b", alpha=0.45)
    below.axhline(0.0, color="#212121", lw=1)
    below.set_ylabel("right class ahead by")
    below.set_xlabel(f"coefficient of the {data['task']} expert")
    below.set_title(
        f"{len(data['margins'])} of the {data['flip']} samples (of {data['samples']}) that flip", fontsize=9
    )
    for axes in (above, below):
        axes.grid(alpha=0.25)
    figure.tight_layout()


def draw_scaling(data: Data, figure: Any) -> None:
    """One panel a sweep, both axes logarithmic, with the fitted exponent."""
    figure.set_size_inches(10.2, 8.0)
    for place, one in enumerate(data.values(), start=1):
        axes = figure.add_subplot(3, 4, place)
        axes.loglog(*zip(*one["points"], strict=True), marker="o", ms=4, color="#00796b")
        axes.set_title(f"{one['what']}\nexponent {one['exponent']:.2f}", fontsize=8)
        taken = [seconds for _, seconds in one["points"]]
        centre = (min(taken) * max(taken)) ** 0.5
        if max(taken) < FLAT * min(taken):  # what hardly grows looks as if it hardly grew
            axes.set_ylim(centre / FLAT, centre * FLAT)
        axes.set_xlabel(one["over"], fontsize=8)
        axes.set_ylabel("seconds", fontsize=8)
        axes.grid(alpha=0.25, which="both")
        axes.tick_params(labelsize=7, which="both")
        plain(axes.xaxis)
        plain(axes.yaxis)
    figure.tight_layout()


def plain(axis: Any) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5, written as numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:g} M" if value >= 1e6 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


FIGURES: dict[str, tuple[Callable[[Results], Data], Callable[[Data, Any], None]]] = {
    "surrogate/precision.svg": (precision_data, draw_precision),
    "surrogate/budget.svg": (budget_data, draw_budget),
    "surrogate/slice.svg": (slice_data, draw_slice),
    "scaling.svg": (scaling_data, draw_scaling),
}


def main() -> None:
    """Draw all; the same numbers give the same bytes."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": "mergescape", "svg.fonttype": "none", "font.family": "sans-serif"})
    for name, (read, draw) in FIGURES.items():
        data = read(Results())
        figure = Figure(facecolor="white")
        draw(data, figure)
        path = IMAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"Date": None, "Description": f"benchmarks/results, numbers {fingerprint(data)}"}
        figure.savefig(path, format="svg", metadata=about)
        print(path.relative_to(IMAGES.parent.parent))


if __name__ == "__main__":
    main()
