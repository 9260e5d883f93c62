"""Operators of one operand seen as functions of single bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Clamped, HardSwish, LeakyRelu, Logistic, Mean, Op, Quantize, ReduceMax, Reduction, Relu, Relu6, Sum, Tanh
from codegen.requantize import multipliers, requantize, saturate_int8

if TYPE_CHECKING:
    from codegen.passes._draft import Draft

UNARY = (HardSwish, LeakyRelu, Logistic, Quantize, Relu, Relu6, Tanh)
"""What maps every byte on its own."""


def reachable(draft: Draft, tensor: str) -> tuple[int, int]:
    """Bounds of the values of an int8 activation, by the operator that writes it."""
    producer = draft.producer(tensor)
    return producer.clamp if isinstance(producer, Clamped) else (-128, 127)


def mapping(op: Op, draft: Draft) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """All input bytes that can occur, ascending, and what the operator makes of them; None where it is no function of a byte."""
    x, y = draft[op.inputs[0]], draft[op.output]
    if x.dtype != "int8" or y.dtype != "int8":
        return None
    low, high = reachable(draft, x.name)
    values = np.arange(low, high + 1, dtype=np.int64)
    graph = draft.snapshot()
    if isinstance(op, UNARY):
        if x.quantization is None or y.quantization is None:
            return None
        from codegen.reference.activations import lookup_table

        return values, lookup_table(op, graph)[values + 128].astype(np.int64)
    if isinstance(op, Reduction) and all(x.shape[axis] == 1 for axis in op.axes):
        if isinstance(op, ReduceMax):
            return values, values
        if isinstance(op, Mean | Sum) and x.quantization is not None and y.quantization is not None:
            scaled = requantize(values - x.zero_point, *multipliers(op, graph)) + y.zero_point
            return values, saturate_int8(scaled).astype(np.int64)
    return None
