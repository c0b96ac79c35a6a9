"""Which tensors of a checkpoint belong to which layer, read from their names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from merging.errors import MergingError

INDEXED = re.compile(r"^(?P<stack>(?:[^.]+\.)*?)(?P<number>\d+)\.(?P<rest>.+)$")
BEFORE = ("emb", "wte", "wpe")  # in the names of what stands before the layers …
NOT_BEFORE = ("embed_out", "unembed")  # … and of output heads that would be taken for it


@dataclass(frozen=True)
class Place:
    """Where a tensor stands: its stack of layers ("" when in none), the layer, and the rest of its name."""

    stack: str
    layer: int
    rest: str

    def name(self, layer: int) -> str:
        """Return the name of the same tensor in another layer."""
        return f"{self.stack}{layer}.{self.rest}" if self.stack else self.rest


@dataclass(frozen=True)
class Layers:
    """The stacks of a checkpoint: number of layers by prefix ("model.layers."), and each tensor's place."""

    counts: Mapping[str, int]
    places: Mapping[str, Place]

    def depth(self, name: str) -> float:
        """Return how deep a tensor stands, 0 (first layer, or in none) to 1; the one of a single layer is 1."""
        place = self.places[name]
        if not place.stack:
            return 0.0
        count = self.counts[place.stack]
        return place.layer / (count - 1) if count > 1 else 1.0

    def only(self, whose: str, wanted: int | None) -> str:
        """Return the one stack that slices cut.

        Raises:
            MergingError: there is none, or several and not exactly one with `wanted` layers.
        """
        stacks = [stack for stack, count in self.counts.items() if wanted is None or count == wanted]
        if len(stacks) == 1:
            return stacks[0]
        found = ", ".join(f"{stack}* ({count})" for stack, count in self.counts.items()) or "none"
        raise MergingError(
            f"mergekit: slices need one stack of layers; '{whose}' has {found}.",
            "Use `models`, with filters where the towers should differ.",
        )


def read_layers(names: Iterable[str]) -> Layers:
    """Find the stacks: prefixes whose next part counts 0, 1, … without a gap."""
    found: dict[str, set[int]] = {}
    places: dict[str, Place] = {}
    for name in names:
        match = INDEXED.match(name)
        places[name] = Place("", 0, name)
        if match and match["stack"]:
            places[name] = Place(match["stack"], int(match["number"]), match["rest"])
            found.setdefault(match["stack"], set()).add(int(match["number"]))
    counts = {stack: len(layers) for stack, layers in sorted(found.items()) if layers == set(range(len(layers)))}
    for name, place in places.items():
        if place.stack not in counts:
            places[name] = Place("", 0, name)
    return Layers(counts, places)


def stands_before(name: str) -> bool:
    """Tell embeddings, which stand before the layers, from norms and heads, which stand after them."""
    return any(mark in name for mark in BEFORE) and not any(mark in name for mark in NOT_BEFORE)
