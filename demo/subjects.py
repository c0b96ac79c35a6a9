"""The six tasks of the demo, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable

from demo.drawing import digits, faults, flags, letters, signs, surfaces
from demo.drawing.material import Material, Subject

TASKS: dict[str, tuple[Subject, Callable[[int], Material]]] = {
    module.SUBJECT.name: (module.SUBJECT, module.material)
    for module in (digits, letters, signs, surfaces, faults, flags)
}
SUBJECTS: tuple[Subject, ...] = tuple(subject for subject, _ in TASKS.values())
