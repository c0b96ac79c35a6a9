"""How long a person waits in the browser, alone and among others: the JSON of the benchmarks with a browser."""

from __future__ import annotations

from benchmarks.tables.results import Results, number, seconds, table, taken

FIRST = "python -m benchmarks.first_front"
SLIDER = "python -m benchmarks.explorer_latency"
BUSY = "python -m benchmarks.explorer_latency --busy"
PEERS = "python -m benchmarks.slider_peers"
QUICK = "python -m benchmarks.quick"
LIVE = "python -m benchmarks.live_run"
SOAK = "python -m benchmarks.explorer_soak"
LOAD = "python -m benchmarks.load"


def first_front(results: Results) -> str:
    """From the start of the app to the first front."""
    found = results.of("first_front", FIRST)
    at_once, reading = found["seconds"]["at_once"], found["seconds"]["after_reading"]
    names = {
        "server": "from the command to a server that answers",
        "start_page": "from the address to a start page that can be clicked",
        "app_to_start_page": "both: from the command to the start page",
        "worker": "from the click on the demo until its worker begins",
        "prepared": "… until its models and samples are ready",
        "first_mix": "… to the first mix measured",
        "button": "… to the way to the map",
        "front": "… to the first front",
    }
    rows = [[title, seconds(at_once[key]), seconds(reading[key])] for key, title in names.items() if key in at_once]
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


def busy(results: Results) -> str:
    """The same while a study is measured on the machine."""
    found = results.of("explorer_latency_busy", BUSY)
    rows = [
        ["key to redrawn frame, 95th percentile", f"{number(found['p95_ms'], 0)} ms"],
        ["redraws a second while dragging", number(found["drag_redraws_per_s"], 0)],
        ["choosing a mix to its whole panel, 95th percentile", f"{number(found['panel_p95_ms'], 0)} ms"],
    ]
    return table(["while a study is measured", ""], rows) + "\n" + taken(found, "explorer_latency_busy")


def beside(results: Results) -> str:
    """A moved minimum in ours, a plain Streamlit page and Optuna's dashboard."""
    found = results.of("slider_peers", PEERS)
    parts = ("number_p50_ms", "number_p95_ms", "plot_p50_ms", "plot_p95_ms")
    rows = [
        [found["titles"][way], *(seconds(took[part] / 1000) for part in parts), str(len(found["raw"][way]))]
        for way, took in found["ways"].items()
    ]
    rows += [[f"{way}: {why}", "–", "–", "–", "–", "–"] for way, why in found["absent"].items()]
    head = ["the act", "number, median", "95th percentile", "plot, median", "95th percentile", "steps"]
    slow = found["all_tasks"]
    text = ""
    if slow:
        how = "" if slow["answered"] else "more than "
        text = (
            f"Optuna's dashboard with all {found['tasks']} tasks: its server took {how}{seconds(slow['seconds'])} for "
            "one answer, so it is timed with two.\n\n"
        )
    return (
        "From the input to the frame with the new number of mixes left, and with their plot; "
        f"{found['points']:,} mixes, {found['tasks']} tasks, in turns:\n\n"
        + table(head, rows)
        + "\n"
        + text
        + taken(found, "slider_peers")
    )


def quick(results: Results) -> str:
    """How long every benchmark takes in its quick form."""
    found = results.of("quick", QUICK)
    rows = [[f"`{row['name']}`", seconds(row["seconds"]), row["end"]] for row in found["rows"]]
    rows.append(["all", seconds(found["seconds"]), f"made for {found['minutes_made_for']} min"])
    return table(["benchmark", "time", "end"], rows) + "\n" + taken(found, "quick")


def live(results: Results) -> str:
    """A run as a visitor lives it."""
    found = results.of("live_run", LIVE)
    progress, again, end = found["progress"], found["reload"], found["stop"]
    killed, download = found["killed"], found["download"]
    rows = [
        ["click on the demo to the end of its run", seconds(progress["start_to_end"])],
        ["a finished trial to its number on the page, at most", seconds(progress["late_most"])],
        ["the page loaded again shows the progress", seconds(again["reload"])],
        ["a second tab shows it", seconds(again["second_tab"])],
        ["“Stop” to its acknowledgement", seconds(end["acknowledged"])],
        ["trials finished after it", str(end["trials_after"])],
        ["server killed: trials before, after, lost", f"{killed['before']}, {killed['after']}, {killed['lost']}"],
        [f"download of {number(download['megabytes'], 0)} MB", f"{number(download['megabytes_per_second'], 0)} MB/s"],
        ["the server's memory grows meanwhile by", f"{number(download['growth_mb'], 1)} MB"],
    ]
    return table(["during a run", ""], rows) + "\n" + taken(found, "live_run")


def soak(results: Results) -> str:
    """Many interactions, many tabs, many visits."""
    found = results.of("explorer_soak", SOAK)
    before, after = found["before"], found["after"]
    rows = [
        ["a warm visit to the map, 95th percentile", seconds(found["warm_visit_p95_seconds"])],
        [f"the page's heap before and after {found['turns']} interactions",
         f"{number(before['heap_mb'], 1)} and {number(after['heap_mb'], 1)} MB"],
        [f"a step in one of {found['tabs']} tabs, 95th percentile", f"{number(found['tabs_step_p95_ms'], 0)} ms"],
        ["a choice in one of them until the server has answered", f"{number(found['tabs_answer_p95_ms'], 0)} ms"],
        [f"the server's memory before and after {found['visits']} visits",
         f"{number(found['visits_before_mb'], 0)} and {number(found['visits_after_mb'], 0)} MB"],
        ["requests to other hosts", str(found["requests_to_other_hosts"])],
    ]  # fmt: skip
    return table(["one server, many tabs", ""], rows) + "\n" + taken(found, "explorer_soak")


def load(results: Results) -> str:
    """Visitors at once while a study runs."""
    found = results.of("load", LOAD)
    rows = [
        ["visitors, minutes", f"{found['visitors']}, {number(found['seconds'] / 60, 0)}"],
        ["pages drawn, errors", f"{found['pages']}, {found['errors']}"],
        ["a page, median and 95th percentile", f"{seconds(found['p50'])} and {seconds(found['p95'])}"],
        ["the server's memory, start and most",
         f"{number(found['memory_mb']['start'], 0)} and {number(found['memory_mb']['most'], 0)} MB"],
        ["trials measured meanwhile", str(found["trials_measured_meanwhile"])],
    ]  # fmt: skip
    return table(["visitors at once", ""], rows) + "\n" + taken(found, "load")
