"""What values each channel of each activation can take, by interval arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codegen import ir
from codegen.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Weighted
from codegen.passes._bytes import UNARY
from codegen.requantize import INT32_MAX, INT32_MIN, Int64, multipliers, requantize


@dataclass(frozen=True, slots=True)
class Range:
    """Least and greatest value of each index of the last axis, int64 arrays."""

    low: Int64
    high: Int64

    @property
    def constant(self) -> NDArray[np.bool_]:
        """The channels that have one value."""
        return np.equal(self.low, self.high)


def channels(shape: tuple[int, ...]) -> int:
    """Length of the last axis."""
    return shape[-1] if shape else 1


def anything(graph: Graph, tensor: str) -> Range:
    """The range of an int8 tensor of which nothing is known."""
    count = channels(graph[tensor].shape)
    return Range(np.full(count, -128, dtype=np.int64), np.full(count, 127, dtype=np.int64))


def value_ranges(graph: Graph) -> dict[str, Range]:
    """The range of every int8 tensor of a graph with data."""
    ranges: dict[str, Range] = {}
    for t in graph.tensors.values():
        if t.dtype == "int8" and t.data is not None:
            rows = t.data.reshape(-1, channels(t.shape)).astype(np.int64)
            ranges[t.name] = Range(rows.min(axis=0), rows.max(axis=0))
    ranges.update((name, anything(graph, name)) for name in graph.inputs if graph[name].dtype == "int8")
    for op in graph.ops:
        if graph[op.output].dtype == "int8":
            ranges[op.output] = _range(op, graph, ranges)
    return ranges


def clips(op: Weighted) -> bool:
    """Whether some window of a convolution may lie outside the input in part."""
    return isinstance(op, Conv2D | DepthwiseConv2D) and op.padding != ir.Padding()


def accumulated(op: Weighted, graph: Graph, ranges: dict[str, Range]) -> Range:
    """The range of the accumulators, bias included, by output channel."""
    weight = graph[op.weight].data
    assert weight is not None
    x = ranges[op.inputs[0]]
    zero_point = graph[op.inputs[0]].zero_point
    low, high = x.low - zero_point, x.high - zero_point
    if clips(op):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    w = weight.astype(np.int64)
    if isinstance(op, DepthwiseConv2D):
        w = w.reshape(-1, w.shape[-1]).T
        repeats = len(w) // len(low)
        low, high = np.repeat(low, repeats)[:, None], np.repeat(high, repeats)[:, None]
    else:
        w = w.reshape(len(w), -1)
        if w.shape[1] % len(low):
            low, high = (np.full(w.shape[1], edge) for edge in (low.min(), high.max()))
        else:
            low, high = (np.tile(edge, w.shape[1] // len(edge)) for edge in (low, high))
    least: Int64 = np.minimum(w * low, w * high).sum(axis=1)
    greatest: Int64 = np.maximum(w * low, w * high).sum(axis=1)
    if op.bias is not None:
        bias = graph[op.bias].data
        assert bias is not None
        least, greatest = least + bias, greatest + bias
    return Range(least, greatest)


def _range(op: Op, graph: Graph, ranges: dict[str, Range]) -> Range:
    y = graph[op.output]
    unknown = anything(graph, op.output)
    if any(name not in ranges for name in op.inputs):
        return unknown
    operands = [ranges[name] for name in op.inputs]
    x = operands[0]
    same_channels = all(len(r.low) == len(unknown.low) for r in operands)
    match op:
        case Conv2D() | DepthwiseConv2D() | FullyConnected():
            if isinstance(op, FullyConnected) and channels(y.shape) != graph[op.weight].shape[0]:
                return unknown
            return _requantized(op, graph, accumulated(op, graph, ranges))
        case ir.Pool2D():
            return Range(np.clip(x.low, *op.clamp), np.clip(x.high, *op.clamp))
        case ir.Add() if same_channels and multipliers(op, graph)[1].max() <= 0:
            return Range(_add(op, graph, [r.low for r in operands]), _add(op, graph, [r.high for r in operands]))
        case ir.Maximum() if same_channels:
            return Range(np.maximum(x.low, operands[1].low), np.maximum(x.high, operands[1].high))
        case ir.Minimum() if same_channels:
            return Range(np.minimum(x.low, operands[1].low), np.minimum(x.high, operands[1].high))
        case ir.Pad() if not any(op.amounts[-1]):
            return Range(np.minimum(x.low, op.value), np.maximum(x.high, op.value))
        case ir.Concatenation():
            if op.axis == len(y.shape) - 1:
                return Range(np.concatenate([r.low for r in operands]), np.concatenate([r.high for r in operands]))
            return Range(np.min([r.low for r in operands], axis=0), np.max([r.high for r in operands], axis=0))
        case ir.Reshape() if same_channels:
            return x
        case ir.Reshape() if not len(unknown.low) % len(x.low):
            times = len(unknown.low) // len(x.low)
            return Range(np.tile(x.low, times), np.tile(x.high, times))
        case ir.ResizeNearestNeighbor():
            return x
        case _ if isinstance(op, UNARY):
            from codegen.reference.activations import lookup_table

            table = lookup_table(op, graph).astype(np.int64)
            values = [table[a + 128 : b + 129] for a, b in zip(x.low, x.high, strict=True)]
            return Range(np.array([v.min() for v in values]), np.array([v.max() for v in values]))
        case _:
            return unknown


def _requantized(op: Weighted, graph: Graph, accumulator: Range) -> Range:
    """Requantisation never decreases, as long as its left shift does not leave 32 bits."""
    q, e = multipliers(op, graph)
    left = np.maximum(e.astype(np.int64), 0)
    fits = (accumulator.low >= INT32_MIN >> left) & (accumulator.high <= INT32_MAX >> left)
    low, high = (
        np.clip(requantize(np.where(fits, edge, 0), q, e) + graph[op.output].zero_point, *op.clamp)
        for edge in (accumulator.low, accumulator.high)
    )
    return Range(np.where(fits, low, op.clamp[0]), np.where(fits, high, op.clamp[1]))


def _add(op: ir.Add, graph: Graph, operands: list[Int64]) -> Int64:
    """The reference at one end of both operands; without left shifts every step of Add is monotone."""
    from codegen.reference.elementwise import add

    first, second = (edge[np.newaxis].astype(np.int8) for edge in operands)
    found: Int64 = add(op, graph, first, second)[0].astype(np.int64)
    return found
