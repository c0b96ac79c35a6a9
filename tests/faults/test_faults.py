"""Every fault, once or a few times; `make faults` does each of them often and prints the table."""

import random
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.faults import faults
from tests.faults.rig import Outcome, Rig, Watch

FEW = (
    (faults.kills, 3), (faults.quota, 1), (faults.reads_fail, 2), (faults.raises, 1), (faults.memory, 1),
    (faults.hangs, 1), (faults.not_a_number, 1), (faults.second_worker, 1), (faults.older_version, 1),
    (faults.corrupt, 4),
)  # fmt: skip
Fault = Callable[[Rig, random.Random, int], Outcome]


@pytest.mark.parametrize(("fault", "times"), FEW, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_fault_loses_doubles_and_changes_nothing(rig: Rig, fault: Fault, times: int) -> None:
    outcome = fault(rig, random.Random(11), times)
    assert outcome.times >= times
    assert outcome.clean, f"{outcome}"


def test_a_full_disk_loses_doubles_and_changes_nothing(rig: Rig) -> None:
    why_not = faults.may_mount()
    if why_not:
        pytest.skip(f"no small disk can be mounted here: {why_not}")
    outcome = faults.disk_full(rig, random.Random(11), 1)
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
