"""Where the memory of features lies in a network's arena."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placement:
    """Bytes from the arena's begin to the columns and to the features' scratch memory."""

    columns: int
    scratch: int
