"""What files say of biases that the graph leaves to be understood."""

from __future__ import annotations

from codegen.ir import Graph, Quantization, Weighted
from codegen.requantize import bias_scales


def bias_quantization(op: Weighted, graph: Graph) -> Quantization:
    """The grid of a bias (:func:`codegen.requantize.bias_scales`), zero point 0."""
    weight = graph[op.weight].quantization
    assert weight is not None
    scales = bias_scales(graph[op.inputs[0]].scale, weight.scale)
    return Quantization(scales, 0, 0 if len(scales) > 1 else None)
