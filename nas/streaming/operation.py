"""At which threshold a stream operates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codegen.streaming import Stream

MOST_MACS = 4_000_000_000
"""Work of all decisions, in numpy, that is to be paid for a stream."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A ``stream`` with its threshold, how often it was wrong on ``validation`` data and what that was made of, as ``report.json``
    has it, and the ``thresholds`` of the curve, rising."""

    stream: Stream
    validation: Mapping[str, Any]
    thresholds: tuple[int, ...]
