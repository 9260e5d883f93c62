"""Reference of the operators that move bytes without changing them. Arrays carry a leading sample axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Concatenation, Graph, Pad, Reshape, ResizeNearestNeighbor, Slice, Transpose
from codegen.requantize import round_half_away

Array = NDArray[Any]


def reshape(op: Reshape, graph: Graph, x: Array) -> Array:
    """The same bytes."""
    return x.reshape(x.shape[0], *graph[op.output].shape)


def pad(op: Pad, graph: Graph, x: Array) -> Array:
    """Cells of ``op.value`` around the input."""
    return np.pad(x, ((0, 0), *op.amounts), constant_values=op.value)


def transpose(op: Transpose, graph: Graph, x: Array) -> Array:
    """Axes in another order."""
    return x.transpose(0, *(a + 1 for a in op.permutation))


def concatenation(op: Concatenation, graph: Graph, *parts: Array) -> Array:
    """Inputs in order along the axis; a constant input serves every sample."""
    samples = max(len(p) for p in parts)
    return np.concatenate([np.broadcast_to(p, (samples, *p.shape[1:])) for p in parts], axis=op.axis + 1)


def take_slice(op: Slice, graph: Graph, x: Array) -> Array:
    """Elements picked axis by axis."""
    for axis, (begin, size, stride) in enumerate(zip(op.begin, op.size, op.strides, strict=True)):
        x = np.take(x, begin + stride * np.arange(size), axis=axis + 1)
    return x.reshape(x.shape[0], *graph[op.output].shape)


def resize_nearest_neighbor(op: ResizeNearestNeighbor, graph: Graph, x: Array) -> Array:
    """``(N, 1, H, W, C)``: each output cell takes the byte of one input cell; positions are computed in float32."""
    _, rows, columns, _ = graph[op.output].shape
    down = nearest(op, x.shape[2], rows)
    across = nearest(op, x.shape[3], columns)
    picked: Array = x[:, :, down][:, :, :, across]
    return picked


def nearest(op: ResizeNearestNeighbor, size: int, wanted: int) -> NDArray[np.int64]:
    """The input position, of ``size``, that each of the ``wanted`` output positions takes along one axis."""
    aligned = op.align_corners and wanted > 1
    ratio = np.float32(size - 1) / np.float32(wanted - 1) if aligned else np.float32(size) / np.float32(wanted)
    offset = np.float32(0.5 if op.half_pixel_centers else 0.0)
    position = (np.arange(wanted, dtype=np.float32) + offset) * ratio
    nearest = round_half_away(position) if op.align_corners else np.floor(position)
    return np.clip(nearest.astype(np.int64), 0, size - 1)
