"""How long a person waits in the browser: `first_front.json`, `explorer_latency.json`."""

from __future__ import annotations

from benchmarks.tables.results import Results, number, seconds, table, taken

FIRST = "python -m benchmarks.first_front"
SLIDER = "python -m benchmarks.explorer_latency"


def first_front(results: Results) -> str:
    """From the start of the app to the first front."""
    found = results.of("first_front", FIRST)
    at_once, reading = found["seconds"]["at_once"], found["seconds"]["after_reading"]
    names = {
        "server": "server answers",
        "start_page": "start page can be clicked",
        "front": "from the click on the demo to its first front",
    }
    rows = [[title, seconds(at_once[key]), seconds(reading[key])] for key, title in names.items()]
    return (
        table(["what", "clicked at once", "after reading for eight seconds"], rows) + "\n" + taken(found, "first_front")
    )


def slider(results: Results) -> str:
    """From key to redrawn screen."""
    found = results.of("explorer_latency", SLIDER)
    rows = [
        ["key to redrawn frame, median", f"{number(found['p50_ms'], 0)} ms"],
        ["key to redrawn frame, 95th percentile", f"{number(found['p95_ms'], 0)} ms"],
        ["the page's own work per step", f"{number(found['main_thread_ms_per_step'], 0)} ms"],
    ]
    more = {
        "drag_redraws_per_s": ("redraws a second while dragging", ""),
        "panel_p95_ms": ("choosing a mix to its whole panel, 95th percentile", " ms"),
        "server_own_p95_ms": ("the server's own work per release, 95th percentile", " ms"),
    }
    rows += [[title, f"{number(found[key], 0)}{unit}"] for key, (title, unit) in more.items() if key in found]
    if "points" in found and "tasks" in found:
        rows.insert(0, ["mixes and tasks on the map", f"{found['points']} and {found['tasks']}"])
    if "raw" in found:
        rows.insert(0, ["steps measured", str(len(found["raw"]))])
    return table(["moving a slider", ""], rows) + "\n" + taken(found, "explorer_latency")
