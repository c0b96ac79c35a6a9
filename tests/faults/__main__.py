"""`make faults`: every fault many times over, then the table.

`python -m tests.faults [--seed N] [--scale X] [NAME …]` runs some of them, more or less often.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.disks import disk_full, may_mount
from tests.faults.faults import ALL, table
from tests.faults.rig import Rig


def main() -> int:
    """Exit code 0 when nothing was lost, doubled or different."""
    words = argparse.ArgumentParser()
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--scale", type=float, default=1.0)
    words.add_argument("names", nargs="*")
    asked = words.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as place, Rig(Path(place)) as rig:
        for fault, times in ALL:
            if asked.names and fault.__name__ not in asked.names:
                continue
            why_not = may_mount() if fault is disk_full else None
            if why_not:
                sys.stdout.write(f"{fault.__name__}: not possible here: {why_not}\n")
                continue
            begun = time.monotonic()
            outcome = fault(rig, random.Random(f"{asked.seed} {fault.__name__}"), max(1, round(times * asked.scale)))
            outcomes.append(outcome)
            sys.stdout.write(f"{fault.__name__}: {outcome.times} in {time.monotonic() - begun:.0f} s\n")
            sys.stdout.writelines(f"  WRONG: {note}\n" for note in outcome.notes)
            sys.stdout.flush()
    sys.stdout.write(f"\nseed {asked.seed}\n{table(outcomes)}\n")
    return 0 if all(one.clean for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
