"""Reference of Softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph, Softmax
from codegen.reference.fixed_point import exp_of_negative, reciprocal_of_one_plus
from codegen.requantize import high_multiply, multipliers, rounding_shift, saturate_int8


def softmax_parameters(op: Softmax, graph: Graph) -> tuple[int, int, int]:
    """``(q, e, least)``: the multiplier that brings a difference to Q5.26, and the least difference that counts."""
    q, e = multipliers(op, graph)
    return int(q[0]), int(e[0]), -math.floor(31 * 2.0 ** (26 - int(e[0])))


def softmax(op: Softmax, graph: Graph, x: NDArray[Any]) -> NDArray[np.int8]:
    """Int8, over the last axis. Exponentials of differences to the greatest value in Q0.31, their sum in Q12.19.

    A row whose sum of exponentials reaches 512 is beyond TensorFlow Lite Micro's kernel; here it goes on in wider arithmetic.
    """
    q, e, least = softmax_parameters(op, graph)
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    counts = difference >= least
    exponential = exp_of_negative(high_multiply(np.where(counts, difference, 0) << e, q), 5)
    total = np.where(counts, rounding_shift(exponential, 12), 0).sum(axis=-1, keepdims=True)
    leading_zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = reciprocal_of_one_plus((total << leading_zeros) - 2**31)
    y = saturate_int8(rounding_shift(high_multiply(reciprocal, exponential), 35 - leading_zeros) - 128)
    return np.where(counts, y, np.int8(-128))
