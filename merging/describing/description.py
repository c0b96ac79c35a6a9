"""Everything known about a method as plain data: for `--list`, screens and documents."""

from dataclasses import asdict
from typing import Any

from merging.method import CLASSES, Method
from merging.setting import settings_of

SHOWN = (1, 2, 4, 8)


def describe(kind: type[Method]) -> dict[str, Any]:
    """Return name, class, settings with ranges, data needs, paper, bounds, and defaults for some T.

    `default` gives the published coefficient for 1, 2, 4 and 8 experts, where the method takes that many;
    `experts` is [fewest, most or null].
    """
    low, high = kind.experts
    return {
        "name": kind.name,
        "title": kind.title,
        "summary": kind.summary,
        "class": kind.linearity,
        "class_note": CLASSES[kind.linearity],
        "exact_form": kind.exact_form,
        "symmetric": kind.symmetric,
        "needs_data": list(kind.needs_data),
        "experts": [low, high],
        "bounds": list(kind.bounds),
        "limits": list(kind.limits),
        "default": {str(count): kind().default(count) for count in SHOWN if low <= count <= (high or count)},
        "settings": [
            {**asdict(setting), "choices": list(setting.choices), "allowed": setting.allowed}
            for setting in settings_of(kind)
        ],
        "paper": asdict(kind.paper),
    }
