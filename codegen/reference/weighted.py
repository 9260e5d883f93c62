"""Reference of the operators with weights: convolution, depthwise convolution, fully connected.

Sums of products are taken as floating-point matrix products, which are exact as long as no partial sum reaches the mantissa's
width: float32 up to 2**24, else float64 (an int8 product is below 2**16, so 2**53 is never reached).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from codegen.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, GraphError, Padding, Weighted
from codegen.requantize import multipliers, requantize

Array = NDArray[Any]


def conv2d(op: Conv2D, graph: Graph, x: Array) -> Array:
    """``(N, 1, H, W, I)`` int8 to ``(N, 1, OH, OW, O)`` int8."""
    weight = _weight(op, graph)
    channels, kh, kw, _ = weight.shape
    exact = _exact_type(weight.reshape(channels, -1))
    padded = _padded(x, graph[op.inputs[0]].zero_point, op.padding, exact)
    _, rows, columns, _ = graph[op.output].shape
    windows = _windows(padded, (kh, kw), (rows, columns), op.strides, op.dilation)
    patches = windows.reshape(len(padded) * rows * columns, -1)
    return _finish(op, graph, patches @ weight.reshape(channels, -1).astype(exact).T)


def depthwise_conv2d(op: DepthwiseConv2D, graph: Graph, x: Array) -> Array:
    """``(N, 1, H, W, I)`` int8 to ``(N, 1, OH, OW, O)`` int8."""
    weight = _weight(op, graph)
    _, kh, kw, channels = weight.shape
    padded = _padded(x, graph[op.inputs[0]].zero_point, op.padding, np.dtype(np.int32))
    if channels != padded.shape[-1]:
        padded = np.repeat(padded, channels // padded.shape[-1], axis=-1)
    _, rows, columns, _ = graph[op.output].shape
    windows = _windows(padded, (kh, kw), (rows, columns), op.strides, op.dilation)
    accumulator = np.zeros((len(padded), rows, columns, channels), dtype=np.int32)
    product = np.empty_like(accumulator)
    for i, j in np.ndindex(kh, kw):
        np.multiply(windows[:, :, :, i, j, :], weight[0, i, j].astype(np.int32), out=product)
        accumulator += product
    return _finish(op, graph, accumulator)


def fully_connected(op: FullyConnected, graph: Graph, x: Array) -> Array:
    """``(N, ...)`` int8, viewed as rows of the weight's input length, to rows of its output length."""
    weight = _weight(op, graph)
    exact = _exact_type(weight)
    rows = x.reshape(-1, weight.shape[1]).astype(exact)
    rows -= graph[op.inputs[0]].zero_point
    return _finish(op, graph, rows @ weight.astype(exact).T)


def _weight(op: Weighted, graph: Graph) -> Array:
    data = graph[op.weight].data
    if data is None:
        raise GraphError(f"operator {op.name!r}: weight {op.weight!r} has no data")
    return data


def _exact_type(rows: Array) -> np.dtype[Any]:
    """The faster type in which ``rows @ x`` is exact for every ``|x| <= 255``."""
    largest = int(np.abs(rows.astype(np.int32)).sum(axis=1).max()) * 255
    return np.dtype(np.float32 if largest < 2**24 else np.float64)


def _padded(x: Array, zero_point: int, padding: Padding, dtype: np.dtype[Any]) -> Array:
    """``(N, B, H, W, C)`` int8 to ``(N * B, H', W', C)`` with the zero point subtracted, so that padding is 0."""
    n, b, h, w, c = x.shape
    top, left = padding.top, padding.left
    out = np.zeros((n * b, h + top + padding.bottom, w + left + padding.right, c), dtype=dtype)
    inside = out[:, top : top + h, left : left + w]
    inside[...] = x.reshape(n * b, h, w, c)
    inside -= zero_point
    return out


def _windows(
    x: Array, window: tuple[int, int], positions: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """View ``(N, rows, columns, kh, kw, C)`` of every window of ``x`` ``(N, H, W, C)``."""
    n, _, _, c = x.shape
    batch, row, column, channel = x.strides
    steps = (batch, row * strides[0], column * strides[1], row * dilation[0], column * dilation[1], channel)
    return as_strided(x, (n, *positions, *window, c), steps, writeable=False)


def _finish(op: Weighted, graph: Graph, sums: Array) -> Array:
    """Bias, requantisation, zero point and clamp for sums whose last axis is the output channel."""
    accumulator = sums.astype(np.int64)
    if op.bias is not None:
        bias = graph[op.bias].data
        if bias is None:
            raise GraphError(f"operator {op.name!r}: bias {op.bias!r} has no data")
        accumulator += bias
    q, e = multipliers(op, graph)
    y = requantize(accumulator, q, e)
    y += graph[op.output].zero_point
    return np.clip(y, *op.clamp).astype(np.int8).reshape(-1, *graph[op.output].shape)
