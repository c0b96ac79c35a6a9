"""How cost grows, and a plan on paper from it: `scaling.json`, `trial_cost.json`, `merge_speed.json`."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.results import Results, number, seconds, table, taken

COMMAND = "python -m benchmarks.scaling"
USABLE = 10.0  # seconds that a person waits for a fit or a front
FARTHEST = 10  # times the largest size measured: no further does an exponent reach
BYTES = 4
PLANS = ((3, 88e6, 1), (8, 88e6, 1), (8, 7e9, 1), (20, 7e9, 8), (20, 70e9, 100))


def _sweep(found: dict[str, Any], name: str) -> dict[str, Any]:
    one: dict[str, Any] = next(each for each in found["sweeps"] if each["name"] == name)
    return one


def exponents(results: Results) -> str:
    """The fitted exponent of every sweep, and where a person would wait too long."""
    found = results.of("scaling", COMMAND)
    rows = []
    for one in found["sweeps"]:
        first, last = one["points"][0], one["points"][-1]
        limit = "–"
        if one["name"].startswith(("fit", "front")):
            size = last["size"] * (USABLE / last["seconds"]) ** (1.0 / max(one["exponent"], 0.1))
            far = FARTHEST * last["size"]
            limit = f"about {float(f'{size:.2g}'):,.0f} {one['over']}" if size < far else f"more than {far:,}"
        rows.append(
            [
                one["what"],
                f"{first['size']:,} to {last['size']:,} {one['over']}",
                f"{seconds(first['seconds'])} to {seconds(last['seconds'])}",
                number(one["exponent"]),
                limit,
            ]
        )
    head = ["what", "from, to", "processor time of one thread", "exponent", f"takes {USABLE:.0f} s at"]
    return table(head, rows) + "\n" + taken(found, "scaling")


def rates(found: dict[str, Any]) -> tuple[float, float]:
    """Seconds per expert and parameter of a merge in memory, and seconds per fit and front of a large study."""
    merge = _sweep(found, "merge-parameters")["points"][-1]
    rate = merge["seconds"] / (4 * merge["size"])
    fit = _sweep(found, "fit-tasks")["points"][-1]["seconds"] + _sweep(found, "front-tasks")["points"][-1]["seconds"]
    return rate, fit


def planned(results: Results) -> str:
    """Studies on paper: memory, merge and trials."""
    found = results.of("scaling", COMMAND)
    rate, _ = rates(found)
    rows = []
    for experts, parameters, machines in PLANS:
        stored = (experts + 2) * parameters * BYTES / 1e9
        merge = rate * experts * parameters
        trials = 16 if experts <= 3 else 5 * (experts + 1)
        rows.append(
            [
                f"{experts} experts, {_size(parameters)}",
                f"{stored:,.0f} GB" if stored >= 10 else f"{stored:.1f} GB",
                seconds(merge) if merge < 7200 else f"{merge / 3600:.1f} h",
                str(trials),
                f"{-(-trials // machines)} on each of {machines}" if machines > 1 else str(trials),
            ]
        )
    head = ["study", "base, directions, merged model in float32", "one merge, one core", "trials", "trials a machine"]
    return (
        "Arithmetic, not measurement: (T + 2) · P · 4 bytes; merging at "
        f"{1e9 * rate:.2f} ns per expert and parameter as measured; 16 trials up to three experts, 5 (T + 1) above.\n\n"
        + table(head, rows)
        + "\n"
        + taken(found, "scaling")
    )


def _size(parameters: float) -> str:
    return f"{parameters / 1e9:.0f} B parameters" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M parameters"
