"""Fixed-point arithmetic of TFLite's int8 operators: multipliers, rounding, ranges.

A real factor ``M`` becomes a pair ``(q, e)`` with ``M ≈ q * 2**(e - 31)`` and ``2**30 <= q < 2**31``. Multiplying by it rounds
twice (gemmlowp's *double* rounding, as TensorFlow Lite Micro and CMSIS-NN compute it): a saturating rounding doubling high
multiply by ``q``, then a rounding right shift by ``-e`` with ties away from zero. For positive ``e`` the value is shifted left
first, in 32 bits; :func:`accumulator_range` tells whether that can overflow.

All array functions take and return int64 arrays that hold int32 values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.ir import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GraphError,
    HardSwish,
    LeakyRelu,
    Logistic,
    Mean,
    Mul,
    Op,
    Quantize,
    Relu,
    Softmax,
    Sub,
    Sum,
    Tanh,
    Weighted,
)

Int64 = NDArray[np.int64]
Activation = Literal["none", "relu", "relu6", "relu_n1_to_1"]

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
ADD_LEFT_SHIFT = 20
"""Bits by which the operands of Add and Sub are raised before they are brought to one scale."""


def round_half_away(value: ArrayLike) -> NDArray[np.float64]:
    """Nearest integer, ties away from zero, as float64; exact for float32 input and for ``|value| < 2**52``."""
    v = np.asarray(value, dtype=np.float64)
    whole = np.trunc(v)
    rounded: NDArray[np.float64] = whole + np.copysign(np.abs(v - whole) >= 0.5, v)
    return rounded


def quantized_multipliers(real: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """``(q, e)`` arrays of non-negative float64 factors; factors below 2**-32 become ``(0, 0)``.

    :raises ValueError: for a factor that is negative, 2**31 or more, or not a number.
    """
    factors = np.atleast_1d(np.asarray(real, dtype=np.float64))
    if not np.all((factors >= 0) & (factors < 2.0**31)):
        raise ValueError(f"a requantisation factor must lie in [0, 2**31), got {factors.ravel()[:4].tolist()}")
    mantissa, exponent = np.frexp(factors)
    q = round_half_away(mantissa * 2.0**31).astype(np.int64)
    e = exponent.astype(np.int64)
    carried = q == 2**31
    q = np.where(carried, 2**30, q)
    e = np.where(carried, e + 1, e)
    vanished = (e < -31) | (q == 0)
    return np.where(vanished, 0, q).astype(np.int32), np.where(vanished, 0, e).astype(np.int32)


REQUANTIZING = (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    HardSwish,
    LeakyRelu,
    Logistic,
    Mean,
    Mul,
    Quantize,
    Relu,
    Softmax,
    Sub,
    Sum,
    Tanh,
)
"""Operators that :func:`multipliers` knows."""


def quantized_multiplier(real: float) -> tuple[int, int]:
    """``(q, e)`` of one factor; see :func:`quantized_multipliers`."""
    q, e = quantized_multipliers(real)
    return int(q[0]), int(e[0])


def high_multiply(a: ArrayLike, b: ArrayLike) -> Int64:
    """``(a * b + 2**30) >> 31``, saturated: the rounding doubling high multiply of two int32 values."""
    product: Int64 = (np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64) + 2**30) >> 31
    return np.minimum(product, INT32_MAX)


def rounding_shift(x: ArrayLike, bits: ArrayLike) -> Int64:
    """``x / 2**bits`` rounded to nearest, ties away from zero, for ``0 <= bits <= 31``."""
    x = np.asarray(x, dtype=np.int64)
    k = np.asarray(bits, dtype=np.int64)
    half = (np.int64(1) << k) >> 1
    shifted: Int64 = (x + half - ((x < 0) & (k > 0))) >> k
    return shifted


def requantize(x: ArrayLike, q: ArrayLike, e: ArrayLike) -> Int64:
    """``x * q * 2**(e - 31)`` with double rounding. ``q`` and ``e`` broadcast over ``x``'s last axis (channels).

    The left shift by a positive ``e`` wraps in 32 bits, as it does on the device.
    """
    exponent = np.asarray(e, dtype=np.int64)
    x = np.asarray(x, dtype=np.int64)
    if np.any(exponent > 0):
        x = (x << np.maximum(exponent, 0)).astype(np.int32).astype(np.int64)
    return rounding_shift(high_multiply(x, q), np.maximum(-exponent, 0))


def saturate_int8(x: Int64) -> NDArray[np.int8]:
    """Clamp to -128..127."""
    return np.clip(x, -128, 127).astype(np.int8)


def activation_range(activation: Activation, scale: float, zero_point: int) -> tuple[int, int]:
    """Integer range ``(low, high)`` that a fused activation leaves of an int8 output with this quantization."""

    def quantized(real: float) -> int:
        with np.errstate(over="ignore"):  # beyond float32 counts as infinite
            steps = np.float32(real) / np.float32(scale)
        return int(np.clip(round_half_away(np.clip(steps, -1024, 1024)) + zero_point, -128, 127))

    match activation:
        case "none":
            return -128, 127
        case "relu":
            return max(-128, zero_point), 127
        case "relu6":
            return max(-128, zero_point), quantized(6.0)
        case "relu_n1_to_1":
            return quantized(-1.0), quantized(1.0)


def multipliers(op: Op, graph: Graph) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Requantisation parameters ``(q, e)`` of an operator, both int32 arrays, by TensorFlow Lite Micro's rules.

    ======================================= ===============================================================
    operator                                entries
    ======================================= ===============================================================
    Conv2D, DepthwiseConv2D, FullyConnected one per output channel
    Add, Sub                                first operand, second operand, output
    Mul, Sum, Relu, Quantize (from int8)    one
    Mean                                    one; the division by the number of cells is part of it
    LeakyRelu                               values from zero up, negative values
    HardSwish                               output, gate (see :mod:`codegen.reference.activations`)
    Softmax, Logistic, Tanh                 input to fixed point
    ======================================= ===============================================================

    :raises GraphError: if a tensor lacks its quantization, or the operator does not requantise or not with these scales.
    """
    try:
        with np.errstate(over="ignore"):
            return _multipliers(op, graph)
    except GraphError:
        raise
    except ValueError as error:
        raise GraphError(f"operator {op.name!r}: {error}") from error


