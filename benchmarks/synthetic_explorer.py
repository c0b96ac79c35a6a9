"""The explorer alone on made-up data: 5,000 predicted mixes, 8 tasks, 60 checked ones, 400 samples a task.

    streamlit run benchmarks/synthetic_explorer.py -- [points] [tasks]

Only for measuring (benchmarks/explorer_latency.py): it shows what the browser has to carry, nothing that was measured.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from study.choosing.flips import degree, exponents
from ui import copy
from ui.component import explorer
from ui.packing import signed, whole
from ui.payload import explorer_payload

Json = dict[str, Any]
SAMPLES, CLASSES, LIVE = 400, 10, 3


def front(points: int, tasks: int, rng: np.random.Generator) -> Json:
    """A front whose tasks pull apart: each is best where its own strength is high and the others' are low."""
    names = [f"task {t + 1}" for t in range(tasks)]
    weights = 0.9 * np.eye(tasks) - 0.25 * (1 - np.eye(tasks)) * rng.uniform(0.2, 1, (tasks, tasks))

    def metrics(C: np.ndarray, spread: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(C @ weights * 3 - 0.3 * (C**2).sum(axis=1, keepdims=True)))) + rng.normal(
            0, spread, (len(C), tasks)
        )

    cloud = rng.dirichlet(np.full(tasks, 0.6), points) * rng.uniform(0.6, 2.2, (points, 1))
    checked = rng.uniform(0, 1, (60, tasks))

    def at(row: np.ndarray) -> Json:
        return dict(zip(names, (float(v) for v in row), strict=True))

    def cells(row: np.ndarray, measured: bool) -> Json:
        kind = (
            (lambda v: {"value": v, "stderr": 0.02, "n": SAMPLES})
            if measured
            else (lambda v: {"mean": v, "low": v - 0.01, "high": v + 0.01})
        )
        return {name: kind(float(np.clip(v, 0, 1))) for name, v in zip(names, row, strict=True)}

    fixed = [("base", np.zeros(tasks)), ("average", np.full(tasks, 1 / tasks))]
    fixed += [(f"expert:{name}", np.eye(tasks)[t]) for t, name in enumerate(names)]
    lines = [
        {"trial": f"line{k}", "method": "m", "coefficients": at(c), "metrics": cells(metrics(c[None], 0)[0], True)}
        for k, (_, c) in enumerate(fixed)
    ]
    trials = [
        {"trial": f"t{k}", "method": "m", "coefficients": at(c), "metrics": cells(m, True)}
        for k, (c, m) in enumerate(zip(checked, metrics(checked, 0.01), strict=True))
    ]
    facts = {"direction": "max", "range": [0, 1]}
    return {
        "experts": names,
        "tasks": [
            {"name": n, "title": n.title(), "metric": "accuracy", "unit": "fraction", **facts} for n in names
        ],
        "measured": lines + trials,
        "predicted": [
            {"method": "m", "coefficients": at(c), "metrics": cells(m, False)}
            for c, m in zip(cloud, metrics(cloud, 0.004), strict=True)
        ],
        "baselines": {label: {**line, "test": {}} for (label, _), line in zip(fixed, lines, strict=True)},
    }  # fmt: skip


def samples(tasks: int, checked: list[str], labels: list[str], rng: np.random.Generator) -> Json:
    """Half of the samples flip, three live classes each."""
    g = degree(tasks)
    k = SAMPLES // 2
    packed = []
    for t in range(tasks):
        weights, steps = signed(rng.normal(0, 1, (len(exponents(tasks, g)), k * LIVE)))
        said = {name: whole(rng.integers(0, LIVE, k)) for name in [*checked, *labels]}
        packed.append(
            {
                "task": t, "classes": [f"class {c}" for c in range(CLASSES)], "k": k,
                "targets": whole(rng.integers(0, LIVE, k)), "sample": whole(np.repeat(np.arange(k), LIVE)),
                "label": whole(np.tile(np.arange(LIVE), k)), "weights": weights, "steps": steps, "said": said,
                "steady": [[c, c, k // CLASSES] for c in range(CLASSES)], "agreement": 1.0, "complete": True,
                "shown": 24, "texts": [f"Sample {i}" for i in range(24)], "sheet": None, "side": 72,
            }
        )  # fmt: skip
    return {"degree": g, "tasks": packed}


@st.cache_data
def message(points: int, tasks: int) -> tuple[Json, Json]:
    """What the page sends first, and second."""
    rng = np.random.default_rng(0)
    made = front(points, tasks, rng)
    payload = explorer_payload(made, (0.0, 1.0), {}, "m", copy.EXPLORER)
    more = samples(tasks, [row["trial"] for row in made["measured"]], list(made["baselines"]), rng)
    return {**payload, "rev": f"{points}x{tasks}", "study": "synthetic"}, more


@st.fragment
def shown(points: int, tasks: int) -> None:
    """As ui/pages/explore.py does it: the mixes, then the samples, then neither again."""
    begun, processor = time.perf_counter(), time.thread_time()
    payload, more = message(points, tasks)
    has = str(st.session_state.get("has", ""))
    data = dict(payload) if has.rstrip("+") != payload["rev"] else {"rev": payload["rev"]}
    if has and not has.endswith("+"):
        data["samples"] = more
    result = explorer({**data, "start": {}, "busy": False, "exact": None}, key="map", on_choice=lambda: None)
    times = st.session_state.setdefault("times", [])
    times.append((time.perf_counter() - begun, time.thread_time() - processor))
    if result.choice and result.choice.get("have") != has:
        st.session_state["has"] = result.choice["have"]
        if not result.choice["have"].endswith("+"):
            st.rerun(scope="fragment")
    wall, own = (sorted(part)[int(0.95 * (len(times) - 1))] for part in zip(*times[-200:], strict=True))
    marks = f'data-wall="{1000 * wall:.2f}" data-own="{1000 * own:.2f}" data-runs="{len(times)}"'
    st.html(f'<span id="server" {marks}></span>')


if __name__ == "__main__":
    st.set_page_config(layout="wide")
    counts = [int(word) for word in sys.argv[1:3]] or [5000, 8]
    shown(*counts)
