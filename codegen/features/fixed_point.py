"""From raw numbers to int8 in integers of 32 bits: what a network's input becomes without floating-point arithmetic.

Of one channel, ``>>`` rounding down::

    fixed = floor(raw * 2**exponent)                                     (integers stay as they are)
    steps = clamp(fixed - centre, -limit, limit)
    stored = clamp((steps * multiplier + bias) >> shift, -128, 127)

A step of the int8 value has 256 units of ``fixed`` or more, where the channel's mean leaves room for them in 32 bits. So the
result is that of ``(raw - offset) * gain / scale + zero_point``, rounded to nearest, but within about 1/50 step of a tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FINE_SHIFT, COARSE_SHIFT = 22, 20
"""Fraction bits of a step of the int8 value: as many as 32 bits have room for, the
second where neighbouring integers are many steps apart."""
_FINE_STEPS = 16
"""Steps of a unit up to which there is room for the first."""
UNITS = 256
"""Least units of a step of the int8 value, from real numbers."""
_RANGE = 256
"""Steps beside the offset that are an end of the range, whatever the zero point."""
SATURATED = 2**30
"""Largest ``fixed``."""
_MOST_CENTRE = 2**29
_MOST_EXPONENT = 126

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The constants of each channel, int64 ``(C,)`` that fit 32 bits, and the shift of all."""

    exponent: Int64
    centre: Int64
    limit: Int64
    multiplier: Int64
    bias: Int64
    shift: int


def channels(offset: NDArray[np.float64], gain: NDArray[np.float64], scale: float, zero_point: int, *, real: bool) -> Channels:
    """The constants for ``(raw - offset) * gain``, quantised with ``scale`` and ``zero_point``; ``offset`` and ``gain`` ``(C,)``.

    :param real: whether raw numbers are float32 rather than integers of 16 bits or less.
    """
    slope = gain / scale
    exponent = np.zeros(len(offset), np.int64)
    if real:
        wanted = np.ceil(np.log2(UNITS * np.maximum(np.abs(slope), 2.0**-200)))
        room = np.floor(np.log2(_MOST_CENTRE / np.maximum(np.abs(offset), 2.0**-200)))
        exponent = np.clip(np.minimum(wanted, room), -_MOST_EXPONENT, _MOST_EXPONENT).astype(np.int64)
    steps = np.ldexp(slope, -exponent)
    shift = FINE_SHIFT if np.abs(steps).max() <= _FINE_STEPS else COARSE_SHIFT
    middle = np.ldexp(offset, exponent)
    centre = np.clip(np.floor(middle), -_MOST_CENTRE, _MOST_CENTRE)
    inside = np.clip(middle - centre, 0, 1) - (0.5 if real else 0.0)  # a unit stands for what lies between it and the next one
    limit = np.minimum(np.ceil(_RANGE / np.maximum(np.abs(steps), 2.0**-10)) + 1, 2**18)
    # Where one unit passes the whole range, only the two integers beside the offset can lie inside of it.
    below = np.sign(steps) * np.clip(np.abs(steps) * inside, -_RANGE, _RANGE)
    above = np.sign(steps) * np.clip(np.abs(steps) * (1 - inside), -_RANGE, _RANGE)
    multiplier = np.where(np.abs(steps) > _RANGE, above + below, steps)
    bias = zero_point + 0.5 - below
    fraction = 2.0**shift
    return Channels(exponent, _whole(centre), _whole(limit), _whole(multiplier * fraction), _whole(bias * fraction), shift)


def _whole(values: NDArray[np.float64]) -> Int64:
    return np.rint(values).astype(np.int64)


def quantized(of: Channels, raw: NDArray[Any]) -> NDArray[np.int8]:
    """int8 of ``raw`` ``(..., C)``. Not-a-number counts as the channel's offset."""
    if raw.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            fixed = np.clip(np.floor(np.ldexp(raw.astype(np.float64), of.exponent)), -SATURATED, SATURATED)
        fixed = np.where(np.isnan(fixed), of.centre, fixed)
    else:
        fixed = raw
    steps = np.clip(fixed.astype(np.int64) - of.centre, -of.limit, of.limit)
    stored: NDArray[np.int8] = np.clip((steps * of.multiplier + of.bias) >> of.shift, -128, 127).astype(np.int8)
    return stored
