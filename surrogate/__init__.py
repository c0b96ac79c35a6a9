"""From a few measured coefficient vectors to predictions, fronts and the next ones to measure. Arrays only.

Importing it loads numpy and moocore; scipy's parts (`scipy.linalg` loads at its first use) come with the first fit,
BoTorch and torch with the Gaussian process.
"""

from surrogate.bands import Bands, bands
from surrogate.bayesian_map import propose_by_bins
from surrogate.catalogue import choose, surrogate, surrogates, usable
from surrogate.choice import Choice, Cloud, balanced, best_for, choosing_cloud, knee_of
from surrogate.design import Design, anchor_points, design
from surrogate.errors import SurrogateError
from surrogate.front import (
    even_subset,
    hypervolume,
    ideal_and_nadir,
    knee,
    non_dominated,
    normalised,
    reference_point,
)
from surrogate.link import Link, link_for
from surrogate.logits import FittedLogits
from surrogate.maximise import Maximum, maximise
from surrogate.nested import Nested, nested, pair_up
from surrogate.observations import Observations
from surrogate.pareto_set import ParetoSet, pareto_set
from surrogate.prediction import Fitted, LeaveOneOut, Prediction, Surrogate
from surrogate.propose import Proposal, propose
from surrogate.search import Front, predicted_cloud, predicted_front
from surrogate.tied import tied_design
from surrogate.ties import Ties
from surrogate.trust import Trust, judge

__all__ = [
    "Bands",
    "Choice",
    "Cloud",
    "Design",
    "Fitted",
    "FittedLogits",
    "Front",
    "LeaveOneOut",
    "Link",
    "Maximum",
    "Nested",
    "Observations",
    "ParetoSet",
    "Prediction",
    "Proposal",
    "Surrogate",
    "SurrogateError",
    "Ties",
    "Trust",
    "anchor_points",
    "balanced",
    "bands",
    "best_for",
    "choose",
    "choosing_cloud",
    "design",
    "even_subset",
    "hypervolume",
    "ideal_and_nadir",
    "judge",
    "knee",
    "knee_of",
    "link_for",
    "maximise",
    "nested",
    "non_dominated",
    "normalised",
    "pair_up",
    "pareto_set",
    "predicted_cloud",
    "predicted_front",
    "propose",
    "propose_by_bins",
    "reference_point",
    "surrogate",
    "surrogates",
    "tied_design",
    "usable",
]
