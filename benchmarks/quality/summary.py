"""From raw rows to medians over seeds and to verdicts on what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

Result = dict[str, Any]
MEASURE = {2: 15, 3: 16, 6: 80}
PRECISE = {2: 15, 3: 20}
BLENDED = "likelihood, and lengths for each sample"  # the product's way among those of benchmarks/kernel_trials.py


def rows_of(result: Result, section: str, **wanted: Any) -> list[dict[str, Any]]:
    """Raw rows of a section with these values."""
    rows: list[dict[str, Any]] = result["raw"].get(section, [])
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def middle(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    """Median over the rows that have a number there, None without any."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return median(values) if values else None


def average(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    """Mean over the rows that have a number there, None without any."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return fmean(values) if values else None


def duels(result: Result) -> dict[str, tuple[int, int]]:
    """Per other way to spend: in how many runs it was ahead of the product's loop with the same pool, budget and seed
    (share of hypervolume), and of how many."""
    rows = [row for row in rows_of(result, "spend") if "spender" in row]
    ours = {(row["pool"], row["n"], row["seed"]): row["hv"] for row in rows if row["spender"] == "product"}
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        at = row["pool"], row["n"], row["seed"]
        if row["spender"] != "product" and at in ours:
            ahead, runs = found.get(row["spender"], (0, 0))
            found[row["spender"]] = ahead + (row["hv"] > ours[at]), runs + 1
    return found


def told(result: Result, titles: dict[str, str]) -> str:
    """The duels as a sentence: who was ahead in how many runs, and who in none."""
    found = duels(result)
    won = [f"{titles[name]} in {ahead} of {runs}" for name, (ahead, runs) in found.items() if ahead]
    none = [titles[name] for name, (ahead, _) in found.items() if not ahead]
    text = f"Run by run (same pool, budget and seed), ahead of the product's loop: {'; '.join(won) or 'nobody'}."
    return text + (f" Never ahead: {'; '.join(none)}." if none else "")


def verdicts(result: Result) -> list[dict[str, Any]]:
    """One row per promise and pool: what, where, the number, what was promised, whether it is kept."""
    found: list[dict[str, Any]] = []
    for name, pool in result["pools"].items():
        d = len(pool["tasks"])
        found += [
            {"pool": name, "role": pool["role"], **row}
            for row in (
                *_few(result, name, pool, d),
                *_precise(result, name, d),
                *_honest(result, "honest", name),
                *_honest(result, "whole", name),
            )
            if row["value"] is not None
        ]
        if d == 6:
            found += [{"pool": name, "role": pool["role"], **row} for row in _trusted(result, name)]
    return found


def _few(result: Result, name: str, pool: dict[str, Any], d: int) -> list[dict[str, Any]]:
    if d not in MEASURE:
        return []
    n, count = MEASURE[d], pool["picks"]
    hard = rows_of(result, "predict", pool=name, rival="logits-hard", n=n, points="design")
    soft = rows_of(result, "predict", pool=name, rival="logits", n=n, points="design")
    looped = rows_of(result, "spend", pool=name, rival="logits-hard", n=n, points="loop")
    shown = rows_of(result, "spend", pool=name, rival="chosen", n=n, points="loop")
    best = 1.0 if d == 2 else pool["best_subset"]
    best_soft = 1.0 if d == 2 else pool["best_soft_subset"]
    of = "the true front's" if d == 2 else f"the best {count}-subset's"
    least = 0.95 if d == 6 else 0.99
    what = f"hypervolume of {count} picked points after {n} measurements, share of {of}"
    size = f"; front of {pool['front']} points, sampling error up to {100 * max(pool['stderr']):.1f} points"
    soft_size = f"; front of {pool['soft_front']} points"
    crossed = _row("few", f"{what}; product's loop, soft accuracy searched{size}", _share(shown, "hv", best), 0.0)
    exact = pool.get("exact_soft_hv")
    note = "" if exact is None else f"with every value known exactly: {exact / best:.3f}"
    return [
        _row("few", f"{what}; accuracy searched, fixed design{size}", _share(hard, "hv", best), least),
        _row("few", f"{what}; accuracy searched, product's loop{size}", _share(looped, "hv", best), least),
        {**crossed, "promised": "another goal", "kept": None, "note": note},
        _row(
            "few",
            f"{what}; in soft accuracy, which is searched; fixed design{soft_size}",
            _share(soft, "soft_hv", best_soft),
            least,
        ),
        _row(
            "few",
            f"{what}; in soft accuracy, which is searched; product's loop{soft_size}",
            _share(shown, "soft_hv", best_soft),
            least,
        ),
    ]


def _share(rows: Sequence[dict[str, Any]], key: str, best: float) -> float | None:
    value = middle(rows, key)
    return None if value is None else value / best


def _precise(result: Result, name: str, d: int) -> list[dict[str, Any]]:
    n = PRECISE.get(d, 50)
    samples = result["pools"][name]["samples"]["validation"]
    rows = rows_of(result, "predict", pool=name, rival="logits", n=n, points="design")
    looped = rows_of(result, "spend", pool=name, rival="chosen", n=n, points="loop")
    key, most = ("rmse", 0.3) if d <= 3 else ("rmse_front", 1.0)
    where = "" if d <= 3 else " on the true front"
    out = [
        _row(
            "precise",
            f"accuracy RMSE{where} after {n}, points; fixed design, {samples} samples a task",
            middle(rows, key),
            most,
            below=True,
        ),
        _row(
            "precise", f"accuracy RMSE{where} after {n}, points; product's loop", middle(looped, key), most, below=True
        ),
    ]
    for many in (rows_of(result, part, pool=name, points="all samples") for part in ("predict", "whole")):
        if not many:
            continue
        text = f"accuracy RMSE after {many[0]['n']}, points; fixed design, {many[0]['samples']} samples a task"
        out.append(_row("precise", text, middle(many, "rmse"), 0.3, below=True))
    for label, these in (("fixed design", rows), ("product's loop", looped)):
        part = "coverage" if d <= 3 else "coverage_front"
        value = middle(these, part)
        row = _row("precise", f"coverage of 90 % intervals{where} after {n}; {label}", value, 0.85)
        out.append({**row, "promised": "0.85 to 0.97", "kept": value is not None and 0.85 <= value <= 0.97})
    wide, near = middle(rows, "width_outside"), middle(rows, "width_trusted")
    out.append(
        _row(
            "precise",
            f"coverage outside the trust region after {n} (intervals there {_times(wide, near)} as wide)",
            middle(rows, "coverage_outside"),
            0.85,
        )
    )
    return out


def _times(wide: float | None, near: float | None) -> str:
    return "-" if wide is None or not near else f"{wide / near:.1f} times"


def _honest(result: Result, section: str, name: str) -> list[dict[str, Any]]:
    ours = [row for row in rows_of(result, section, pool=name, rival="logits") if "split" in row]
    if not ours:
        return []
    samples = ours[0].get("samples", 200)
    regret = average(ours, "regret")
    out = []
    for rival, title in (("map-published", "MAP's least squares"), ("quadratic", "the mended quadratic")):
        theirs = average(rows_of(result, section, pool=name, rival=rival), "regret")
        ratio = None if regret is None or not theirs else regret / theirs
        text = f"slider regret on test after {ours[0]['n']}, over that of {title} on accuracy; {samples} samples a task"
        least = average(rows_of(result, section, pool=name, rival="exact-soft"), "regret")
        note = f"with every validation value known exactly: {least / theirs:.3f}" if least and theirs else ""
        out.append({**_row("honest", text, ratio, 0.6, below=True), "note": note})
    for key, title in (("shown", "predicted accuracy"), ("shown_half", "soft accuracy at tau = 0.5")):
        off = average(ours, key)
        row = _row("honest", f"shown ({title}) minus test, points, mean; {samples} samples a task", off, 1.0)
        out.append({**row, "promised": "-1 to 1", "kept": off is not None and abs(off) <= 1.0})
    return out + _unseen(result, section, name, ours)


def _unseen(result: Result, section: str, name: str, ours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Test hypervolume: of the picked points, then of the whole predicted front as the map shows it."""
    samples = ours[0].get("samples", 200)
    pool = result["pools"][name]
    points = (pool["whole"] if section == "whole" else pool)["points"]
    exact = rows_of(result, section, pool=name, rival="exact-soft")
    size = f"share of the true test front's ({average(ours, 'test_front') or 0:.0f} points)"
    many, known = average(ours, "mapped"), average(exact, "mapped")
    of = {
        "test_hv": f"{average(ours, 'picked') or 0:.0f} picked points",
        "mapped_hv": f"the whole predicted front as the map shows it, {many or 0:.0f} of the pool's {points} points",
    }
    out = []
    for key, which in of.items():
        for end, reference in (("", "nadir"), ("_easy", "worst of the pool")):
            text = f"test hypervolume with {samples} validation samples, {size}; {which}; reference: {reference}"
            best, blind = average(exact, key + end), average(ours, "blind_hv" + end)
            note = "" if best is None else f"with every validation value known exactly: {best:.3f}"
            row = _row("honest", text, average(ours, key + end), 0.95)
            if key == "mapped_hv" and best is not None and blind is not None:
                note += f", {known or 0:.0f} points; as many points at random: {blind:.3f}"
                row |= {"promised": "another reading", "kept": None}
            out.append({**row, "note": note})
    return out


def _trusted(result: Result, name: str) -> list[dict[str, Any]]:
    """The MAP quadratic with all six tasks, or that something better is used."""
    out = []
    for n in sorted({row["n"] for row in rows_of(result, "predict", pool=name, rival="quadratic")}):
        rows = rows_of(result, "predict", pool=name, rival="quadratic", n=n, points="design")
        used = rows_of(result, "predict", pool=name, rival="chosen", n=n, points="design")
        worst = median(min(row["loo_r2"]) for row in rows) if rows else None
        better = {row["model"] for row in used}
        row = _row("trusted", f"MAP quadratic's leave-one-out R2 (worst of six tasks) after {n}", worst, 0.95)
        names = ", ".join(sorted(better)) or "-"
        out.append({**row, "kept": row["kept"] or "quadratic" not in better, "note": f"used instead: {names}"})
    return out


def _row(group: str, text: str, value: float | None, promised: float, below: bool = False) -> dict[str, Any]:
    kept = value is not None and (value <= promised if below else value >= promised)
    sign = "≤" if below else "≥"
    return {"group": group, "text": text, "value": value, "promised": f"{sign} {promised:g}", "kept": kept}
