"""What every kernel with per-channel requantisation shares: which form is safe, its constants, and the call in TIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph, Weighted
from codegen.kernels._base import Constant
from codegen.requantize import accumulator_range, multipliers

MICRO_KERNEL = "requantize"
BYTES_PER_CHANNEL = 4 + 4 + 1
"""Bias, multiplier and shift."""
PARAMETERS = 3
"""Words of a channel in the packed form of the same (:func:`packed_parameters`)."""
_BOUND = 2**30
_LARGEST_SHIFT = 22


@dataclass(frozen=True, slots=True)
class Requantization:
    """How accumulators become int8. ``bounded`` picks the short form, valid where every channel keeps ``|acc| < 2**30`` and shifts
    right by 1 to 22 bits; the other form is exact for everything."""

    bounded: bool
    zero_point: int
    low: int
    high: int

    @property
    def clamps(self) -> bool:
        """Whether results are limited to less than the range of int8."""
        return (self.low, self.high) != (-128, 127)

    def call(self, accumulator: Any, multiplier: Any, shift: Any, offsets: tuple[Any, Any, Any] | None = None) -> Any:
        """The TIR expression (int8) for one accumulator; ``offsets`` replace zero point, low and high end by expressions."""
        from tvm import tirx

        function = "NN_requantize_bounded" if self.bounded else "NN_requantize"
        offsets = (self.zero_point, self.low, self.high) if offsets is None else offsets
        arguments = [tirx.const(v, "int32") if isinstance(v, int) else v for v in offsets]
        return tirx.call_extern("int8", function, accumulator, multiplier, shift, *arguments)


class ChannelParameters:
    """Bias, multiplier and shift of each channel as arguments of the TIR function that is being built: ``packed`` into one array
    (:func:`packed_parameters`) or as three."""

    def __init__(self, channels: int, *, packed: bool) -> None:
        from tvm.tirx.script import builder as T

        self.packed: Any = T.arg("parameters", T.buffer((channels * PARAMETERS,), "int32")) if packed else None
        self.names = ("parameters",) if packed else ("bias", "multiplier", "shift")
        if not packed:
            dtypes = dict(zip(self.names, ("int32", "int32", "int8"), strict=True))
            self._bias, self._multiplier, self._shift = (T.arg(n, T.buffer((channels,), d)) for n, d in dtypes.items())

    def bias(self, channel: Any) -> Any:
        """The TIR expression for the bias of ``channel``."""
        return self._bias[channel] if self.packed is None else self.packed[channel * PARAMETERS]

    def scale(self, channel: Any) -> tuple[Any, Any]:
        """The TIR expressions for the multiplier and the shift of ``channel``."""
        if self.packed is None:
            return self._multiplier[channel], self._shift[channel]
        return self.packed[channel * PARAMETERS + 1], self.packed[channel * PARAMETERS + 2] + 1

    def addresses(self, channel: Any) -> tuple[Any, ...]:
        """The TIR expressions for where the parameters from ``channel`` on lie, one for each array."""
        from tvm.tirx.script import builder as T

        if self.packed is not None:
            return (T.address_of(self.packed[channel * PARAMETERS]),)
        return tuple(T.address_of(buffer[channel]) for buffer in (self._bias, self._multiplier, self._shift))


def requantization(op: Weighted, graph: Graph) -> Requantization:
    """The form for ``op``: proven from weights and biases, or the short one where the graph has shapes only."""
    bounded = graph[op.weight].data is None or _provably_bounded(op, graph)
    return Requantization(bounded, graph[op.output].zero_point, *op.clamp)


def _provably_bounded(op: Weighted, graph: Graph) -> bool:
    q, e = multipliers(op, graph)
    shifts = np.where(q == 0, 1, -e)
    low, high = accumulator_range(op, graph)
    in_range = np.all(low > -_BOUND) and np.all(high < _BOUND)
    return bool(in_range and np.all(shifts >= 1) and np.all(shifts <= _LARGEST_SHIFT))


def requantization_constants(op: Weighted, graph: Graph, form: Requantization) -> tuple[Constant, Constant]:
    """``multiplier`` (int32) and ``shift`` (int8; right in the short form, TFLite's exponent in the other) of each channel."""
    q, e = multipliers(op, graph)
    shift = np.where(q == 0, 1, -e) if form.bounded else e
    return Constant("multiplier", q.astype(np.int32)), Constant("shift", shift.astype(np.int8))


def packed_parameters(op: Weighted, graph: Graph, form: Requantization, correction: NDArray[np.int64] | None = None) -> Constant:
    """``parameters`` (int32): bias (plus ``correction``), multiplier and shift less one of each channel, side by side.

    For the short form only.
    """
    multiplier, shift = requantization_constants(op, graph, form)
    columns = (bias_constant(op, graph, correction).data, multiplier.data, shift.data.astype(np.int32) - 1)
    return Constant("parameters", np.stack(columns, axis=1).ravel())


def bias_constant(op: Weighted, graph: Graph, correction: NDArray[np.int64] | None = None) -> Constant:
    """``bias`` (int32) of each channel, zeros where the operator has none, plus ``correction``; wraps in 32 bits."""
    channels = multipliers(op, graph)[0].size
    bias = np.zeros(channels, np.int64)
    if op.bias is not None:
        data = graph[op.bias].data
        assert data is not None, "only a graph with data is packed"
        bias += data
    if correction is not None:
        bias += correction
    return Constant("bias", bias.astype(np.int32))
