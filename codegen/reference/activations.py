"""Reference of the operators that map each byte on its own, and of the borders to float32.

An int8 operator of one operand is a function of 256 arguments; :func:`lookup_table` is that function, and executing the
operator is looking up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Dequantize, Graph, GraphError, HardSwish, LeakyRelu, Logistic, Op, Quantize, Relu, Relu6, Tanh
from codegen.reference.fixed_point import exp_of_negative, one_minus_over_one_plus, reciprocal_of_one_plus
from codegen.requantize import (
    INT32_MAX,
    Int64,
    activation_range,
    multipliers,
    requantize,
    round_half_away,
    rounding_shift,
    saturate_int8,
)

Array = NDArray[Any]


def lookup_table(op: Op, graph: Graph) -> NDArray[np.int8]:
    """Outputs of an int8 operator of one operand for the inputs -128 .. 127, in this order.

    :raises GraphError: if the operator is none of these or its quantization is unsuitable.
    """
    function = _OF_BYTES.get(type(op))
    if function is None:
        raise GraphError(f"operator {op.name!r} ({op.kind}) is no function of single bytes")
    return function(op, graph, np.arange(-128, 128, dtype=np.int64))


def by_table(op: Op, graph: Graph, x: Array) -> Array:
    """Execute an int8 operator of one operand."""
    looked_up: Array = lookup_table(op, graph)[x.astype(np.int16) + 128]
    return looked_up


def quantize(op: Quantize, graph: Graph, x: Array) -> Array:
    """float32 or int8 to the output's quantization."""
    if x.dtype == np.int8:
        return by_table(op, graph, x)
    y = graph[op.output]
    steps = round_half_away(x / np.float32(y.scale))
    return np.clip(steps + y.zero_point, -128, 127).astype(np.int8)


def dequantize(op: Dequantize, graph: Graph, x: Array) -> Array:
    """int8 to float32, rounded once."""
    t = graph[op.inputs[0]]
    return np.float32(t.scale) * (x.astype(np.float32) - np.float32(t.zero_point))


def _quantize_int8(op: Quantize, graph: Graph, x: Int64) -> NDArray[np.int8]:
    centred = x - graph[op.inputs[0]].zero_point
    return saturate_int8(requantize(centred, *multipliers(op, graph)) + graph[op.output].zero_point)


def _relu(op: Relu, graph: Graph, x: Int64) -> NDArray[np.int8]:
    zero = graph[op.output].zero_point
    y = requantize(x - graph[op.inputs[0]].zero_point, *multipliers(op, graph)) + zero
    return np.clip(y, zero, 127).astype(np.int8)


def _relu6(op: Relu6, graph: Graph, x: Int64) -> NDArray[np.int8]:
    t = graph[op.inputs[0]]
    return np.clip(x, *activation_range("relu6", t.scale, t.zero_point)).astype(np.int8)


def _leaky_relu(op: LeakyRelu, graph: Graph, x: Int64) -> NDArray[np.int8]:
    centred = x - graph[op.inputs[0]].zero_point
    q, e = multipliers(op, graph)
    y = np.where(centred >= 0, requantize(centred, q[0], e[0]), requantize(centred, q[1], e[1]))
    return saturate_int8(y + graph[op.output].zero_point)


def _hard_swish(op: HardSwish, graph: Graph, x: Int64) -> NDArray[np.int8]:
    """16-bit arithmetic: the input with 7 more bits times a gate ``relu6(x + 3) / 6`` in Q0.15."""

    def multiply(a: Int64, b: int) -> Int64:
        return (a * b + 2**14) >> 15

    def saturate(a: Int64) -> Int64:
        return np.clip(a, -32768, 32767)

    q, e = multipliers(op, graph)
    to_output, to_gate = (min(32767, (int(v) + 2**15) >> 16) for v in q)
    gate_shift = int(e[1])
    fine = (x - graph[op.inputs[0]].zero_point) * 128
    scaled = multiply(fine, to_output)
    gate = fine
    if gate_shift > 0:
        gate = saturate(gate << (gate_shift - 1))
    gate = multiply(gate, to_gate)
    if gate_shift > 0:
        gate = saturate(2 * gate)
    elif gate_shift < 0:
        gate = rounding_shift(gate, -gate_shift)
    gate = (gate + 32768) >> 1
    product = gate * scaled
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return saturate_int8(rounding_shift(truncated, -int(e[0])) + graph[op.output].zero_point)


def _saturating_function(op: Logistic | Tanh, graph: Graph, x: Int64) -> tuple[Int64, Int64]:
    """Input as fixed point with 4 integer bits, and -1 or 1 where it lies beyond ±15 and the function is saturated, else 0."""
    centred = x - graph[op.inputs[0]].zero_point
    q, e = multipliers(op, graph)
    radius = math.floor(15 * 2.0 ** (27 - int(e[0])))
    beyond = np.where(centred <= -radius, -1, np.where(centred >= radius, 1, 0))
    return requantize(np.where(beyond == 0, centred, 0), q, e), beyond


def _logistic(op: Logistic, graph: Graph, x: Int64) -> NDArray[np.int8]:
    a, beyond = _saturating_function(op, graph, x)
    of_magnitude = reciprocal_of_one_plus(exp_of_negative(-np.abs(a), 4))
    value = np.where(a > 0, of_magnitude, np.where(a < 0, INT32_MAX - of_magnitude, 1 << 30))
    y = saturate_int8(rounding_shift(value, 23) - 128)
    return np.where(beyond > 0, 127, np.where(beyond < 0, -128, y)).astype(np.int8)


def _tanh(op: Tanh, graph: Graph, x: Int64) -> NDArray[np.int8]:
    a, beyond = _saturating_function(op, graph, x)
    # The same bits read with 5 integer bits are twice the argument, which is what (1 - exp(-2a)) / (1 + exp(-2a)) needs.
    of_magnitude = one_minus_over_one_plus(exp_of_negative(-np.abs(a), 5))
    value = np.where(a > 0, of_magnitude, np.where(a < 0, -of_magnitude, 0))
    y = saturate_int8(rounding_shift(value, 24))
    return np.where(beyond > 0, 127, np.where(beyond < 0, -128, y)).astype(np.int8)


_OF_BYTES: dict[type[Op], Callable[[Any, Graph, Int64], NDArray[np.int8]]] = {
    HardSwish: _hard_swish,
    LeakyRelu: _leaky_relu,
    Logistic: _logistic,
    Quantize: _quantize_int8,
    Relu: _relu,
    Relu6: _relu6,
    Tanh: _tanh,
}
