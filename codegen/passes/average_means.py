"""Means that an average pool computes."""

from __future__ import annotations

import math

import numpy as np

from codegen.ir import AveragePool2D, Graph, Mean, Reshape, Tensor
from codegen.passes._base import Pass
from codegen.passes._draft import Draft
from codegen.requantize import Int64, multipliers, requantize, saturate_int8

_MOST_CELLS = 4096


class AverageMeans(Pass):
    """Mean multiplies the centred sum by a rounded factor, AveragePool2D divides the sum of the bytes: where both give the same
    byte for every sum that can occur, a Mean over neighbouring axes with channels behind them is a pool, whose kernel is quicker
    and often there already."""

    name = "average_means"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        for op in graph.ops:
            if isinstance(op, Mean) and _is_average(op, graph):
                _put_pool(op, draft)
        return draft.finish()


def _is_average(op: Mean, graph: Graph) -> bool:
    x, y = graph[op.inputs[0]], graph[op.output]
    neighbours = op.axes == tuple(range(op.axes[0], op.axes[-1] + 1)) if op.axes else False
    if not neighbours or x.constant or x.quantization is None or x.quantization != y.quantization:
        return False
    cells = math.prod(x.shape[axis] for axis in op.axes)
    if cells > _MOST_CELLS:
        return False
    sums: Int64 = np.arange(-128 * cells, 127 * cells + 1, dtype=np.int64)
    mean = saturate_int8(requantize(sums - cells * x.zero_point, *multipliers(op, graph)) + x.zero_point)
    average = np.sign(sums) * ((np.abs(sums) + cells // 2) // cells)
    return np.array_equal(mean, average)


def _put_pool(op: Mean, draft: Draft) -> None:
    x, y = draft[op.inputs[0]], draft[op.output]
    first, behind = op.axes[0], op.axes[-1] + 1
    rows, cells, channels = (math.prod(x.shape[a:b]) for a, b in ((0, first), (first, behind), (behind, len(x.shape))))
    image = draft.add(Tensor(f"{op.name}_image", (1, rows, cells, channels), x.dtype, x.quantization))
    pooled = draft.add(Tensor(f"{op.name}_pooled", (1, rows, 1, channels), y.dtype, y.quantization))
    window = (1, cells)
    draft.put(
        op,
        Reshape(name=draft.free_op_name(f"{op.name}_image"), inputs=(x.name,), output=image),
        AveragePool2D(name=op.name, inputs=(image,), output=pooled, window=window, strides=window),
        Reshape(name=draft.free_op_name(f"{op.name}_shape"), inputs=(pooled,), output=y.name),
    )
