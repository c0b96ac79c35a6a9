"""Heads that are a task's own: never merged, kept with their expert."""

from collections.abc import Mapping
from contextlib import ExitStack

from torch import Tensor

from merging.architecture.names import KEPT, is_head
from merging.files.blocks import Rows
from merging.files.tensors import Tensors


class Headless(Tensors):
    """An expert under the base's names: its encoder's tensors, and the base's own where it has none.

    `aside` names the expert's head tensors, which are left out; `kept` the base's tensors that it lacks.
    """

    def __init__(self, base: Tensors, expert: Tensors, names: Mapping[str, str], stack: ExitStack) -> None:
        keys = base.keys()
        self._base, self._expert, self._names = base, expert, names
        super().__init__(
            expert.path,
            {key: base.shape(key) for key in keys},
            {key: expert.dtype(names[key]) if key in names else base.dtype(key) for key in keys},
            lambda key, rows: expert.get(names[key], rows) if key in names else base.get(key, rows),
            expert.metadata,
            stack,
        )
        self.aside = tuple(sorted(set(expert.keys()) - set(names.values())))
        self.kept = tuple(key for key in keys if key not in names)

    def differs(self, key: str) -> bool:
        """Tell whether the expert has a tensor of its own."""
        return key in self._names

    def change_into(self, out: Tensor, key: str, base: Tensor, rows: Rows = ...) -> None:
        """Write expert − base of one tensor into `out`; exactly zero where the expert has none of its own."""
        if self.differs(key):
            super().change_into(out, key, base, rows)
        else:
            out.zero_()


def encoder_names(base: Tensors, expert: Tensors) -> dict[str, str] | None:
    """Base name -> expert name where the expert is the base's encoder with another head, or under a prefix.

    None when nothing needs translating, or the expert is something else. Names may differ by one prefix ("bert.",
    "roberta.", "model."). What is left over must be heads, integers or, in the base, parts that the expert's kind of
    model does not have (a pooler; a pair's text tower beside an expert that is its image tower).
    """
    have, want = set(expert.keys()), base.keys()
    if have == set(want) and all(expert.shape(key) == base.shape(key) for key in want):
        return None
    for prefix in _prefixes(base, expert):
        names = {key: prefix + key for key in want if prefix + key in have}
        names = {key: own for key, own in names.items() if expert.shape(own) == base.shape(key)}
        lacking = [key for key in want if key not in names]
        extra = [key for key in have - set(names.values()) if expert.dtype(key).is_floating_point]
        fits = all(is_head(key) or key.startswith(KEPT) or not _floating(base, key) for key in lacking)
        if (
            any(_floating(base, key) for key in names)
            and fits
            and all(is_head(key.removeprefix(prefix)) for key in extra)
        ):
            return names
    return None


def _floating(tensors: Tensors, key: str) -> bool:
    return tensors.dtype(key).is_floating_point


def _prefixes(base: Tensors, expert: Tensors) -> list[str]:
    """No prefix, and those that put some encoder tensor of the base under an expert's name."""
    probes = [key for key in base.keys() if not is_head(key) and _floating(base, key)][:1]
    found = {key.removesuffix(probe) for probe in probes for key in expert.keys() if key.endswith("." + probe)}
    return ["", *sorted(found, key=len)]
