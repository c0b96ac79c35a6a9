"""The three parts of the benchmark, each a list of raw rows (plain dicts) for one pool.

predict: every surrogate fitted to the same measured rows, at several budgets. spend: every way to spend a budget, all
measurements counted. honest: samples dealt anew, shown values against those of samples nobody saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import samplers
from benchmarks.quality.bed import Bed, Rows, bed, pooled_bed, split_bed
from benchmarks.quality.budgets import NOT_PREFIXED, SPENDERS, designed
from benchmarks.quality.pools import Pool
from benchmarks.quality.rivals import RIVALS, LeastSquares, Rival, believed_rows, least_trials, predicted_rows
from benchmarks.quality.scores import Truth, errors, slider_regret, truth
from evaluation.metric import metric
from surrogate import Fitted, FittedLogits, Prediction, even_subset

Row = dict[str, Any]
Say = Callable[[str], None]
PICKS = {2: 25, 3: 50, 4: 50, 6: 100}
MAPPED = 500  # predicted points on the app's map at the most: what a person sees of the front
HONEST_BUDGET = {2: 12, 3: 12}
FEW, USUAL = 200, 400  # samples a task to see
HONEST = ("logits", "logits-hard", "map-published", "quadratic", "quadratic-soft", "gp")


@dataclass(frozen=True)
class Plan:
    """What is run for one pool: budgets of predict (fixed design), of the product's loop and of spend; seeds of each;
    splits of honest; rivals and spenders left out; Optuna's samplers take part where its Python is given."""

    budgets: tuple[int, ...]
    loop: tuple[int, ...]
    spend: tuple[int, ...]
    seeds: int
    slow_seeds: int
    splits: int
    without: tuple[str, ...] = ()
    optuna: Path | None = None  # the Python of the environment that holds it


FULL = {
    2: Plan((8, 10, 12, 15, 20, 30), (10, 12, 15, 20, 30), (10, 15, 20, 30), 5, 2, 20),
    3: Plan((10, 12, 16, 20, 30), (12, 16, 20, 30), (16, 30), 5, 1, 20),
    4: Plan((15, 25, 30, 50), (16, 30, 50), (30, 50), 5, 1, 0, ("qlognehvi",)),
    6: Plan((28, 50, 80), (30, 50, 80), (50, 80), 5, 1, 0, ("qlognehvi",)),
}
QUICK = {
    2: Plan((10, 15), (15,), (15,), 2, 1, 4, ("gp",)),
    3: Plan((16,), (16,), (16,), 2, 0, 0, ("gp", "qlognehvi")),
}
SLOW = ("gp", "qlognehvi")


def facts(pool: Pool) -> Row:
    """What is to be known beside every hypervolume of a pool: front size, ideal, nadir, reference, sampling error."""
    one = bed(pool)
    known, soft = truth(one.hard), truth(one.soft)
    count = PICKS[one.d]
    return {
        "tasks": list(pool.spec.tasks),
        "role": pool.spec.role,
        "kind": f"{pool.spec.side}^{one.d} grid" if pool.spec.side else "cloud refined about its own front",
        "points": len(pool.X),
        "samples": {"validation": len(one.targets[0]), "test": pool.spec.test},
        "front": len(known.front),
        "soft_front": len(soft.front),
        "ideal": known.front.max(axis=0).tolist(),
        "nadir": known.front.min(axis=0).tolist(),
        "reference": known.reference.tolist(),
        "stderr": one.stderr.tolist(),
        "picks": count,
        "best_subset": known.best_subset(count),
        "best_soft_subset": soft.best_subset(count),
        "exact_soft_hv": known.share(even_subset(one.soft, count, "hypervolume")),
        "seconds": pool.seconds,
    }


def predict(pool: Pool, plan: Plan, say: Say) -> list[Row]:
    """Error, coverage and the picked front of every surrogate."""
    one = bed(pool)
    known, soft = truth(one.hard), truth(one.soft)
    rows: list[Row] = []
    for seed in range(plan.seeds):
        for n in plan.budgets:
            measured, read = designed(one, n, seed), {}
            for rival in RIVALS.values():
                late = rival.name in SLOW and seed >= plan.slow_seeds
                if n >= least_trials(rival, one.d) and rival.name not in plan.without and not late:
                    rows.append({**_predicted(one, known, soft, rival, measured, seed, read), "points": "design"})
        say(f"{pool.spec.name}: predict, seed {seed}")
    return rows + (pooled(pool, plan) if pool.spec.test else [])


