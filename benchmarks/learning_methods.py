"""What the page of the methods that learn compares: tasks, multiples of the published coefficients, methods by kind."""

from typing import Any

TASKS = ("digits", "signs", "flags")
SIX = (*TASKS, "letters", "surfaces", "faults")
SCALES = (1.0, 1.5, 2.0)
LEARNING = {"rate": 1e-2, "steps": 60, "look": 20}
GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "average": {"weighted_average": {}},
    "task arithmetic": {"task_arithmetic": {}},
    "TIES": {"ties": {}},
    "data-free": {"tsv_m": {}, "iso_c": {}, "wudi": {}},
    "samples, solved": {
        "fisher": {},
        "regmean": {},
        "regmean_pp": {},
        "lot": {},
        "featcal": {},
        "react": {},
        "pleas": {},
    },
    "samples, solved on a spectral merge": {
        "featcal+tsv_m": {"on": "tsv_m"},
        "react+tsv_m": {"on": "tsv_m"},
        "anchored+tuned": {"on": "tsv_m", "tune": True, "looks": 12},
    },
    "samples, trained": {
        "adamerging": dict(LEARNING),
        "adamerging+task": {**LEARNING, "by": "task"},
        "adamerging+ties": {**LEARNING, "on": "ties"},
        "concrete": {"steps": 40, "look": 20},
        "expert_merging": {"steps": 30, "look": 15},
        "expert_merging_pp": {"steps": 30, "look": 15},
    },
    "samples with labels, trained": {"atlas": {"steps": 60, "look": 20}, "fw_merging": {}},
}
