"""Merging against the machine and against peers: `merge_speed.json`, `against_peers.json`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.tables.results import Results, number, seconds, table, taken

SPEED = "python -m benchmarks.merge_speed"
OTHERS = "python -m benchmarks.merge_others"
VALUES = "python -m benchmarks.against_peers"


def memory(results: Results) -> str:
    """A merge in memory against copying and reading."""
    whole = results.of("merge_speed", f"{SPEED} memory")
    found = results.of("merge_speed", f"{SPEED} memory", "memory")
    rows = [
        [f"merge of {found['experts']} experts", seconds(found["seconds"]["merge"])],
        ["reading the experts once", seconds(found["seconds"]["read"])],
        ["copying one model", seconds(found["seconds"]["copy"])],
    ]
    return (
        f"{found['experts']} experts of {found['parameters']:,} float32 parameters, in memory, in turns:\n\n"
        + table(["what", "time"], rows)
        + f"\nThe merge moves its bytes at {100 * found['share_of_copy_bandwidth']:.0f} % of the machine's copy "
        f"bandwidth ({found['copy_bandwidth_GB_s']:.1f} GB/s) and takes {found['merge_over_reading']:.2f} times as "
        "long as reading the experts. It reads the base and writes the result too: at the bandwidth of reading it "
        f"would take {(found['experts'] + 2) / found['experts']:.2f} times as long.\n\n" + taken(whole, "merge_speed")
    )


def cuda(results: Results) -> str:
    """A merge in the memory of a GPU."""
    command = f"{SPEED} memory --device cuda --out benchmarks/results/merge_speed_cuda.json"
    whole = results.of("merge_speed_cuda", command)
    found = results.of("merge_speed_cuda", command, "memory")
    return (
        f"On one {whole['gpu']}: {found['experts']} experts of {found['parameters']:,} parameters in "
        f"{1000 * found['seconds']['merge']:.1f} ms, at {100 * found['share_of_copy_bandwidth']:.0f} % of its copy "
        f"bandwidth ({found['copy_bandwidth_GB_s']:,.0f} GB/s): there every expert is a pass of its own "
        "over the result.\n\n" + taken(whole, "merge_speed_cuda")
    )


def mergekit(results: Results) -> str:
    """Files to files against mergekit."""
    whole = results.of("merge_speed", f"{SPEED} mergekit")
    found = results.of("merge_speed", f"{SPEED} mergekit", "mergekit")
    rows = []
    for row in found["methods"]:
        ours, theirs, ratios = row["medians"]["ours"], row["medians"]["mergekit"], row["ratios"]
        rows.append(
            [
                f"`{row['method']}`",
                seconds(ours["wall"]),
                seconds(theirs["wall"]),
                number(ratios["wall"]),
                number(ratios["processor"]),
                f"{ours['resident'] / 1e9:.2f} GB",
                f"{theirs['resident'] / 1e9:.2f} GB",
                number(ratios["resident"]),
            ]
        )
    return (
        f"{found['experts']} experts of {found['parameters']:,} parameters, {found['dtype']}; whole processes, files "
        "to files, in turns; a ratio below 1 is in our favour:\n\n"
        + table(
            ["method", "ours", "mergekit", "ratio", "processor time, ratio", "peak memory", "mergekit's", "ratio"], rows
        )
        + f"\nMedians of {_runs(found['methods'])}."
        + _firsts(found["methods"])
        + _uppers([row for row in found["methods"] if "note" in row])
        + _before(found["methods"], whole["machine"]["commit"])
        + "\n\n"
        + taken(whole, "merge_speed")
    )


def _firsts(rows: list[dict[str, Any]]) -> str:
    """Say what ours took where it had never read the checkpoints."""
    told = [
        f"`{row['method']}` {seconds(row['first']['wall'])} "
        f"({number(row['first']['wall'] / row['medians']['mergekit']['wall'])} of mergekit's)"
        for row in rows
        if "first" in row
    ]
    words = " Ours remembers the fingerprints of checkpoints that nobody has touched; the first time it took: {}."
    return words.format(", ".join(told)) if told else ""


def _before(rows: list[dict[str, Any]], commit: str) -> str:
    """Which rows stand from an earlier commit."""
    old: dict[str, list[str]] = {}
    for row in rows:
        made = row.get("made", {}).get("commit", commit)
        if made != commit:
            old.setdefault(made[:7], []).append(f"`{row['method']}`")
    return "".join(f" Measured before, at commit {made}: {', '.join(names)}." for made, names in old.items())


def _runs(rows: list[dict[str, Any]]) -> str:
    """How often each method ran: "3 runs (`a`, `b`) and 1 run (`c`)"."""
    counts: dict[int, list[str]] = {}
    for row in rows:
        counts.setdefault(len(row["raw"]["ours"]), []).append(f"`{row['method']}`")
    return " and ".join(f"{n} run{'s' * (n > 1)} ({', '.join(names)})" for n, names in counts.items())


def _uppers(rows: list[dict[str, Any]]) -> str:
    """Say of which methods our peak memory was read too high."""
    names = ", ".join(f"`{row['method']}`" for row in rows)
    own = " Our peak memory is an upper bound for {}: that of the process that started it is in it."
    return own.format(names) if rows else ""


def others(results: Results) -> str:
    """Files to files beside FusionBench and PEFT."""
    found = results.of("merge_others", OTHERS)
    rows = []
    for row in found["rows"]:
        ours, theirs, ratios = row["medians"]["ours"], row["medians"]["theirs"], row["ratios"]
        rows.append(
            [
                f"`{row['what']}`",
                seconds(ours["wall"]),
                seconds(theirs["wall"]),
                number(ratios["wall"]),
                f"{ours['resident'] / 1e9:.2f} GB",
                f"{theirs['resident'] / 1e9:.2f} GB",
                number(ratios["resident"]),
                f"{row['difference']:.0e}",
            ]
        )
    head = ["case", "ours", "theirs", "ratio", "peak memory", "theirs", "ratio", "largest relative difference"]
    return (
        f"{found['experts']} experts of {found['parameters']:,} parameters, or adapters of rank {found['rank']}; "
        "whole processes, files to a float32 file, in turns; a ratio below 1 is in our favour:\n\n"
        + table(head, rows)
        + "\n"
        + taken(found, "merge_others")
    )


def sharded(results: Results) -> str:
    """Peak memory of a merge of sharded checkpoints."""
    whole = results.of("merge_speed", f"{SPEED} sharded")
    found = results.of("merge_speed", f"{SPEED} sharded", "sharded")
    rows = [
        [f"`{row['method']}`", seconds(row["wall"]), f"{row['resident'] / 1e9:.2f} GB", f"{row['own'] / 1e9:.2f} GB"]
        for row in found["methods"]
    ]
    return (
        f"{found['experts']} experts of {found['bytes_each'] / 1e9:.1f} GB each in {found['shards']} shards:\n\n"
        + table(["method", "time", "peak resident", "its own memory"], rows)
        + "\n"
        + taken(whole, "merge_speed")
    )


def values(results: Results) -> str:
    """How many merged values agree with each peer's."""
    found = results.of("against_peers", VALUES)
    names = ("agrees", "known", "missing", "peer refuses", "defect")
    rows = []
    for peer in dict.fromkeys(case["peer"] for case in found["cases"]):
        mine = [case for case in found["cases"] if case["peer"] == peer]
        count = Counter(case["verdict"] for case in mine)
        rows.append([f"{peer} {_version(found['peers'], peer)}", *(str(count[name]) for name in names), _worst(mine)])
    return (
        f"{len(found['cases'])} cases on random tiny models (seed {found['seed']}), the same inputs there and here. "
        f"*Agrees*: {found['measure']}; one of the two at most {found['agrees_below']:.0e}. {_rounded(found)}\n\n"
        + table(
            [
                "peer",
                "agrees",
                "differs for a known reason",
                "no counterpart here",
                "refused by the peer",
                "unexplained",
                "largest difference that agrees",
            ],
            rows,
        )
        + "\n"
        + taken(found, "against_peers")
    )


