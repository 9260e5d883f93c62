"""Reference of the operators that reduce axes. Arrays carry a leading sample axis that is never reduced."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import ArgMax, Graph, Mean, ReduceMax, Reduction, Sum
from codegen.requantize import multipliers, requantize, saturate_int8

Array = NDArray[Any]


def total(op: Mean | Sum, graph: Graph, x: Array) -> Array:
    """Mean and Sum: the centred sum requantised; :func:`codegen.requantize.multipliers` has Mean's division in its factor."""
    sums = (x.astype(np.int64) - graph[op.inputs[0]].zero_point).sum(axis=_axes(op))
    return saturate_int8(requantize(sums, *multipliers(op, graph)) + graph[op.output].zero_point)


def reduce_max(op: ReduceMax, graph: Graph, x: Array) -> Array:
    """Greatest byte over the axes."""
    greatest: Array = x.max(axis=_axes(op))
    return greatest


def arg_max(op: ArgMax, graph: Graph, x: Array) -> Array:
    """Index of the first greatest byte of the last axis, int32."""
    index: Array = np.argmax(x, axis=-1).astype(np.int32)
    return index


def _axes(op: Reduction) -> tuple[int, ...]:
    return tuple(a + 1 for a in op.axes)
