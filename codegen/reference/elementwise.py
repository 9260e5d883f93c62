"""Reference of the operators with two operands. The shapes broadcast as in numpy, each sample on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Add, Clamped, Graph, Maximum, Minimum, Mul, Sub
from codegen.requantize import ADD_LEFT_SHIFT, Int64, multipliers, requantize

Array = NDArray[Any]


def add(op: Add, graph: Graph, a: Array, b: Array) -> Array:
    """``a + b``: both operands are brought to twice the greater scale with 20 more bits, then the sum to the output's scale."""
    first, second = _at_common_scale(op, graph, a, b)
    return _from_common_scale(op, graph, first + second)


def sub(op: Sub, graph: Graph, a: Array, b: Array) -> Array:
    """``a - b`` in the same way."""
    first, second = _at_common_scale(op, graph, a, b)
    return _from_common_scale(op, graph, first - second)


def mul(op: Mul, graph: Graph, a: Array, b: Array) -> Array:
    """``a * b``, requantised once."""
    first, second = _centred(op, graph, a, b)
    return _clamped(op, graph, requantize(first * second, *multipliers(op, graph)))


def maximum(op: Maximum, graph: Graph, a: Array, b: Array) -> Array:
    """The greater byte."""
    greater: Array = np.maximum(*_aligned(a, b))
    return greater


def minimum(op: Minimum, graph: Graph, a: Array, b: Array) -> Array:
    """The lesser byte."""
    lesser: Array = np.minimum(*_aligned(a, b))
    return lesser


def _aligned(a: Array, b: Array) -> tuple[Array, Array]:
    """Give both the same number of axes by inserting axes behind the leading sample axis."""
    rank = max(a.ndim, b.ndim)
    first, second = (v.reshape(v.shape[0], *(1,) * (rank - v.ndim), *v.shape[1:]) for v in (a, b))
    return first, second


def _centred(op: Clamped, graph: Graph, a: Array, b: Array) -> tuple[Int64, Int64]:
    first, second = _aligned(a, b)
    return (
        first.astype(np.int64) - graph[op.inputs[0]].zero_point,
        second.astype(np.int64) - graph[op.inputs[1]].zero_point,
    )


def _at_common_scale(op: Clamped, graph: Graph, a: Array, b: Array) -> tuple[Int64, Int64]:
    q, e = multipliers(op, graph)
    first, second = _centred(op, graph, a, b)
    return requantize(first << ADD_LEFT_SHIFT, q[0], e[0]), requantize(second << ADD_LEFT_SHIFT, q[1], e[1])


def _from_common_scale(op: Clamped, graph: Graph, value: Int64) -> Array:
    q, e = multipliers(op, graph)
    return _clamped(op, graph, requantize(value, q[2], e[2]))


def _clamped(op: Clamped, graph: Graph, y: Int64) -> Array:
    return np.clip(y + graph[op.output].zero_point, *op.clamp).astype(np.int8)
