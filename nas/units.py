"""Sizes, times and counts as people write them: ``256KB``, ``50ms``, ``2.7M``.

``KB`` and ``KiB`` both mean 1,024 bytes here, as they do on a microcontroller's data sheet. A limit is rounded down to what can
be counted, so that no network ever exceeds what was written.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.int4 import WeightBits

_SIZES = {"": 1, "B": 1, "KB": 1024, "KIB": 1024, "MB": 1024**2, "MIB": 1024**2, "GB": 1024**3, "GIB": 1024**3}
_TIMES = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "min": Fraction(60),
    "h": Fraction(3600),
}
_COUNTS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-zµ]*)", re.ASCII)


def _split(text: str) -> tuple[Fraction, str] | None:
    match = _NUMBER.fullmatch(text.strip())
    return None if match is None else (Fraction(match[1]), match[2])


def parse_size(text: str) -> int:
    """Bytes in ``text``: ``"10.8KB"`` is 11059.

    :raises ValueError: if it is no positive size; the message says what one looks like.
    """
    parts = _split(text)
    if parts is None or parts[1].upper() not in _SIZES:
        raise ValueError(f"{text!r} is not a size; write one like 256KB, 10.8KB, 1MB or 4096 (bytes)")
    size = parts[0] * _SIZES[parts[1].upper()]
    if size < 1:
        raise ValueError(f"{text!r} is less than one byte; give a positive size like 256KB")
    return int(size)


def parse_duration(text: str) -> float:
    """Seconds in ``text``: ``"50ms"`` is 0.05.

    :raises ValueError: if it is no positive time with a unit.
    """
    parts = _split(text)
    if parts is None or parts[1] not in _TIMES:
        raise ValueError(f"{text!r} is not a time; write one with its unit, like 50ms, 300us, 2s or 10m")
    if parts[0] <= 0:
        raise ValueError(f"{text!r} is no time at all; give a positive one like 50ms")
    return float(parts[0] * _TIMES[parts[1]])


def parse_count(text: str) -> int:
    """A whole number in ``text``, decimal suffixes allowed: ``"2.7M"`` is 2,700,000.

    :raises ValueError: if it is no positive number.
    """
    parts = _split(text)
    if parts is None or parts[1].upper() not in _COUNTS:
        raise ValueError(f"{text!r} is not a number; write one like 2700000 or 2.7M")
    count = parts[0] * _COUNTS[parts[1].upper()]
    if count < 1:
        raise ValueError(f"{text!r} is less than one; give a positive number like 2.7M")
    return int(count)


def parse_weight_bits(text: str) -> WeightBits:
    """Bits of weights.

    :raises ValueError: for other numbers than 8 and 4.
    """
    if text == "8":
        return 8
    if text == "4":
        return 4
    raise ValueError(f"{text}: give 8 or 4")


def format_size(size: float) -> str:
    """Bytes for people, in the unit that :func:`parse_size` reads: ``format_size(11059)`` is ``"10.8 KB"``."""
    if size < 1024:
        return f"{size:.0f} B"
    if size < 1024**2:
        return f"{size / 1024:.1f} KB"
    return f"{size / 1024**2:.2f} MB"


def format_duration(seconds: float) -> str:
    """Seconds for people: ``"0.94 ms"``, ``"12 s"``, ``"2 min 5 s"``."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def format_count(count: float) -> str:
    """A count for people: ``"2.70 M"``."""
    if count < 1000:
        return f"{count:.0f}"
    if count < 1e6:
        return f"{count / 1e3:.1f} k"
    return f"{count / 1e6:.2f} M"