def pooled(pool: Pool, plan: Plan) -> list[Row]:
    """The logit surrogate at 5 (N + 1) measurements with the samples of both splits."""
    return _read_from(pooled_bed(pool), plan)


def whole(pool: Pool, plan: Plan, say: Say) -> list[Row]:
    """What depends on the number of samples, from a pool of every held-out picture: the same, and `honest` with as many
    samples to see as the program takes unless told."""
    return [*_read_from(bed(pool), plan), *_dealt(pool, plan, USUAL, say)]


def _read_from(one: Bed, plan: Plan) -> list[Row]:
    known, soft = truth(one.hard), truth(one.soft)
    rows: list[Row] = []
    for seed in range(plan.seeds):
        measured = designed(one, 5 * (one.d + 1), seed)
        row = _predicted(one, known, soft, RIVALS["logits-hard"], measured, seed, {})
        rows.append({**row, "points": "all samples", "samples": len(one.targets[0])})
    return rows


def _predicted(
    one: Bed, known: Truth, soft: Truth, rival: Rival, measured: Rows, seed: int, read: dict[str, Prediction]
) -> Row:
    """One raw row. read: what the logit surrogate predicts from these trials; the same whatever is searched."""
    count = PICKS[one.d]
    begun = time.perf_counter()
    model = rival.fit(one, measured, seed)
    fitted = time.perf_counter()
    prediction = read[model.name] if model.name in read else model.predict(one.X)
    if model.name == "logits":
        read["logits"] = prediction
    begun += time.perf_counter() - fitted
    picked = predicted_rows(model, one, count, rival.search, seed, prediction.mean)
    done = time.perf_counter()
    gd, igd = known.distances(picked)
    trust = {} if isinstance(model, LeastSquares) else _trust(model, one, measured, prediction)
    return {
        "rival": rival.name,
        "model": model.name,
        **trust,
        "n": len(measured),
        "seed": seed,
        **errors(one, measured, prediction),
        "hv": known.share(picked),
        "soft_hv": soft.share(picked),
        "gd": gd,
        "igd": igd,
        "picked": len(picked),
        "seconds": done - begun,
    }


def _trust(model: Fitted, one: Bed, measured: Rows, prediction: Prediction) -> Row:
    """Leave-one-out R2 per task, and the intervals inside and outside the region that the surrogate trusts."""
    held = np.ones(len(one.X), dtype=bool)
    held[measured] = False
    trusted = model.trusted(one.X)
    inside = (one.hard >= prediction.low - 1e-9) & (one.hard <= prediction.high + 1e-9)
    width = 100.0 * (prediction.high - prediction.low)
    row: Row = {"loo_r2": model.loo().r2.tolist(), "trusted": float(trusted[held].mean())}
    for label, rows in (("trusted", held & trusted), ("outside", held & ~trusted)):
        if rows.any():
            row |= {f"coverage_{label}": float(inside[rows].mean()), f"width_{label}": float(width[rows].mean())}
    return row


def spend(pool: Pool, plan: Plan, say: Say) -> list[Row]:
    """Hypervolume of everything that each way of spending the budget has measured; for the product's loop also what it
    predicts by then."""
    one = bed(pool)
    known, soft = truth(one.hard), truth(one.soft)
    rows: list[Row] = []
    ways = {**SPENDERS, **(samplers.spenders(plan.optuna) if plan.optuna else {})}
    for seed in range(plan.seeds):
        for name, (_, spender) in ways.items():
            if name in plan.without or (name in SLOW and seed >= plan.slow_seeds):
                continue
            begun = time.perf_counter()
            looped = plan.loop if name == "product" else ()
            longest = spender(one, max(plan.spend + looped), seed)
            seconds = time.perf_counter() - begun
            for n in looped:
                read: dict[str, Prediction] = {}
                for rival in ("chosen", "logits-hard"):
                    row = _predicted(one, known, soft, RIVALS[rival], longest[:n], seed, read)
                    rows.append({**row, "points": "loop"})
            for n in plan.spend:
                order = spender(one, n, seed) if name in NOT_PREFIXED and n < len(longest) else longest
                gd, igd = known.distances(order[:n])
                row = {"spender": name, "n": n, "seed": seed, "hv": known.share(order[:n])}
                rows.append({**row, "soft_hv": soft.share(order[:n]), "gd": gd, "igd": igd, "seconds": seconds})
        say(f"{pool.spec.name}: spend, seed {seed}")
    return rows