def _multipliers(op: Op, graph: Graph) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
        return quantized_multipliers(_weighted_factors(op, graph))
    si, so = graph[op.inputs[0]].scale, graph[op.output].scale
    match op:
        case Add() | Sub():
            # Add's quotients are float64, Sub's float32: the two kernels of TFLite differ in this.
            real = np.float64 if isinstance(op, Add) else np.float32
            s1, s2, s_out = real(si), real(graph[op.inputs[1]].scale), real(so)
            twice = real(2) * max(s1, s2)
            return quantized_multipliers([s1 / twice, s2 / twice, twice / (real(2**ADD_LEFT_SHIFT) * s_out)])
        case Mul():
            return quantized_multipliers(si * graph[op.inputs[1]].scale / so)
        case Mean():
            return _mean_multiplier(op, graph)
        case Sum() | Quantize():
            return quantized_multipliers(si / so)
        case Relu():
            return quantized_multipliers(np.float32(si) / np.float32(so))
        case LeakyRelu():
            if not 0.0 <= op.alpha < np.inf:
                raise GraphError(f"operator {op.name!r}: alpha {op.alpha} is negative or not finite")
            positive = np.float32(si) / np.float32(so)
            return quantized_multipliers([positive, np.float32(si) * np.float32(op.alpha) / np.float32(so)])
        case HardSwish():
            fine = np.float32(si) / np.float32(128)
            q, e = quantized_multipliers([fine / np.float32(so), fine / np.float32(3 / 32768)])
            if e[0] > 0:
                raise GraphError(f"operator {op.name!r}: HardSwish needs an input scale below 128 times the output scale")
            return q, e
        case Softmax():
            q, e = quantized_multipliers(min(float(np.float32(op.beta)) * si * 2.0**26, float(INT32_MAX)))
            if e[0] < 0 or not 0 < op.beta < np.inf:
                raise GraphError(f"operator {op.name!r}: Softmax cannot represent beta {op.beta} with input scale {si}")
            return q, e
        case Logistic() | Tanh():
            # From 2**31 on every input but the zero point is saturated, so the cap changes nothing.
            return quantized_multipliers(min(si * 2.0**27, float(INT32_MAX)))
        case _:
            raise GraphError(f"operator {op.name!r} ({op.kind}) has no requantisation parameters")


def _mean_multiplier(op: Mean, graph: Graph) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    x = graph[op.inputs[0]]
    q, e = quantized_multiplier(x.scale / graph[op.output].scale)
    count = math.prod(x.shape[a] for a in op.axes)
    bits = min(count.bit_length() - 1, 32, 31 + e)
    return np.array([(q << bits) // count], dtype=np.int32), np.array([e - bits], dtype=np.int32)


def _weighted_factors(op: Weighted, graph: Graph) -> NDArray[np.float64]:
    weight = graph[op.weight]
    if weight.quantization is None:
        raise GraphError(f"tensor {weight.name!r} has no quantization")
    channels = weight.shape[-1] if isinstance(op, DepthwiseConv2D) else weight.shape[0]
    scales = np.asarray(weight.quantization.scale, dtype=np.float64)
    if scales.size not in (1, channels):
        raise GraphError(f"tensor {weight.name!r} has {scales.size} scales for {channels} channels")
    si, so = graph[op.inputs[0]].scale, graph[op.output].scale
    if isinstance(op, FullyConnected) and scales.size == 1:
        # TFLite's per-tensor path keeps this one product in float32.
        factors = np.asarray(np.float32(si) * scales.astype(np.float32), dtype=np.float64) / so
    else:
        factors = si * scales / so
    return np.broadcast_to(factors, (channels,))


def bias_scales(input_scale: float, weight_scales: Sequence[float]) -> tuple[float, ...]:
    """The grid of a bias, that of the sums it is added to: float32 products of the input's scale and the weights'."""
    scales = np.float32(input_scale) * np.array(weight_scales, np.float32)
    return tuple(np.maximum(scales, np.finfo(np.float32).tiny).tolist())  # a product may vanish, a scale may not


def accumulator_range(op: Weighted, graph: Graph) -> tuple[Int64, Int64]:
    """Least and greatest accumulator value that any int8 input can produce, per output channel, bias included.

    Each product's range contains 0 (an input at the zero point), so every partial sum that starts at the bias stays inside too,
    in whatever order it is taken.
    """
    weight = graph[op.weight].data
    if weight is None:
        raise GraphError(f"operator {op.name!r}: weight {op.weight!r} has no data")
    w = weight.astype(np.int64)
    w = w.reshape(-1, w.shape[-1]).T if isinstance(op, DepthwiseConv2D) else w.reshape(w.shape[0], -1)
    zero_point = graph[op.inputs[0]].zero_point
    at_low, at_high = w * (-128 - zero_point), w * (127 - zero_point)
    low: Int64 = np.minimum(at_low, at_high).sum(axis=1)
    high: Int64 = np.maximum(at_low, at_high).sum(axis=1)
    if op.bias is not None:
        bias = graph[op.bias].data
        if bias is None:
            raise GraphError(f"operator {op.name!r}: bias {op.bias!r} has no data")
        low, high = low + bias, high + bias
    return low, high
