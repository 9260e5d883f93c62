"""When a network that listens all the time decides, and when its decisions become a detection."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codegen.errors import UserError
from codegen.streaming.task import Task

MOST = 65_535
"""What the 16 bits hold that the C code has for counts of rows and decisions."""
MOST_SMOOTHING = 64
HOPS_A_WINDOW = 4
"""Decisions in the time of one window, unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Decisions while rows of input (columns of a spectrogram, samples of a series) come in.

    The network runs each ``hop`` rows on the last window of them. What its output says is averaged over the last ``smoothing``
    decisions, or as many as there are. What is there for certain by these means and ``threshold`` (see
    :class:`~codegen.streaming.task.Task`) is *detected*, if at least ``refractory`` decisions have passed since the last detection,
    as in the streaming test of Warden, *Speech Commands* (arXiv 1804.03209, 2018). What stays certain is detected once.

    :raises UserError: naming the first value that makes no sense.
    """

    hop: int
    smoothing: int
    threshold: int
    refractory: int

    def __post_init__(self) -> None:
        for name, least, most in (("hop", 1, MOST), ("smoothing", 1, MOST_SMOOTHING), ("refractory", 0, MOST)):
            check_range(name, getattr(self, name), least, most)

    def to_json(self) -> dict[str, Any]:
        """What :func:`stream_settings_from_json` reads."""
        return dataclasses.asdict(self)


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Check a setting.

    :raises UserError: naming it if it lies outside.
    """
    if not least <= value <= most:
        raise UserError(f"stream: {name} is {value}; it must be {least} to {most}")


def stream_settings_from_json(value: Mapping[str, Any]) -> StreamSettings:
    """The settings that :meth:`StreamSettings.to_json` wrote.

    :raises UserError: if they are damaged.
    """
    try:
        return StreamSettings(**{name: int(value[name]) for name in ("hop", "smoothing", "threshold", "refractory")})
    except (KeyError, TypeError, ValueError):
        raise UserError("stream: its settings are damaged; export the project again") from None


def default_settings(rows: int, task: Task, *, least_hop: int = 1) -> StreamSettings:
    """Four decisions in the time of a window of so many ``rows``, or one each ``least_hop``, but one a window; one detection a
    window at most; smoothing and threshold that are usual for ``task``."""
    hop = max(1, rows // HOPS_A_WINDOW, min(least_hop, rows))
    window = -(-rows // hop)
    return StreamSettings(hop, task.usual_smoothing(window), task.usual_threshold, window)
