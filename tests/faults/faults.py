"""Every fault, how often the long form tries it, and what came out of all as one table."""

from __future__ import annotations

from tests.faults.disks import corrupt, disk_full, older_version, quota, reads_fail
from tests.faults.rig import Outcome
from tests.faults.workers import (
    hangs,
    kills,
    memory,
    not_a_number,
    raises,
    second_worker,
    server_stopped,
)

ALL = (
    (kills, 200), (disk_full, 10), (quota, 10), (reads_fail, 12), (raises, 10), (memory, 6), (hangs, 6),
    (not_a_number, 6), (server_stopped, 3), (second_worker, 4), (older_version, 10), (corrupt, 40),
)  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as text."""
    lines = [f"{'fault':46} {'times':>6} {'lost trials':>12} {'doubled trials':>15} {'differing bytes':>16}"]
    lines += [f"{one.fault:46} {one.times:6} {one.lost:12} {one.doubled:15} {one.bytes:16}" for one in outcomes]
    return "\n".join(lines)
