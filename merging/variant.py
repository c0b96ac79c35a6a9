"""Where a paper (or its authors' code) and mergekit define a method differently, a setting says which is meant."""

from typing import Literal

Variant = Literal["paper", "mergekit"]
