"""docs/front_quality.md, written from the JSON alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.quality.pools import POOLS
from benchmarks.quality.rivals import RIVALS
from benchmarks.quality.samplers import TITLES
from benchmarks.quality.summary import Result, average, middle, rows_of, told, verdicts

EXACT = {"exact-hard": "*exact accuracies of every pool point*", "exact-soft": "*exact soft accuracies of every point*"}
INTRODUCTION = """# How good is the front after few measurements?

Written by `python -m benchmarks.front_quality --table` from `benchmarks/results/front_quality.json`, which holds every
raw row with seed, commit and machine. Do not edit this page.

**The bed.** Real merges of the built-in demo's open_clip experts by task arithmetic, coefficients in [0, 1]^N, each
measured once on all samples: a dense grid for N = 2 and 3, for N = 4 and 6 a cloud refined round by round about its own
front (the best front known, not the true one). **The protocol** is pool-based: a proposal snaps to the nearest pool
point that is not measured yet, and picked points are pool points, so no share of hypervolume exceeds 1 and a trial is
free. Every rival gets the same number of measurements; 5 seeds (GP and qLogNEHVI: 2 for two experts, 1 above), medians.
Hypervolumes are shares of the true front's, with BoTorch's reference: the front's nadir less a tenth of its range.
GD and IGD+ are in units of the front's range. Accuracies and errors are in points (1/100).

**Two goals.** The program searches soft accuracy, because that is what holds on samples nobody saw (last tables), and
shows accuracy. A front that is best in soft accuracy is not best in validation accuracy, even when every value is known
exactly. So the promise on hypervolume is read where accuracy itself is searched (and soft accuracy where that is); what
the default reaches in accuracy stands beside it as "another goal". Regret, shown minus test, and test hypervolume are
those of the default.

**Test hypervolume** is read twice, both times from values on samples that nobody saw. "Picked points": the K points
that stand for the predicted front, 25 for two experts and 50 for three; it asks how much of the front so few can hold.
"The whole predicted front as the map shows it": every pool point that no other beats in predicted soft accuracy, at
most the 500 that the app's map draws; it asks whether the front that a person sees holds on new samples. With three
experts that is half of the pool, and as many points taken at random hold most of the front, too: that number stands
beside it, and the promise is judged by the picked points alone.

**Kept aside.** Kernel, design, thinning and the intervals' widening were chosen on the pools marked *development* and
on small perceptrons of the test suite; pools marked *reporting* were only reported, but for one thing: that each sample
weighs the lengths of the kernel for itself was chosen on `four`, too, with designs of seeds that are not reported.
"Made" says which state of `surrogate/` each part was measured with: what an older state measured stands until it is run
again.

**How many samples.** Pools hold 200 or 300 validation samples a task; the program takes 400 unless told. For three
experts the error of the accuracy is read once more from all 896 held-out pictures a task, and what holds on samples
nobody saw from deals of 400, both on a coarser grid ("whole" under "Made").

