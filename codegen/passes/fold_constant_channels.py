"""Channels that have one value for every input, taken out of the sums that read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codegen.ir import DepthwiseConv2D, Graph, Tensor, Weighted
from codegen.passes._base import Pass
from codegen.passes._draft import Draft
from codegen.passes._ranges import Range, accumulated, channels, clips, value_ranges
from codegen.requantize import INT32_MAX, INT32_MIN, Int64


class FoldConstantChannels(Pass):
    """A filter whose output never changes gets zeros for weights and a bias that requantises to it. What a constant input channel
    adds to a convolution or matrix product moves into the biases, and its weights become zeros. Where windows reach over the
    border that is exact only for channels that equal the zero point, since padding adds nothing."""

    name = "fold_constant_channels"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        if graph.shape_only or not any(isinstance(op, Weighted) for op in graph.ops):
            return graph
        ranges = value_ranges(graph)
        for op in graph.ops:
            if isinstance(op, Weighted):
                _fold(op, draft, ranges)
        return draft.finish()


def _fold(op: Weighted, draft: Draft, ranges: dict[str, Range]) -> None:
    weight = draft[op.weight]
    assert weight.data is not None
    across = isinstance(op, DepthwiseConv2D)
    filters = np.moveaxis(weight.data, -1, 0) if across else weight.data
    filters = filters.reshape(len(filters), -1).copy()
    bias = np.zeros(len(filters), dtype=np.int64)
    if op.bias is not None:
        bias += np.asarray(draft[op.bias].data)
    before = filters.copy()
    _fold_outputs(op, draft, ranges, filters, bias)
    if not across:
        _fold_inputs(op, draft, ranges[op.inputs[0]], filters, bias)
    if np.array_equal(filters, before) or not _fits(bias):
        return
    data = np.ascontiguousarray(filters.T if across else filters).reshape(weight.shape)
    folded = draft.add(replace(weight, name=f"{op.name}_folded_weight", data=data))
    biases = draft.add(Tensor(f"{op.name}_folded_bias", bias.shape, "int32", data=bias.astype(np.int32)))
    draft.put(op, replace(op, weight=folded, bias=biases))


def _fold_outputs(op: Weighted, draft: Draft, ranges: dict[str, Range], filters: np.ndarray, bias: Int64) -> None:
    """Constant filters: every value of the accumulator gives the same output, so the one nearest to zero does."""
    y = ranges[op.output]
    if len(y.low) == len(filters):
        sums = accumulated(op, draft.snapshot(), ranges)
        nearest = np.clip(0, sums.low, sums.high)
        constant = y.constant & (sums.low >= INT32_MIN) & (sums.high <= INT32_MAX) & filters.any(axis=1)
        filters[constant] = 0
        bias[constant] = nearest[constant]


def _fold_inputs(op: Weighted, draft: Draft, x: Range, filters: np.ndarray, bias: Int64) -> None:
    """Constant channels of the input."""
    source = draft[op.inputs[0]]
    if filters.shape[1] % channels(source.shape):
        return
    times = filters.shape[1] // len(x.low)
    value = np.tile(x.low - source.zero_point, times)
    constant = np.tile(x.constant, times) & ((value == 0) | (not clips(op)))
    bias += filters[:, constant].astype(np.int64) @ value[constant]
    filters[:, constant] = 0


def _fits(bias: Int64) -> bool:
    return bool(np.all((bias >= INT32_MIN) & (bias <= INT32_MAX)))
