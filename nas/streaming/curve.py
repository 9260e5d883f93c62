"""False accepts against false rejects of a stream, over thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.streaming import ONE
from nas.streaming.scene import Event

if TYPE_CHECKING:
    from codegen.streaming import Stream

BETA = 0.5
STEPS = 50
THRESHOLDS = (*(step * ONE // STEPS for step in range(STEPS)), ONE - ONE // 100, ONE - ONE // 200, ONE - ONE // 1000)
"""In Q15, rising."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a ``threshold`` (Q15) leads to: ``hits`` of so many ``events``, and detections that are none, in so many ``hours`` (0
    where the rate is not known)."""

    threshold: int
    hits: int
    events: int
    false_accepts: int
    hours: float

    @property
    def false_rejects(self) -> float:
        """Share of the events that were missed."""
        return 1 - self.hits / self.events if self.events else 0.0

    @property
    def score(self) -> float:
        """The F score in which precision counts for more than recall (:data:`BETA`): events are rarer in use than in a made-up
        stream, so that false accepts weigh more than they seem to."""
        weighted = (1 + BETA**2) * self.hits
        return weighted / max(weighted + BETA**2 * (self.events - self.hits) + self.false_accepts, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        return {
            "threshold": self.threshold,
            "real_threshold": round(self.threshold / ONE, 6),
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour": round(self.false_accepts / self.hours, 3) if self.hours else None,
            "false_rejects": round(self.false_rejects, 6),
        }


def tolerance(stream: Stream) -> int:
    """How many samples after the end of an event a detection still belongs to it: half a window, and what smoothing delays."""
    return stream.window_samples // 2 + (stream.settings.smoothing - 1) * stream.hop_samples


def point(stream: Stream, likely: NDArray[np.int64], at: NDArray[np.int64], events: Sequence[Event], samples: int) -> Point:
    """Count what the settings of ``stream`` lead to by the smoothed probabilities ``likely`` ``(n, classes)`` of decisions ``at``.

    A detection of an event's class from its start to :func:`tolerance` after its end is a hit, once; every other one is a false
    accept.
    """
    from codegen.streaming.reference import detections

    found = detections(stream.task.certain(likely, stream.settings.threshold), stream.settings.refractory)
    where, late = np.flatnonzero(found >= 0), tolerance(stream)
    hit: set[int] = set()
    false = 0
    starts = np.array([event.start for event in events], np.int64)
    ends = np.array([event.end + late for event in events], np.int64)
    for i in where.tolist():
        time, label = int(at[i]), int(found[i])
        near = range(int(np.searchsorted(ends, time)), int(np.searchsorted(starts, time)))
        own = next((e for e in near if events[e].label == label and e not in hit), None)
        if own is None:
            false += 1
        else:
            hit.add(own)
    hours = samples / stream.rate / 3600 if stream.rate else 0.0
    return Point(stream.settings.threshold, len(hit), len(events), false, hours)


def curve(
    stream: Stream,
    likely: NDArray[np.int64],
    at: NDArray[np.int64],
    events: Sequence[Event],
    samples: int,
    thresholds: Sequence[int] = THRESHOLDS,
) -> list[Point]:
    """:func:`point` for each of the ``thresholds``."""
    return [
        point(replace(stream, settings=replace(stream.settings, threshold=threshold)), likely, at, events, samples)
        for threshold in thresholds
    ]
