"""Exponential and reciprocal in 32-bit fixed point, as gemmlowp defines them and Softmax, Logistic and Tanh use them.

Values are int64 arrays that hold int32; ``Qm.n`` has ``m`` integer and ``n`` fraction bits.
"""

from __future__ import annotations

import numpy as np

from codegen.requantize import INT32_MAX, INT32_MIN, Int64, high_multiply, rounding_shift

_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2**k) for k = -2 .. 4, in Q0.31."""
_EXP_OF_MINUS_EIGHTH = 1895147668
_THIRD = 715827883
_48_OVER_17 = 1515870810
_MINUS_32_OVER_17 = -1010580540


def _saturate(x: Int64) -> Int64:
    return np.clip(x, INT32_MIN, INT32_MAX)


def exp_of_negative(a: Int64, integer_bits: int) -> Int64:
    """``exp(a)`` in Q0.31 for ``a <= 0`` in fixed point with ``integer_bits`` integer bits.

    The argument is split into a remainder in [-1/4, 0), for which a Taylor polynomial about -1/8 is taken, and powers of two,
    whose exponentials are multiplied in.
    """
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (a & (quarter - 1)) - quarter
    t = (remainder << integer_bits) + (1 << 28)
    t2 = high_multiply(t, t)
    t3 = high_multiply(t2, t)
    t4 = high_multiply(t2, t2)
    tail = rounding_shift(high_multiply(rounding_shift(t4, 2) + t3, _THIRD) + t2, 1)
    result: Int64 = _EXP_OF_MINUS_EIGHTH + high_multiply(_EXP_OF_MINUS_EIGHTH, t + tail)
    rest = remainder - a
    for k, factor in zip(range(-2, integer_bits), _EXP_OF_POWERS, strict=False):
        bit_set = (rest >> (fraction_bits + k)) & 1 != 0
        result = np.where(bit_set, high_multiply(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _half_reciprocal(v: Int64) -> Int64:
    """``1 / (1 + v)`` in Q2.29 for ``v`` in [0, 1), Q0.31: three Newton–Raphson steps from a linear first guess."""
    half = (v + 2**31) >> 1
    x: Int64 = _48_OVER_17 + high_multiply(half, _MINUS_32_OVER_17)
    for _ in range(3):
        x = x + _saturate(high_multiply(x, (1 << 29) - high_multiply(half, x)) * 4)
    return x


def reciprocal_of_one_plus(v: Int64) -> Int64:
    """``1 / (1 + v)`` in Q0.31 for ``v`` in [0, 1), Q0.31."""
    return _saturate(2 * _half_reciprocal(v))


def one_minus_over_one_plus(v: Int64) -> Int64:
    """``(1 - v) / (1 + v)`` in Q0.31 for ``v`` in [0, 1), Q0.31."""
    return _saturate(4 * (_half_reciprocal(v) - (1 << 29)))
