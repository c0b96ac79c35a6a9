"""Every fault, once or a few times; `make faults` does each of them often and prints the table."""

import random
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.faults import disks, workers
from tests.faults.rig import Outcome, Rig, Watch

FEW = (
    (workers.kills, 3), (disks.quota, 1), (disks.reads_fail, 2), (workers.raises, 1), (workers.memory, 1),
    (workers.hangs, 1), (workers.not_a_number, 1), (workers.second_worker, 1), (disks.older_version, 1),
    (disks.corrupt, 4),
)  # fmt: skip
Fault = Callable[[Rig, random.Random, int], Outcome]


@pytest.mark.parametrize(("fault", "times"), FEW, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_fault_loses_doubles_and_changes_nothing(rig: Rig, fault: Fault, times: int) -> None:
    outcome = fault(rig, random.Random(11), times)
    assert outcome.times >= times
    assert outcome.clean, f"{outcome}"


def test_a_full_disk_loses_doubles_and_changes_nothing(rig: Rig) -> None:
    why_not = disks.may_mount()
    if why_not:
        pytest.skip(f"no small disk can be mounted here: {why_not}")
    outcome = disks.disk_full(rig, random.Random(11), 1)
    assert outcome.clean, f"{outcome}"


@seed(5)
@settings(max_examples=4, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instants=st.lists(st.integers(1, 3000), min_size=1, max_size=3))
def test_the_store_is_always_the_beginning_of_the_undisturbed_one(rig: Rig, instants: list[int]) -> None:
    """Whatever instants it is killed at, one after the other: the plan and the done trials are a prefix."""
    folder = rig.fresh()
    outcome = Outcome("any")
    watch = Watch(rig, folder, outcome)
    for at in instants:
        rig.run(folder, fault={"kind": "kill", "at": at, "always": False})
        watch.look()
    shutil.rmtree(folder)
    assert outcome.clean, f"{outcome}"
