"""Reference of the pooling operators. Cells outside the input take no part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import AveragePool2D, Graph, MaxPool2D, Pool2D

Array = NDArray[Any]


def average_pool2d(op: AveragePool2D, graph: Graph, x: Array) -> Array:
    """``(N, 1, H, W, C)`` int8: sum of the bytes over the number of cells inside, rounded half away from zero."""
    total = _sum(_cells(op, graph, x.astype(np.int32), 0))
    inside = np.ones((1, 1, *x.shape[2:4], 1), dtype=np.int32)
    count = _sum(_cells(op, graph, inside, 0))
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    clamped: Array = np.clip(mean, *op.clamp).astype(np.int8)
    return clamped


def max_pool2d(op: MaxPool2D, graph: Graph, x: Array) -> Array:
    """``(N, 1, H, W, C)`` int8: greatest byte of each window."""
    cells = _cells(op, graph, x, -128)
    greatest = next(cells).copy()
    for cell in cells:
        np.maximum(greatest, cell, out=greatest)
    return np.clip(greatest, *op.clamp)


def _sum(cells: Iterator[Array]) -> Array:
    total = next(cells).copy()
    for cell in cells:
        total += cell
    return total


def _cells(op: Pool2D, graph: Graph, x: Array, outside: int) -> Iterator[Array]:
    """For each cell of the window: its value at every position, ``(N, B, OH, OW, C)``; ``outside`` where it is not in the input."""
    p = op.padding
    padded = np.pad(x, ((0, 0), (0, 0), (p.top, p.bottom), (p.left, p.right), (0, 0)), constant_values=outside)
    _, rows, columns, _ = graph[op.output].shape
    down, across = op.strides
    for i, j in np.ndindex(*op.window):
        yield padded[:, :, i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * across + 1 : across]
