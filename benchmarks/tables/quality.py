"""The front after few measurements, in short: `front_quality.json`. The long form is docs/front_quality.md."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.quality.pools import POOLS
from benchmarks.quality.rivals import RIVALS
from benchmarks.quality.samplers import TITLES
from benchmarks.quality.summary import BLENDED, average, middle, rows_of, told
from benchmarks.tables.results import Absent, Results, number, seconds, table, taken

COMMAND = "python -m benchmarks.front_quality"
SHOWN = ("logits", "map-published", "quadratic", "quadratic-soft", "gp")
KERNELS = "python -m benchmarks.kernel_trials"
SPEED = "python -m benchmarks.surrogate_speed"
LEARNED = {BLENDED: "as it is: the same, and each sample weighs the lengths for itself"}


def _pools(found: dict[str, Any], section: str) -> list[str]:
    return [name for name in found["pools"] if rows_of(found, section, pool=name)]


def _where(found: dict[str, Any], name: str) -> str:
    pool = found["pools"][name]
    return f"`{name}` ({', '.join(pool['tasks'])})"


def precision(results: Results) -> str:
    """RMSE of the predicted accuracy after some budgets, per pool and rival."""
    found = results.of("front_quality", COMMAND)
    parts = []
    for name in _pools(found, "predict"):
        rows = rows_of(found, "predict", pool=name, points="design")
        budgets = sorted({row["n"] for row in rows})
        where = "rmse" if found["pools"][name]["kind"].endswith("grid") else "rmse_front"
        lines = []
        for rival in RIVALS.values():
            own = [row for row in rows if row["rival"] == rival.name]
            if own and rival.name in SHOWN:
                cells = [number(middle([row for row in own if row["n"] == n], where)) for n in budgets]
                lines.append([rival.title, *cells])
        over = "over all points" if where == "rmse" else "on the best front known"
        parts.append(table([f"{_where(found, name)}, {over}", *(f"after {n}" for n in budgets)], lines))
    return (
        "Error of the predicted accuracy (root mean square, in points of accuracy), after so many measured merges:\n\n"
        + "\n".join(parts)
        + "\n"
        + _source(found)
    )


def hypervolume(results: Results) -> str:
    """Share of the true front's hypervolume by everything measured, per way to spend the budget."""
    found = results.of("front_quality", COMMAND)
    parts = []
    for name in _pools(found, "spend"):
        rows = [row for row in rows_of(found, "spend", pool=name) if "spender" in row]
        budgets = sorted({row["n"] for row in rows})
        lines = []
        for spender, title in TITLES.items():
            own = [row for row in rows if row["spender"] == spender]
            if own:
                lines.append([title, *(number(middle([r for r in own if r["n"] == n], "hv"), 3) for n in budgets)])
        if lines:
            parts.append(table([_where(found, name), *(f"after {n}" for n in budgets)], lines))
    if not parts:
        raise Absent(COMMAND)
    return (
        "Hypervolume of all that was measured, as a share of the true front's, with the same number of measurements "
        "for each way to choose them (medians over seeds):\n\n" + "\n".join(parts) + "\n" + _source(found)
    )


def hypervolume_short(results: Results) -> str:
    """The same at the largest budget, all pools side by side."""
    found = results.of("front_quality", COMMAND)
    rows = [row for row in rows_of(found, "spend") if "spender" in row]
    if not rows:
        raise Absent(COMMAND)
    names = list(dict.fromkeys(row["pool"] for row in rows))
    last = {name: max(row["n"] for row in rows if row["pool"] == name) for name in names}
    lines = []
    for spender, title in TITLES.items():
        own = [[r for r in rows if (r["spender"], r["pool"], r["n"]) == (spender, name, last[name])] for name in names]
        if any(own):
            lines.append([title, *(number(middle(one, "hv"), 3) for one in own)])
    head = ["share of the true front's hypervolume", *(f"{_where(found, name)}, after {last[name]}" for name in names)]
    return table(head, lines) + "\n" + _source(found)


def losses(results: Results) -> str:
    """Every pool and budget at which another way to spend the measurements was ahead of the product's loop."""
    found = results.of("front_quality", COMMAND)
    lines, cells = [], 0
    for name in _pools(found, "spend"):
        rows = [row for row in rows_of(found, "spend", pool=name) if "spender" in row]
        for n in sorted({row["n"] for row in rows}):
            at = {s: middle([r for r in rows if r["spender"] == s and r["n"] == n], "hv") for s in TITLES}
            ours = at.pop("product")
            rivals = {s: value for s, value in at.items() if value is not None}
            if ours is None or not rivals:
                continue
            cells += 1
            best = max(rivals, key=lambda s: rivals[s])
            if rivals[best] > ours:
                lines.append(
                    [f"{_where(found, name)}, after {n}", TITLES[best], number(rivals[best], 3), number(ours, 3)]
                )
    if not cells:
        raise Absent(COMMAND)
    text = f"In {len(lines)} of {cells} combinations of pool and budget another way was ahead of our loop"
    runs = told(found, TITLES)
    if not lines:
        return f"{text} by the median over seeds. {runs}\n\n{_source(found)}"
    head = ["pool and budget", "the best other way", "its share of the hypervolume", "ours"]
    return f"{text} by the median over seeds:\n\n{table(head, lines)}\n{runs}\n\n{_source(found)}"


