"""How cost grows, and a plan on paper from it: `scaling.json`, `front_quality.json`."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.results import Absent, Results, number, seconds, table, taken

COMMAND = "python -m benchmarks.scaling"
QUALITY = "python -m benchmarks.front_quality"
USABLE = 10.0  # seconds that a person waits for a merge, a fit or a front
FARTHEST = 10  # times the largest size measured: no further does an exponent reach
BYTES = 4
SAMPLES = 400  # of each task, as a study takes unless told
WORDS, PATCHES = 128, 50  # tokens of a text, and of a picture cut as ViT-B/32 cuts it
GPU = 100e12  # operations a second that are assumed of one GPU: nothing here measured one
# experts, parameters, machines, tokens a sample
PLANS = (
    (3, 88e6, 1, PATCHES),
    (8, 88e6, 1, PATCHES),
    (8, 7e9, 1, WORDS),
    (20, 7e9, 8, WORDS),
    (20, 70e9, 100, WORDS),
)


def _sweep(found: dict[str, Any], name: str) -> dict[str, Any]:
    for one in found["sweeps"]:
        if one["name"] == name:
            return dict(one)
    raise Absent(COMMAND)


def exponents(results: Results) -> str:
    """The fitted exponent of every sweep, and where a person would wait too long."""
    found = results.of("scaling", COMMAND)
    rows = []
    for one in found["sweeps"]:
        first, last = one["points"][0], one["points"][-1]
        size = last["size"] * (USABLE / last["seconds"]) ** (1.0 / max(one["exponent"], 0.1))
        far = FARTHEST * last["size"]
        limit = f"about {rounded(size)} {one['over']}" if size < far else f"more than {rounded(far)}"
        rows.append(
            [
                one["what"],
                f"{rounded(first['size'])} to {rounded(last['size'])} {one['over']}",
                f"{seconds(first['seconds'])} to {seconds(last['seconds'])}",
                number(one["exponent"]),
                limit,
            ]
        )
    head = ["what", "from, to", "processor time of one thread", "exponent", f"takes {USABLE:.0f} s at"]
    return table(head, rows) + "\n" + taken(found, "scaling")


def rounded(size: float) -> str:
    """A size at two digits: 1.3 M, 7 B, 1,200, 120."""
    for unit, name in ((1e9, " B"), (1e6, " M")):
        if size >= unit:
            return f"{float(f'{size / unit:.2g}'):g}{name}"
    return f"{float(f'{size:.2g}'):,.0f}"


def rates(found: dict[str, Any]) -> tuple[float, float]:
    """Seconds per expert and parameter of a merge in memory; operations a second of a forward pass; one thread each.

    A forward pass takes two operations for each parameter and token.
    """
    merge = _sweep(found, "merge-parameters")["points"][-1]
    forward = _sweep(found, "forward-parameters")["points"][-1]
    pictures = int(_sweep(found, "forward-parameters")["what"].split()[-2])
    return merge["seconds"] / (4 * merge["size"]), 2 * forward["size"] * PATCHES * pictures / forward["seconds"]


def planned(results: Results) -> str:
    """Studies on paper: memory, merge, forward passes and trials."""
    found = results.of("scaling", COMMAND)
    merging, operations = rates(found)
    rows = []
    for experts, parameters, machines, tokens in PLANS:
        stored = (experts + 2) * parameters * BYTES / 1e9
        work = 2 * parameters * tokens * SAMPLES * experts
        trials = 16 if experts <= 3 else 5 * (experts + 1)
        each = -(-trials // machines)
        rows.append(
            [
                f"{experts} experts, {rounded(parameters)} parameters"
                + (f", {machines} machines" if machines > 1 else ""),
                f"{stored:,.0f} GB" if stored >= 10 else f"{stored:.1f} GB",
                _long(merging * experts * parameters),
                _long(work / operations),
                _long(work / GPU),
                f"{trials}; {each} a machine" if machines > 1 else str(trials),
                _long(each * (merging * experts * parameters + work / GPU)),
            ]
        )
    head = [
        "study",
        "directions and models, float32",
        "one merge, one core",
        "a trial's forward passes, one core",
        "the same, assumed GPU",
        "trials",
        "all trials, merged on a core, passed on a GPU",
    ]
    return (
        f"Arithmetic, not measurement. Memory: (T + 2) · P · 4 bytes. Merging: {1e9 * merging:.2f} ns per expert and "
        f"parameter, as measured. Forward passes: 2 operations per parameter and token, {PATCHES} tokens a picture and "
        f"{WORDS} a text, {SAMPLES} samples a task, one task an expert; {operations / 1e9:.0f} · 10⁹ operations a "
        f"second on one core, as measured, and {GPU / 1e12:.0f} · 10¹² on a GPU, as assumed. 16 trials up to three "
        "experts, 5 (T + 1) above.\n\n" + table(head, rows) + "\n" + taken(found, "scaling")
    )


def width(results: Results) -> str:
    """How much of a front so many of its points can show, by the number of its tasks."""
    found = results.of("front_quality", QUALITY)
    rows = sorted(
        (
            [
                str(len(pool["tasks"])),
                f"`{name}`",
                f"{pool['front']:,} of {pool['points']:,}",
                str(pool["picks"]),
                number(pool["best_subset"], 3),
            ]
            for name, pool in found["pools"].items()
        ),
        key=lambda row: (int(row[0]), row[1]),
    )
    head = [
        "tasks",
        "pool",
        "measured merges on the front",
        "points picked",
        "best share of the hypervolume they can hold",
    ]
    return table(head, rows) + "\n<small>`benchmarks/results/front_quality.json`.</small>\n"


def _long(value: float) -> str:
    return (
        seconds(value)
        if value < 7200
        else f"{value / 3600:,.0f} h"
        if value < 96 * 3600
        else f"{value / 86400:,.0f} days"
    )
