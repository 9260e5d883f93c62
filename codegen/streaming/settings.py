"""When a network that listens all the time decides, and when its decisions become a detection."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codegen.errors import UserError

ONE = 1 << 15
"""A probability of one: probabilities are in Q15."""
MOST = 65_535
"""What the 16 bits hold that the C code has for counts of rows and decisions."""
MOST_CLASSES = 32_767
"""What the C code's signed numbers of classes hold."""
MOST_SMOOTHING = 64
HOPS_A_WINDOW = 4
"""Decisions in the time of one window, unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Decisions while rows of input (columns of a spectrogram, samples of a series) come in.

    The network runs each ``hop`` rows on the last window of them. Its outputs become probabilities (softmax); those are averaged
    over the last ``smoothing`` decisions, or as many as there are, as Chen, Parada and Heigold, *Small-footprint keyword spotting
    using deep neural networks* (ICASSP 2014, section 2.3) do it. The likeliest class is *detected* where it is none of the
    ``background`` ones (indices into ``classes``), its probability reaches ``threshold`` (Q15), and at least ``refractory``
    decisions have passed since the last detection, as in the streaming test of Warden, *Speech Commands* (arXiv 1804.03209, 2018).
    A class that stays likely is detected once.

    :raises UserError: naming the first value that makes no sense.
    """

    hop: int
    smoothing: int
    threshold: int
    refractory: int
    classes: tuple[str, ...]
    background: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, least, most in (
            ("hop", 1, MOST),
            ("smoothing", 1, MOST_SMOOTHING),
            ("threshold", 0, ONE),
            ("refractory", 0, MOST),
        ):
            if not least <= getattr(self, name) <= most:
                raise UserError(f"stream: {name} is {getattr(self, name)}; it must be {least} to {most}")
        if len(self.classes) > MOST_CLASSES:
            raise UserError(f"stream: {len(self.classes)} classes; {MOST_CLASSES} at most")
        if not self.classes or not all(0 <= index < len(self.classes) for index in self.background):
            raise UserError(f"stream: background {list(self.background)} of {len(self.classes)} classes makes no sense")

    def is_event(self) -> list[bool]:
        """Of each class, whether it can be detected."""
        return [index not in self.background for index in range(len(self.classes))]

    def to_json(self) -> dict[str, Any]:
        """What :func:`stream_settings_from_json` reads."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}


def stream_settings_from_json(value: Mapping[str, Any]) -> StreamSettings:
    """The settings that :meth:`StreamSettings.to_json` wrote.

    :raises UserError: if they are damaged.
    """
    try:
        return StreamSettings(
            **{name: int(value[name]) for name in ("hop", "smoothing", "threshold", "refractory")},
            classes=tuple(str(name) for name in value["classes"]),
            background=tuple(int(index) for index in value["background"]),
        )
    except (KeyError, TypeError, ValueError):
        raise UserError("stream: its settings are damaged; export the project again") from None


def default_settings(
    rows: int, classes: tuple[str, ...], background: tuple[int, ...] = (), *, least_hop: int = 1
) -> StreamSettings:
    """Four decisions in the time of a window of so many ``rows``, or one each ``least_hop``, but one a window; means over two, one
    detection a window at most, at a probability of one half."""
    hop = max(1, rows // HOPS_A_WINDOW, min(least_hop, rows))
    return StreamSettings(hop, 2, ONE // 2, -(-rows // hop), classes, background)