def unseen(results: Results) -> str:
    """What choosing by the prediction costs on samples nobody saw."""
    found = results.of("front_quality", COMMAND)
    names = _pools(found, "honest")
    if not names:
        raise Absent(COMMAND)
    lines = []
    for rival in RIVALS.values():
        cells = [number(average(rows_of(found, "honest", pool=name, rival=rival.name), "regret")) for name in names]
        if rival.name in SHOWN and set(cells) != {"–"}:
            lines.append([rival.title, *cells])
    return (
        "Points of *test* accuracy lost by taking the best predicted merge for a preference instead of the best merge "
        "there is (12 measured merges, 200 validation samples a task, means over preferences and re-dealt samples):\n\n"
        + table(["predicted by", *(_where(found, name) for name in names)], lines)
        + "\n"
        + _source(found)
    )


def promises(results: Results) -> str:
    """How many promises were kept."""
    found = results.of("front_quality", COMMAND)
    verdicts = found["verdicts"]
    lines = []
    for name in found["pools"]:
        mine = [row for row in verdicts if row["pool"] == name and row["kept"] is not None]
        kept = sum(bool(row["kept"]) for row in mine)
        lines.append([f"{_where(found, name)}, {found['pools'][name]['role']}", str(kept), str(len(mine) - kept)])
    return table(["pool", "kept", "missed"], lines) + "\n" + _source(found)


def kernels(results: Results) -> str:
    """Other kernels for the logit surrogate and other ways to learn them: RMSE per development pool and budget."""
    found = results.of("kernel_trials", KERNELS)
    raw = found["raw"]
    places = list(dict.fromkeys((row["pool"], row["n"]) for row in raw))
    lines = []
    for form, by in dict.fromkeys((row["form"], row["by"]) for row in raw):
        cells = []
        for name, n in places:
            rows = [row for row in raw if (row["form"], row["by"], row["pool"], row["n"]) == (form, by, name, n)]
            cells.append(f"{number(middle(rows, 'rmse'), 3)} ({number(middle(rows, 'coverage'))})")
        title = found["kernels"][form]
        lines.append([title if by == "likelihood" else LEARNED.get(by, f"the same, learned by {by}"), *cells])
    head = ["kernel", *(f"`{name}`, after {n}" for name, n in places)]
    return (
        "Error of the predicted accuracy over all points (root mean square, in points of accuracy), and in brackets "
        "how often the 90 % interval held; medians over seeds:\n\n"
        + table(head, lines)
        + "\n"
        + taken(found["made"], "kernel_trials")
    )


def speed(results: Results) -> str:
    """Refit, front and one point."""
    found = results.of("surrogate_speed", SPEED)
    lines = []
    for row in found["rows"]:
        m = row["medians"]
        lines.append(
            [
                f"{row['experts']} experts, {row['trials']} trials",
                seconds(m["named fit"]),
                seconds(m["front"]),
                seconds(m["chosen fit and front"]),
                seconds(m["one point"]),
            ]
        )
    head = ["study", "fit", "front", "fit all, choose one, front", "one point"]
    machine = found["machine"]
    return table(head, lines) + (
        f"\n<small>`benchmarks/results/surrogate_speed.json`: {machine['cores']} cores, load of the machine "
        f"{machine['load']:.1f}, {machine['date']}.</small>\n"
    )


def _source(found: dict[str, Any]) -> str:
    dates = sorted({one["date"] for one in found["made"].values()})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"<small>`benchmarks/results/front_quality.json`, every row raw; measured {when}.</small>\n"


def screening(results: Results) -> str:
    """What is known of the accuracy on all samples when the search saw few."""
    found = results.of("screening", "python -m benchmarks.screening")
    ways = ["every trial whole", "completed", "whole trials only", "few samples, moved", "few samples"]
    rows = []
    for pool in dict.fromkeys(row["pool"] for row in found["rows"]):
        d = str(POOLS[pool].d)
        for stage in ("anchors", "finalists"):
            mine = [row["rmse"] for row in found["rows"] if (row["pool"], row["whole"]) == (pool, stage)]
            shown = [
                f"{100 * statistics.median(one[way] for one in mine):.2f}" if way in mine[0] else "–" for way in ways
            ]
            whole = "the anchors" if stage == "anchors" else f"and {found['finalists'][d]} finalists"
            rows.append([f"{d} experts, {found['seen'][d]} samples; whole: {whole}", *shown])
    return (
        "Error (root mean square, points) of the predicted accuracy on all samples along the true front, medians over "
        f"{len({row['seed'] for row in found['rows']})} draws of the samples (–: fewer whole trials than a fit "
        "needs):\n\n" + table(["trials", *ways], rows) + "\n" + taken(found, "screening")
    )