**Beware.** Accuracies of 200-300 samples move in steps of a third to half a point. Outputs are stored as float16 and
dithered within its rounding. Every surrogate starts from the product's design, half of which are anchors;
NSGA-II, Optuna's samplers and Sobol from points of their own.
"""


def page(result: Result) -> str:
    """The whole page."""
    parts = [INTRODUCTION, _pools(result), _verdicts(result)]
    parts += [_predict(result, name) for name in result["pools"]]
    parts += [_spend(result), _honest(result), _made(result)]
    return "\n".join(part for part in parts if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _pools(result: Result) -> str:
    rows = []
    for name, pool in result["pools"].items():
        samples = f"{pool['samples']['validation']} / {pool['samples']['test'] or '-'}"
        ends = " · ".join(f"{100 * b:.0f}-{100 * a:.0f}" for a, b in zip(pool["ideal"], pool["nadir"], strict=True))
        best = f"{pool['best_subset']:.4f} / {pool['best_soft_subset']:.4f}"
        rows.append(
            [
                f"`{name}`",
                ", ".join(pool["tasks"]),
                pool["role"],
                f"{pool['points']} ({pool['kind']})",
                samples,
                f"{pool['front']} / {pool['soft_front']}",
                ends,
                f"{100 * max(pool['stderr']):.1f}",
                f"{pool['picks']}: {best}",
            ]
        )
    head = [
        "pool",
        "experts = tasks",
        "role",
        "points",
        "samples per task, validation / test",
        "front, accuracy / soft",
    ]
    head += ["front's range per task, %", "sampling error, up to", "best K points, accuracy / soft"]
    missing = [f"`{name}` ({', '.join(spec.tasks)})" for name, spec in POOLS.items() if name not in result["pools"]]
    gap = f"\n**Not measured**, so nothing is said about them: {'; '.join(missing)}.\n" if missing else ""
    return "## Pools\n\n" + _table(head, rows) + gap


def _verdicts(result: Result) -> str:
    rows = [
        [
            f"`{row['pool']}`",
            row["role"],
            row["text"] + (f" ({row['note']})" if row.get("note") else ""),
            _number(row["value"], 3),
            row["promised"],
            {True: "kept", False: "**missed**", None: "-"}[row["kept"]],
        ]
        for row in sorted(verdicts(result), key=lambda row: "few precise honest trusted".split().index(row["group"]))
    ]
    return "## What was promised\n\n" + _table(["pool", "role", "what", "measured", "promised", ""], rows)


def _predict(result: Result, name: str) -> str:
    mine = rows_of(result, "predict", pool=name) + rows_of(result, "spend", pool=name, points="loop")
    if not mine:
        return ""
    pool = result["pools"][name]
    front = f"front of {pool['front']} points, sampling error up to {100 * max(pool['stderr']):.1f} points"
    text = [f"## `{name}`: {', '.join(pool['tasks'])} ({pool['role']})\n"]
    text.append(f"Medians over seeds; {front}; K = {pool['picks']}.\n")
    for points, title in (("design", "Same fixed design for all"), ("loop", "Measured by the product's loop")):
        rows = [row for row in mine if row["points"] == points]
        budgets = sorted({row["n"] for row in rows})
        if not budgets:
            continue
        for key, what, digits in (
            ("rmse", "Accuracy RMSE over the pool", 2),
            ("rmse_front", "Accuracy RMSE on the true front", 2),
            ("hv", "Hypervolume of the K picked points", 4),
            ("soft_hv", "The same in soft accuracy", 4),
        ):
            text.append(_by_budget(f"{title}: {what}", rows, budgets, key, digits))
        text.append(_at_last(f"{title}: everything after", rows, budgets))
    return "\n".join(text)


def _by_budget(title: str, rows: Sequence[dict[str, Any]], budgets: Sequence[int], key: str, digits: int) -> str:
    lines = []
    for rival in RIVALS.values():
        own = [row for row in rows if row["rival"] == rival.name]
        if own:
            cells = [_number(middle([row for row in own if row["n"] == n], key), digits) for n in budgets]
            lines.append([rival.title, *cells])
    return _table([title, *(f"{n}" for n in budgets)], lines)


def _at_last(title: str, rows: Sequence[dict[str, Any]], budgets: Sequence[int]) -> str:
    n = budgets[len(budgets) // 2]
    columns: list[tuple[str, str, int]] = [
        ("GD", "gd", 3),
        ("IGD+", "igd", 3),
        ("coverage of 90 %", "coverage", 2),
        ("width", "width", 2),
        ("on the front", "coverage_front", 2),
        ("points picked", "picked", 0),
        ("fit + front, s", "seconds", 2),
    ]
    lines = []
    for rival in RIVALS.values():
        own = [row for row in rows if row["rival"] == rival.name and row["n"] == n]
        if own:
            seeds = str(len({row["seed"] for row in own}))
            lines.append([rival.title, *(_number(middle(own, key), digits) for _, key, digits in columns), seeds])
    return _table([f"{title} {n}", *(head for head, _, _ in columns), "seeds"], lines)


def _spend(result: Result) -> str:
    parts = []
    for name, pool in result["pools"].items():
        rows = [row for row in rows_of(result, "spend", pool=name) if "spender" in row]
        budgets = sorted({row["n"] for row in rows})
        lines = []
        for spender, title in TITLES.items():
            own = [row for row in rows if row["spender"] == spender]
            if own:
                cell = _cells(own, budgets)
                lines.append([title, *cell, str(len({row["seed"] for row in own}))])
        if lines:
            error = f"sampling error up to {100 * max(pool['stderr']):.1f} points"
            head = [
                f"`{name}`, front of {pool['front']}, {error}",
                *(f"{n}" for n in budgets),
                f"GD / IGD+ at {budgets[-1]}",
            ]
            parts.append(_table([*head, "seconds", "seeds"], lines))
    intro = "Hypervolume of everything measured, the same number of measurements each. Seconds are the rival's own.\n"
    said = told(result, TITLES) + "\n"
    return "\n".join(["## All measurements counted\n", intro, said, *parts]) if parts else ""


def _cells(own: Sequence[dict[str, Any]], budgets: Sequence[int]) -> list[str]:
    at: Callable[[int], list[dict[str, Any]]] = lambda n: [row for row in own if row["n"] == n]  # noqa: E731
    last = at(budgets[-1])
    ends = f"{_number(middle(last, 'gd'), 3)} / {_number(middle(last, 'igd'), 3)}"
    return [*(_number(middle(at(n), "hv"), 4) for n in budgets), ends, _number(middle(last, "seconds"), 1)]


def _honest(result: Result) -> str:
    parts = []
    columns: list[tuple[str, str, int]] = [
        ("slider regret", "regret", 2),
        ("shown accuracy - test", "shown", 2),
        ("tau = 0.5 - test", "shown_half", 2),
        ("test HV (nadir)", "test_hv", 3),
        ("test HV (worst)", "test_hv_easy", 3),
        ("points picked", "picked", 0),
        ("test front", "test_front", 0),
        ("map: test HV (nadir)", "mapped_hv", 3),
        ("map: test HV (worst)", "mapped_hv_easy", 3),
        ("points on the map", "mapped", 0),
        ("as many at random (nadir)", "blind_hv", 3),
    ]
    for name, section in [(name, section) for name in result["pools"] for section in ("honest", "whole")]:
        rows = [row for row in rows_of(result, section, pool=name) if "split" in row]
        lines = []
        for rival, title in [*((r.name, r.title) for r in RIVALS.values()), *EXACT.items()]:
            own = [row for row in rows if row["rival"] == rival]
            if own:
                cells = [_number(average(own, key), digits) for _, key, digits in columns]
                lines.append([title, *cells, str(len(own))])
        if lines:
            title = f"`{name}`, {rows[0]['n']} measurements, {rows[0].get('samples', 200)} samples"
            parts.append(_table([title, *(head for head, _, _ in columns), "deals"], lines))
    intro = (
        "All samples of a pool are thrown together and dealt anew for every row: so many a task to see, all the\n"
        "others to judge by; design and seed change with the deal. Means. Slider regret: test accuracy lost by taking\n"
        "the best predicted point for a preference instead of the best pool point, points, mean over preferences.\n"
    )
    return "\n".join(["## On samples nobody saw\n", intro, *parts]) if parts else ""


def _made(result: Result) -> str:
    rows = [
        [
            f"`{key}`",
            one["date"],
            one["commit"][:12],
            one["surrogate"],
            f"{one['cores']} × {one['processor']}",
            one["torch"],
        ]
        for key, one in result.get("made", {}).items()
    ]
    return "## Made\n\n" + _table(["part", "date", "commit", "surrogate/", "machine", "torch"], rows)
