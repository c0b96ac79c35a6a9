"""Published methods that are not here as a class: said with another one, or left out, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Elsewhere:
    """A published method that has no class of its own, and why; `arxiv` is empty where there is none."""

    title: str
    arxiv: str
    why: str


SAID_OTHERWISE = (
    Elsewhere("BOOM", "2602.05787", "A recipe of training; its merge is `multislerp` with equal coefficients."),
    Elsewhere(
        "LoRA Soups CAT",
        "2410.13025",
        "With given weights it is Σ c_t B_t A_t: `task_arithmetic` on the adapters' deltas. Learning one weight per "
        "layer needs data.",
    ),
    Elsewhere(
        "Self Positioning",
        "2410.15035",
        "Searches the coefficients of the task vectors on a few samples: `task_arithmetic`, explored for one metric.",
    ),
    Elsewhere(
        "KnOTS with plain sums", "2410.19735", "Turning, adding and turning back is adding: `task_arithmetic` exactly."
    ),
    Elsewhere("RAM+", "2601.13572", "`ram` with reward 1.2; mergekit's `ramplus_tl` is its `variant: mergekit`."),
    Elsewhere(
        "RMM's bases",
        "2510.14163",
        "A space of several models that gives every expert back; `rmm` makes the one model of it that the coefficients "
        "say, and `models` its size.",
    ),
    Elsewhere(
        "CoDiEmb's fusion",
        "2508.11442",
        "`delta_weighted` is in its manner; how the authors normalise their weights is not published.",
    ),
)

LEFT_OUT = (
    Elsewhere(
        "Bayesian search of BMM (ReForge)",
        "2605.12843",
        "Searches the pull of every kind of layer on validation samples; `anchored` with `tune` goes through a grid. "
        "`anchored_dataless` is in the manner of its data-free variant: how that weighs its Gram matrices could not be "
        "established from what is public.",
    ),
    Elsewhere(
        "R-TSVM (RESM)",
        "2502.06876",
        "Its outlier weights and its rule for ranks could not be established; there is no public code.",
    ),
    Elsewhere(
        "TALL masks and EMR with masks",
        "2405.07813",
        "One masked model per task, not one checkpoint. Their common parts are `consensus` and `emr_unified`.",
    ),
    Elsewhere(
        "KnOTS-DARE-TIES", "2410.19735", "Not done: drop at random first (`dare_ties`), or turn first (`knots`)."
    ),
    Elsewhere(
        "PCB's evolutionary search",
        "2410.02396",
        "Searches the coefficients on data; `pcb` has them as coefficients, and a study searches them.",
    ),
    Elsewhere(
        "Localize-and-Stitch with learned masks", "2408.13656", "Trains its masks on data; the dataless form is here."
    ),
)
