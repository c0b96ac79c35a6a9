"""What is compared: a peer's method with its parameters, and ours with the settings that mean the same.

A case without `differs` must agree. `differs` says in a sentence why the two definitions are not the same. A case
marked `variant` runs with our setting `variant: mergekit`, where the method has one, and must then agree; when it
`differs` too, it runs a second time with the method as its paper has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Peer = Literal["mergekit", "fusion-bench", "peft"]
Settings = Mapping[str, float | int | str | bool]
WEIGHTS = (0.3, 0.5, 0.9)
EQUAL = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Case:
    """One comparison; `draws` names the order of random numbers that the peer is given: ours."""

    peer: Peer
    method: str
    ours: str
    coefficients: tuple[float, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    family: str = "plain"
    exact: bool = False
    draws: Literal["", "dare", "della"] = ""
    variant: bool = False
    differs: str = ""


def weights(values: tuple[float, ...] = WEIGHTS, **others: Any) -> dict[str, Any]:
    """Say weights and other parameters in mergekit's words."""
    return {"weight": list(values), **others}
