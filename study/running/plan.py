"""Which coefficients to measure next: anchors, a design, then what the surrogate proposes; in the end the finalists.

The plan is a pure function of the study file, the seed and the plan's own finished trials, taken in order, so a study
that was stopped anywhere goes on exactly as if it had not been.
"""

from __future__ import annotations

import numpy as np

import surrogate
from study.folder.trial import Trial
from study.front import fit
from study.predicting.observe import observations, ties
from study.settings import MethodChoice
from study.study import Study, vector

BATCH = 2
PLANNED = ("anchor", "design", "proposal")


def design_size(d: int) -> int:
    """Trials before the surrogate takes over: 8, 10, 12 for 2, 3, 4 experts, three per expert above.

    With layer groups `grouped_size`.
    """
    return 2 * d + 4 if d <= 4 else 3 * d


def grouped_size(d: int, experts: int) -> int:
    """Trials before the surrogate takes over with layer groups: enough for the logit surrogate, and the experts'."""
    return d + 3 + design_size(experts) // 2


def first_points(study: Study, method: MethodChoice, seed: int, default: float | None) -> list[tuple[str, list[float]]]:
    """The anchors and the design as (origin, coefficients), always the same for one seed."""
    experts, d = len(study.experts), len(study.coefficients)
    low, high = (np.full(d, bound) for bound in study.bounds(method))
    anchors = surrogate.anchor_points(experts, low[:experts], high[:experts], default)
    tied = ties(study, method)
    if tied is None:
        size = max(design_size(d), len(anchors))
        points = surrogate.design(d, size, low, high, anchors, seed).X
    else:
        anchors = tied.everywhere(anchors)
        points = surrogate.tied_design(tied, grouped_size(d, experts), low, high, anchors, seed)
    rounded = [[float(round(value, 4)) for value in row] for row in points]
    return [("anchor" if i < len(anchors) else "design", row) for i, row in enumerate(rounded)]


def planned(study: Study, method: MethodChoice) -> list[Trial]:
    """The plan's own trials of a method, in the order in which they were planned.

    One that saw all samples fills the place of the same merge on part of them; never the other way round.
    """
    at: dict[tuple[float, ...], Trial] = {}
    for trial in study.store.trials():
        own = trial.method == method.name and trial.settings == method.settings and trial.origin in PLANNED
        if own and trial.fidelity in (None, study.fidelity):
            at.setdefault(tuple(vector(study, trial.coefficients)), trial)
    return list(at.values())


def extend(study: Study, method: MethodChoice, budget: int, seed: int, default: float | None, name: str | None) -> bool:
    """Propose the next trials, at most up to ``budget`` in all; False if there is nothing more to do.

    It ends before the budget when the surrogate expects less than 0.3 % more hypervolume and is exact to 0.3 points.
    Where the study screens, the anchors see all samples and everything else the first few.

    A trial that was asked for by hand already fills its place in the plan.
    """
    have = planned(study, method)
    if len(have) >= budget:
        return False
    first = first_points(study, method, seed, default)
    if len(have) < len(first):
        for origin, point in first[:budget]:
            _propose(study, method, point, origin)
        return len(planned(study, method)) > len(have)
    # A batch is always computed whole and from the same trials, wherever a budget or a kill has cut it.
    begun = len(have) - (len(have) - len(first)) % BATCH
    batch = proposals(study, method, have[:begun], seed, name)
    if batch.stop:
        return False
    for point in batch.X[len(have) - begun : budget - begun]:
        _propose(study, method, [float(round(value, 4)) for value in point], "proposal")
    return len(planned(study, method)) > len(have)


def _propose(study: Study, method: MethodChoice, point: list[float], origin: str) -> None:
    low, high = study.bounds(method)
    inside = [min(max(value, low), high) for value in point]
    fidelity = None if origin == "anchor" else study.fidelity
    if fidelity is None or inside not in [list(vector(study, one.coefficients)) for one in planned(study, method)]:
        study.propose(method, dict(zip(study.coefficients, inside, strict=True)), origin, fidelity)


def proposals(study: Study, method: MethodChoice, have: list[Trial], seed: int, name: str | None) -> surrogate.Proposal:
    """The surrogate's next batch: the most expected gain of the front under uncertainty, or that it may stop."""
    done = [trial for trial in have if trial.state == "done"]
    fitted = fit(observations(study, method, done, study.fidelity), name, seed)
    return surrogate.propose(fitted, BATCH, seed + len(have))


def propose_finalists(study: Study, method: MethodChoice, seed: int) -> bool:
    """Where the study screens: propose what the plan's trials found best, to be measured on all samples.

    They are the merges that no other one beats on the samples that all have seen, by what the search maximises, those
    that keep the most hypervolume first; then those that only these beat, and so on, as many as the study wants. False
    if all of them were measured or planned so.
    """
    chosen = study.settings.screening
    done = [trial for trial in planned(study, method) if trial.state == "done"]
    if chosen is None or study.fidelity is None or not done:
        return False
    Y = observations(study, method, done, study.fidelity).for_search().Y
    picked: list[int] = []
    rest = np.arange(len(done))
    while len(picked) < chosen.finalists and len(rest):
        layer = rest[surrogate.even_subset(Y[rest], chosen.finalists - len(picked), seed=seed)]
        picked += [int(row) for row in layer if done[row].fidelity is not None]
        rest = np.setdiff1d(rest, layer)
    known = {trial.id for trial in study.store.trials()}
    return bool({study.propose(method, done[row].coefficients, "finalist") for row in sorted(picked)} - known)
