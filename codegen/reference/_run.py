"""Executes a graph on the numpy reference, many samples at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import ir
from codegen.reference import activations, elementwise, movement, pooling, reductions, softmax, weighted

Array = NDArray[Any]

REFERENCE: Mapping[type[ir.Op], Callable[..., Array]] = {
    ir.Add: elementwise.add,
    ir.ArgMax: reductions.arg_max,
    ir.AveragePool2D: pooling.average_pool2d,
    ir.Concatenation: movement.concatenation,
    ir.Conv2D: weighted.conv2d,
    ir.DepthwiseConv2D: weighted.depthwise_conv2d,
    ir.Dequantize: activations.dequantize,
    ir.FullyConnected: weighted.fully_connected,
    ir.HardSwish: activations.by_table,
    ir.LeakyRelu: activations.by_table,
    ir.Logistic: activations.by_table,
    ir.MaxPool2D: pooling.max_pool2d,
    ir.Maximum: elementwise.maximum,
    ir.Mean: reductions.total,
    ir.Minimum: elementwise.minimum,
    ir.Mul: elementwise.mul,
    ir.Pad: movement.pad,
    ir.Quantize: activations.quantize,
    ir.ReduceMax: reductions.reduce_max,
    ir.Relu: activations.by_table,
    ir.Relu6: activations.by_table,
    ir.Reshape: movement.reshape,
    ir.ResizeNearestNeighbor: movement.resize_nearest_neighbor,
    ir.Slice: movement.take_slice,
    ir.Softmax: softmax.softmax,
    ir.Sub: elementwise.sub,
    ir.Sum: reductions.total,
    ir.Tanh: activations.by_table,
    ir.Transpose: movement.transpose,
}
"""Function of every operator class. It takes the operator, the graph and the operands, each ``(N, *shape)`` (a constant with
``N = 1``), and returns ``(N, *output shape)``."""

_CHUNK_ELEMENTS = 1 << 20
"""Bound on the elements of the widest intermediate array, which keeps memory low and the caches warm."""


def run(graph: ir.Graph, inputs: Mapping[str, Array], *, keep_all: bool = False) -> dict[str, Array]:
    """Compute the outputs, or with ``keep_all`` every activation, by tensor name.

    :param inputs: an array for each graph input, of its dtype; where the tensor's shape is ``(1, ...)`` the array is
        ``(N, ...)``, otherwise ``(N, *shape)``, with the same N for all inputs.
    :returns: arrays of the same form.
    :raises ValueError: if inputs do not fit the graph, or the graph lacks data.
    """
    samples, operands = _samples(graph, inputs)
    wanted = [t.name for t in graph.activations()] if keep_all else list(graph.outputs)
    if samples == 0:
        return {name: np.empty((0, *_sample_shape(graph[name])), dtype=graph[name].dtype) for name in wanted}
    step = max(1, _CHUNK_ELEMENTS // _widest(graph))
    chunks = [
        _run_chunk(graph, {name: x[start : start + step] for name, x in operands.items()}, wanted)
        for start in range(0, samples, step)
    ]
    return {name: _joined_batch(graph[name], np.concatenate([c[name] for c in chunks])) for name in wanted}


def _run_chunk(graph: ir.Graph, operands: Mapping[str, Array], wanted: list[str]) -> dict[str, Array]:
    samples = max((len(x) for x in operands.values()), default=1)
    values: dict[str, Array] = {t.name: t.data[np.newaxis] for t in graph.tensors.values() if t.data is not None}
    values.update(operands)
    for op in graph.ops:
        function = REFERENCE.get(type(op))
        if function is None:
            raise ir.GraphError(f"operator {op.name!r}: {op.kind} has no reference")
        result = function(op, graph, *(_value(values, op, name) for name in op.inputs))
        values[op.output] = result.reshape(result.shape[0], *graph[op.output].shape)
    return {name: np.broadcast_to(values[name], (samples, *graph[name].shape)) for name in wanted}


def _value(values: Mapping[str, Array], op: ir.Op, name: str) -> Array:
    if name not in values:
        raise ir.GraphError(f"operator {op.name!r}: {name!r} has no data")
    return values[name]


def _samples(graph: ir.Graph, inputs: Mapping[str, Array]) -> tuple[int, dict[str, Array]]:
    """Number of samples, and the inputs as ``(N, *shape)``."""
    if set(inputs) != set(graph.inputs):
        raise ValueError(f"graph {graph.name!r} takes the inputs {sorted(graph.inputs)}, got {sorted(inputs)}")
    operands: dict[str, Array] = {}
    for name, array in inputs.items():
        tensor = graph[name]
        if array.dtype != np.dtype(tensor.dtype):
            raise ValueError(f"input {name!r} must be {tensor.dtype}, got {array.dtype}")
        sample = _sample_shape(tensor)
        if array.shape[1:] != sample:
            raise ValueError(f"input {name!r} must have shape (N, {', '.join(map(str, sample))}), got {array.shape}")
        operands[name] = array.reshape(len(array), *tensor.shape)
    counts = {len(x) for x in operands.values()}
    if len(counts) > 1:
        raise ValueError(f"inputs of graph {graph.name!r} differ in their number of samples: {sorted(counts)}")
    return counts.pop() if counts else 1, operands


def _sample_shape(tensor: ir.Tensor) -> tuple[int, ...]:
    return tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape


def _joined_batch(tensor: ir.Tensor, array: Array) -> Array:
    return array.reshape(len(array), *_sample_shape(tensor))


def _widest(graph: ir.Graph) -> int:
    """Elements per sample of the widest array that the reference makes: an activation or a convolution's patches."""
    widest = max((t.size for t in graph.activations()), default=1)
    for op in graph.ops:
        if isinstance(op, ir.Conv2D):
            widest = max(widest, ir.macs(op, graph) // graph[op.output].shape[-1])
    return widest