def honest(pool: Pool, plan: Plan, say: Say) -> list[Row]:
    """Regret, optimism and test hypervolume over new deals of the samples."""
    return _dealt(pool, plan, FEW, say)


def _dealt(pool: Pool, plan: Plan, samples: int, say: Say) -> list[Row]:
    rows: list[Row] = []
    for split in range(plan.splits):
        one = split_bed(pool, split, samples)
        measured = designed(one, HONEST_BUDGET[one.d], split)
        for name in HONEST:
            if name in plan.without or (name in SLOW and split >= 5):
                continue
            rows.append({**_judged(one, RIVALS[name], measured, split), "split": split, "samples": samples})
        rows += [{**_exact(one, search), "split": split, "samples": samples} for search in ("hard", "soft")]
        if split % 5 == 4:
            say(f"{pool.spec.name}: honest, split {split}")
    return rows


def _judged(one: Bed, rival: Rival, measured: Rows, seed: int) -> Row:
    model = rival.fit(one, measured, seed)
    prediction = model.predict(one.X)
    picked, mapped = (
        predicted_rows(model, one, count, rival.search, seed, prediction.mean) for count in (PICKS[one.d], MAPPED)
    )
    believed = believed_rows(model, one)
    soft = rival.search == "soft" and not isinstance(model, LeastSquares)
    wanted = model.objective(one.X) if soft else prediction.mean
    row = _test_scores(one, wanted, picked, mapped, believed)
    row["shown"] = 100.0 * float(np.mean(prediction.mean[picked] - one.test[picked]))
    row["shown_soft"] = 100.0 * float(np.mean(wanted[picked] - one.test[picked]))
    if isinstance(model, FittedLogits):
        half = model.read(one.X[picked], (metric("soft_accuracy_half").function,) * len(one.tasks)).mean
        row["shown_half"] = 100.0 * float(np.mean(half - one.test[picked]))
    return {"rival": rival.name, "n": len(measured), **row}


def _exact(one: Bed, search: str) -> Row:
    """What searching the exact validation values of the whole pool would give: no surrogate can be blamed for it."""
    wanted = one.hard if search == "hard" else one.soft
    picked, mapped = (even_subset(wanted, count, "hypervolume") for count in (PICKS[one.d], MAPPED))
    row = _test_scores(one, wanted, picked, mapped, np.arange(len(one.X)))
    row["shown"] = 100.0 * float(np.mean(one.hard[picked] - one.test[picked]))
    return {"rival": f"exact-{search}", "n": len(one.X), **row}


def _test_scores(one: Bed, wanted: Any, picked: Rows, mapped: Rows, candidates: Rows) -> Row:
    """picked: the K points; mapped: the whole predicted front as the map shows it, beside as many points at random."""
    test = one.test
    hard, easy = truth(test), truth(test, easy=True)
    blind = np.random.default_rng(0).choice(len(one.X), len(mapped), replace=False)
    return {
        "regret": slider_regret(wanted, test, candidates),
        "test_hv": hard.share(picked),
        "test_hv_easy": easy.share(picked),
        "test_front": len(hard.front),
        "picked": len(picked),
        "mapped_hv": hard.share(mapped),
        "mapped_hv_easy": easy.share(mapped),
        "mapped": len(mapped),
        "blind_hv": hard.share(blind),
        "blind_hv_easy": easy.share(blind),
    }


SECTIONS: dict[str, Callable[[Pool, Plan, Say], Sequence[Row]]] = {
    "predict": predict,
    "spend": spend,
    "honest": honest,
    "whole": whole,
}
