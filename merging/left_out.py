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
        "CoDiEmb's fusion",
        "2508.11442",
        "`delta_weighted` is in its manner; how the authors normalise their weights is not published.",
    ),
)

LEFT_OUT = (
    Elsewhere(
        "Data-free BMM (ReForge)",
        "2605.12843",
        "How its Gram matrices are normalised could not be established from what is public, and its outer search needs "
        "data.",
    ),
    Elsewhere(
        "R-TSVM (RESM)",
        "2502.06876",
        "Its outlier weights and its rule for ranks could not be established; there is no public code.",
    ),
    Elsewhere(
        "DO-Merging",
        "2505.15875",
        "Works on the factors A and B of adapters, not on deltas; no code and no defaults are published.",
    ),
    Elsewhere(
        "RMM",
        "2510.14163",
        "Stores two or more models in a space that gives every expert back; it is not one checkpoint.",
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
