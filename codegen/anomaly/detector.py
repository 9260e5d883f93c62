"""How badly an autoencoder reconstructs its input, in integers: the numpy function that the C of a project equals to the bit.

Of each channel the squares of the reconstruction's error are summed exactly, in units of 1/128 of the coarser of the two grids, and
a floor is added. The logarithm to base two of that, with 12 fraction bits, is compared with the channel's usual one, and the score
is how far it is above it in the channel where that is most: channels that are hard to reconstruct do not drown the others. Errors
relative to a robust usual one, and their maximum over sensors, are those of Deng and Hooi, *Graph neural network-based anomaly
detection in multivariate time series*, AAAI 2021. Where there is one channel, the score orders examples as the mean squared error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.anomaly.templates import render
from codegen.c_text import float_literal
from codegen.errors import UserError
from codegen.ir import Graph
from codegen.rendering import prefixed

LOG_BITS = 12
_UNITS = 128
"""Of the error's integers to a step of the coarser grid."""
_SHIFT = 13
"""Fraction bits of the factors that bring both grids to these units: errors then keep to 32 bits, their squares too."""
_MOST_FLOOR = 2**32 - 1


@dataclass(frozen=True, slots=True)
class AnomalyDetector:
    """The score of a network whose output reconstructs its input, and the ``threshold`` above which it is an alarm, falsely for a
    part ``false_alarms`` of the normal examples that it was chosen by.

    ``places`` values make a channel, and ``channels`` alternate in memory. A value of the input counts ``input_factor``, one of the
    output ``output_factor``, in ``2**-13`` of a unit, which is ``unit`` as input and output are real. ``floor`` is what is added to
    the sum of squares. ``usual`` is for each channel the logarithm of a usual sum with the floor, see :meth:`logarithms`.
    """

    channels: int
    places: int
    input_factor: int
    input_zero_point: int
    output_factor: int
    output_zero_point: int
    floor: int
    unit: float
    usual: tuple[int, ...]
    threshold: int
    false_alarms: float

    def __call__(self, inputs: NDArray[Any], outputs: NDArray[Any]) -> NDArray[np.int64]:
        """Scores ``(n,)``, none below 0, of int8 inputs and outputs of ``n`` examples."""
        scores: NDArray[np.int64] = (self.logarithms(inputs, outputs) + self.offsets).max(1)
        return scores

    def logarithms(self, inputs: NDArray[Any], outputs: NDArray[Any]) -> NDArray[np.int64]:
        """Of each channel's error, to base two with :data:`LOG_BITS` fraction bits: ``(n, channels)``."""
        count = len(inputs)
        given, made = (array.reshape(count, self.places, self.channels).astype(np.int64) for array in (inputs, outputs))
        error = (made - self.output_zero_point) * self.output_factor - (given - self.input_zero_point) * self.input_factor
        error = (error + (1 << _SHIFT >> 1)) >> _SHIFT
        return _log2(self.floor + (error * error).sum(1))

    def relative_to(self, normal: NDArray[np.int64]) -> AnomalyDetector:
        """With the median of these normal examples' :meth:`logarithms` ``(n, channels)`` as the usual ones; the lower of two."""
        return replace(self, usual=tuple(np.quantile(normal, 0.5, axis=0, method="lower").tolist()))

    @property
    def offsets(self) -> tuple[int, ...]:
        """What is added to each channel's logarithm for all to have the same usual one; none is below 0."""
        return tuple(max(self.usual) - usual for usual in self.usual)

    def real(self, scores: NDArray[np.int64]) -> NDArray[np.float64]:
        """Integer scores as the natural logarithm of how many times the usual an error is, floor included."""
        return scores.astype(np.float64) * self.step + self.least

    @property
    def most(self) -> int:
        """The largest score that there is; the least is 0."""
        return max(self.offsets) + int(_log2(np.array([self.floor + self.places * (2**32 - 1)]))[0])

    @property
    def step(self) -> float:
        """What one unit of the integer score is as a real one."""
        return math.log(2) / (1 << LOG_BITS)

    @property
    def least(self) -> float:
        """What an integer score of 0 is as a real one."""
        return -max(self.usual) * self.step

    def sources(self, name: str) -> dict[str, str]:
        """Path → text of the C files, in a project whose symbols begin with ``name``."""
        values = asdict(self) | {"m": name, "shift": _SHIFT, "half": 1 << _SHIFT >> 1, "log_bits": LOG_BITS}
        values |= {"step": float_literal(self.step), "least": float_literal(self.least)}
        values |= {"offsets": ", ".join(map(str, self.offsets))}
        files = {f"include/{name}_anomaly.h": "anomaly.h", f"src/{name}_anomaly.c": "anomaly.c"}
        return {path: prefixed(render(template, **values), name) for path, template in files.items()}

    def to_json(self) -> dict[str, Any]:
        """What :func:`detector_from_json` reads."""
        return asdict(self)


def anomaly_detector(graph: Graph, *, channels: bool, floor: float, threshold: int, false_alarms: float) -> AnomalyDetector:
    """The score of ``graph``, for which the same error is usual in all channels; ``channels``: whether the last axis counts them
    rather than the values of one. ``floor`` is a mean squared error, as input and output are real.

    :raises UserError: if the output has not the form of the input.
    """
    source, result = (graph[names[0]] for names in (graph.inputs, graph.outputs))
    if (len(graph.inputs), len(graph.outputs), source.size) != (1, 1, result.size):
        raise UserError(f"{graph.name}: reconstructs nothing: its output has not the form of its input")
    count = source.shape[-1] if channels else 1
    places = source.size // count
    unit = max(source.scale, result.scale) / _UNITS
    factors = [round(tensor.scale / unit * 2**_SHIFT) for tensor in (source, result)]
    least = min(_MOST_FLOOR, max(1, round(floor * places / unit**2)))
    return AnomalyDetector(
        count,
        places,
        factors[0],
        source.zero_point,
        factors[1],
        result.zero_point,
        least,
        unit,
        usual=(0,) * count,
        threshold=threshold,
        false_alarms=false_alarms,
    )


def detector_from_json(value: Mapping[str, Any]) -> AnomalyDetector:
    """The detector that :meth:`AnomalyDetector.to_json` wrote.

    :raises TypeError: if it is damaged.
    """
    return AnomalyDetector(**{**value, "usual": tuple(value["usual"])})


def _log2(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Logarithms to base two of integers from 1 on, :data:`LOG_BITS` fraction bits, by repeated squaring of 16 bits."""
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1
    bits -= (np.int64(1) << bits) > values  # where rounding to a float reached the next power of two
    mantissa = np.where(bits > 15, values >> np.maximum(bits - 15, 0), values << np.maximum(15 - bits, 0))
    result = bits << LOG_BITS
    for place in range(LOG_BITS - 1, -1, -1):
        mantissa = mantissa * mantissa >> 15
        above = mantissa >> 16
        mantissa >>= above
        result += above << place
    return result