def reasons(results: Results) -> str:
    """The known differences, one line each."""
    found = results.of("against_peers", VALUES)
    rows = dict.fromkeys(
        (f"`{case['method']}` of {case['peer']}", case["why"]) for case in found["cases"] if case["verdict"] == "known"
    )
    return table(["method", "why the values differ"], [list(row) for row in rows]).replace("---:", "---")


def _version(versions: Any, peer: str) -> str:
    plain = peer.replace("-", "").replace("_", "").lower()
    for name, version in versions.items():
        if name.replace("-", "").replace("_", "").lower() == plain:
            return str(version)
    return ""


def _rounded(found: dict[str, Any]) -> str:
    """In how many cases the peer's own float32 is further away than what counts as agreeing."""
    away = [
        case for case in found["cases"] if case["verdict"] == "agrees" and case["difference"] > found["agrees_below"]
    ]
    if not away:
        return "Theirs in float32 always is."
    methods = ", ".join(dict.fromkeys(f"`{case['method']}`" for case in away))
    return (
        f"In {len(away)} cases ({methods}) their float32 is further away, by up to "
        f"{max(case['difference'] for case in away):.0e}: that is their rounding, since their float64 agrees with ours."
    )


def _worst(cases: list[dict[str, Any]]) -> str:
    agreed = [min(case["difference"], case["difference_from_float64"]) for case in cases if case["verdict"] == "agrees"]
    return f"{max(agreed):.0e}" if agreed else "–"
