"""What files say of biases that the graph leaves to be understood."""

from __future__ import annotations

import numpy as np

from codegen.ir import Graph, Quantization, Weighted


def bias_quantization(op: Weighted, graph: Graph) -> Quantization:
    """The grid of a bias, that of the sums it is added to: float32 products of the input's scale and the weight's, zero point 0."""
    weight = graph[op.weight].quantization
    assert weight is not None
    scales = np.float32(graph[op.inputs[0]].scale) * np.array(weight.scale, np.float32)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)  # a product may vanish, a scale may not
    return Quantization(tuple(scales.tolist()), 0, 0 if len(scales) > 1 else None)
