"""Channels that no output depends on, cut out of activations and weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codegen import ir
from codegen.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Tensor, Weighted
from codegen.passes._base import Pass
from codegen.passes._bytes import UNARY
from codegen.passes._draft import Draft
from codegen.passes._ranges import channels

Mask = NDArray[np.bool_]
WORD = 4
"""Channels that kernels take at a time."""


class RemoveUnusedChannels(Pass):
    """Channels that an operator carries along one by one (a depthwise filter's, an Add's) stand or fall together. Such a group is
    used if it reaches the graph's interface, an operator that mixes channels, or a used filter's weight other than zero."""

    name = "remove_unused_channels"

    def run(self, graph: Graph) -> Graph:
        if graph.shape_only or not any(isinstance(op, Weighted) for op in graph.ops):
            return graph
        groups = _Groups(graph)
        for op in graph.ops:
            _join(op, graph, groups)
        for name in (*graph.inputs, *graph.outputs):
            groups.use(name)
        _spread(graph, groups)
        while _fill_words(groups):
            _spread(graph, groups)
        kept = {name: groups.used(name) for name in groups.tensors}
        draft = Draft(graph)
        if not all(mask.all() for mask in kept.values()):
            _cut(draft, kept)
        return draft.finish()


class _Groups:
    """Channels of all operands in groups (a union-find forest), and which groups are used."""

    def __init__(self, graph: Graph) -> None:
        names = dict.fromkeys(name for op in graph.ops for name in (*op.inputs, op.output))
        self.tensors: dict[str, NDArray[np.int64]] = {}
        count = 0
        for name in (*graph.inputs, *names):
            if name not in self.tensors:
                length = channels(graph[name].shape)
                self.tensors[name] = np.arange(count, count + length)
                count += length
        self._parent = list(range(count))
        self._used = [False] * count

    def _root(self, channel: int) -> int:
        while self._parent[channel] != channel:
            self._parent[channel] = self._parent[self._parent[channel]]
            channel = self._parent[channel]
        return channel

    def join(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> None:
        """Put channels of equal position into one group."""
        for a, b in zip(some.tolist(), others.tolist(), strict=True):
            first, second = self._root(a), self._root(b)
            if first != second:
                self._parent[second] = first
                self._used[first] |= self._used[second]

    def use(self, tensor: str, mask: Mask | None = None) -> bool:
        """Mark channels (or all) as used; whether that is news."""
        news = False
        for channel in self.tensors[tensor][mask if mask is not None else slice(None)].tolist():
            root = self._root(channel)
            news |= not self._used[root]
            self._used[root] = True
        return news

    def used(self, tensor: str) -> Mask:
        """Which channels are used."""
        return np.array([self._used[self._root(channel)] for channel in self.tensors[tensor].tolist()], dtype=bool)


def _join(op: Op, graph: Graph, groups: _Groups) -> None:
    """Group the channels that ``op`` carries along; where it mixes them use all."""
    y = groups.tensors[op.output]
    last = len(graph[op.inputs[0]].shape) - 1
    operands = [groups.tensors[name] for name in op.inputs]
    x = operands[0]
    match op:
        case Conv2D():
            return
        case FullyConnected() if len(y) == graph[op.weight].shape[0] and graph[op.weight].shape[1] % len(x) == 0:
            return
        case DepthwiseConv2D():
            groups.join(np.repeat(x, len(y) // len(x)), y)
        case ir.Add() | ir.Sub() | ir.Mul() | ir.Maximum() | ir.Minimum():
            for name, operand in zip(op.inputs, operands, strict=True):
                if len(operand) == len(y):
                    groups.join(operand, y)
                else:
                    groups.use(name)
        case ir.Concatenation() if op.axis == last:
            groups.join(np.concatenate(operands), y)
        case ir.Concatenation():
            for operand in operands:
                groups.join(operand, y)
        case ir.Reshape() if len(y) % len(x) == 0:
            groups.join(np.tile(x, len(y) // len(x)), y)
        case ir.Reshape() if len(x) % len(y) == 0:
            groups.join(x, np.tile(y, len(x) // len(y)))
        case _ if _keeps_channels(op, graph):
            groups.join(x, y)
        case _:
            for name in (*op.inputs, op.output):
                groups.use(name)


def _keeps_channels(op: Op, graph: Graph) -> bool:
    """Whether channel ``c`` of the output is made of channel ``c`` of the only input."""
    last = len(graph[op.inputs[0]].shape) - 1
    match op:
        case ir.Pool2D() | ir.ResizeNearestNeighbor():
            return True
        case ir.Pad():
            return not any(op.amounts[last])
        case ir.Transpose():
            return op.permutation[last] == last
        case ir.Reduction():
            return last not in op.axes
        case ir.Slice():
            whole = op.begin[last] == 0 and op.size[last] == graph[op.inputs[0]].shape[last]
            return whole and graph[op.output].shape[-1:] == op.size[last:] and op.strides[last] == 1
        case _:
            return isinstance(op, UNARY)


def _spread(graph: Graph, groups: _Groups) -> None:
    """Mark what used filters read. Every tensor keeps a channel; a filter of a matrix product with scales of its own keeps a
    neighbour, as TFLite computes the factor of a single scale in another precision."""
    news = True
    while news:
        news = False
        for op in reversed(graph.ops):
            if not groups.used(op.output).any():
                news |= groups.use(op.output, _first(groups, op.output, 1))
            if isinstance(op, FullyConnected):
                scales = graph[op.weight].quantization
                if scales is not None and len(scales.scale) > 1 and groups.used(op.output).sum() < 2:
                    news |= groups.use(op.output, _first(groups, op.output, 2))
            if isinstance(op, Weighted) and not isinstance(op, DepthwiseConv2D):
                news |= groups.use(op.inputs[0], _read(op, graph, groups))


def _fill_words(groups: _Groups) -> bool:
    """Mark unused channels, the first ones, until every tensor keeps whole words of them; whether that is news. Kernels work on
    words: with 14 channels in place of 16 a tensor takes more time and memory, not less, and than its shape alone promised."""
    news = False
    for name in groups.tensors:
        used = groups.used(name)
        missing = min(-int(used.sum()) % WORD, len(used) - int(used.sum()))
        if missing:
            news |= groups.use(name, np.isin(np.arange(len(used)), np.flatnonzero(~used)[:missing]))
    return news


def _first(groups: _Groups, tensor: str, count: int) -> Mask:
    return np.arange(len(groups.tensors[tensor])) < count


def _read(op: Weighted, graph: Graph, groups: _Groups) -> Mask:
    """The channels of the input that used filters have weights for."""
    x = groups.tensors[op.inputs[0]]
    weight = np.asarray(graph[op.weight].data)
    filters = weight.reshape(len(weight), -1)
    output = groups.used(op.output)
    if len(output) != len(filters) or filters.shape[1] % len(x):
        return np.ones(len(x), dtype=bool)
    read = np.count_nonzero(filters[output], axis=0).reshape(-1, len(x)).sum(axis=0)
    return np.asarray(read > 0)


def _cut(draft: Draft, kept: dict[str, Mask]) -> None:
    for op in list(draft.ops):
        if isinstance(op, Weighted):
            _cut_weights(op, draft, kept)
        elif isinstance(op, ir.Slice):
            size = (*op.size[:-1], min(op.size[-1], int(kept[op.inputs[0]].sum())))
            draft.put(op, replace(op, size=size))
    for name, mask in kept.items():
        t = draft[name]
        if not mask.all():
            data = None if t.data is None else np.ascontiguousarray(t.data[..., mask])
            draft.tensors[name] = replace(t, shape=(*t.shape[:-1], int(mask.sum())), data=data)


def _cut_weights(op: Weighted, draft: Draft, kept: dict[str, Mask]) -> None:
    weight = draft[op.weight]
    data = np.asarray(weight.data)
    into, out = kept[op.inputs[0]], kept[op.output]
    if isinstance(op, DepthwiseConv2D):
        data = data[..., out]
    else:
        read = np.tile(into, data.shape[-1] // len(into)) if data.shape[-1] % len(into) == 0 else slice(None)
        out = out if len(out) == len(data) else np.ones(len(data), dtype=bool)
        data = data[out][..., read]
    if data.shape == weight.shape:
        return
    quantization = weight.quantization
    if quantization is not None and len(quantization.scale) > 1:
        scale = tuple(s for s, keep in zip(quantization.scale, out, strict=True) if keep)
        quantization = replace(quantization, scale=scale)
    cut = Tensor(f"{op.name}_kept_weight", data.shape, weight.dtype, quantization, np.ascontiguousarray(data))
    bias = op.bias
    if bias is not None:
        values = np.asarray(draft[bias].data)[out]
        bias = draft.add(Tensor(f"{op.name}_kept_bias", values.shape, "int32", draft[bias].quantization, values))
    draft.put(op, replace(op, weight=draft.add(cut), bias=bias))
