"""Which steps of the navigation have to wait, and for what."""

from __future__ import annotations

from study.study import Study
from ui import copy

STEPS = ("experts", "setup", "run", "explore", "export")  # the others are always open


def map_needs(study: Study) -> int:
    """How many mixes must be measured before there is a map."""
    return len(study.coefficients) + 2


def waiting(study: Study | None, models: bool, mix: bool) -> dict[str, str]:
    """{step: why it has nothing to show yet}; models: whether those of a new study are all chosen; mix: whether one is.

    A step that waits can be opened all the same: it says the same at length, and leads to the step before it.
    """
    if study is None:
        reasons = dict.fromkeys(("run", "explore", "export"), copy.WAIT_STUDY)
        return reasons if models else {"setup": copy.WAIT_MODELS, **reasons}
    done, need = len(study.done()), map_needs(study)
    if done >= need:
        return {}
    text = copy.WAIT_MAP.format(need=need, done=done)
    return {"explore": text} | ({} if mix else {"export": copy.WAIT_MIX.format(need=need, done=done)})
