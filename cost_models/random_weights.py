"""Random weights and quantization for a shape-only graph, so that it can be compiled, run and measured before any training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codegen.ir import (
    FIXED_OUTPUTS,
    Add,
    ArgMax,
    Concatenation,
    DepthwiseConv2D,
    Graph,
    Logistic,
    Maximum,
    Minimum,
    Mul,
    Op,
    Pad,
    Pool2D,
    Quantization,
    ReduceMax,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Slice,
    Softmax,
    Sub,
    Sum,
    Tanh,
    Tensor,
    Transpose,
    Weighted,
    macs,
)
from codegen.requantize import bias_scales

ACTIVATION_SCALE = 0.05
LARGE_SCALE = 4.0
"""Of the weights of a channel: above the ratio of any two activations' scales."""
LEAST_LARGEST = 64
"""Every channel has a weight of this or more."""
INT4_SHIFT = 4
"""Bits by which weights of four bits, and the biases beside them, are shorter."""


def fill(graph: Graph, rng: np.random.Generator, *, bounded: bool = True) -> Graph:
    """``graph`` with random int8 weights, int32 biases and quantization of the magnitudes that trained networks have.

    Zero points that the graph already names are kept; else outputs of weighted operators get -128 (as after a ReLU) in half of the
    cases. Requantisation multipliers are such that most outputs fall inside the int8 range; unless ``bounded`` each weighted
    operator has a channel whose multiplier is above 1, which the short form of requantisation does not serve.
    """
    tensors = dict(graph.tensors)
    for name in graph.inputs:
        tensors[name] = replace(tensors[name], quantization=_activation(rng, 0.3, tensors[name]))
    for op in graph.ops:
        for name in op.inputs:
            if tensors[name].constant and tensors[name].data is None:
                data = rng.integers(-128, 128, tensors[name].shape, dtype=np.int8)
                tensors[name] = replace(tensors[name], data=data, quantization=_activation(rng, 0.0, tensors[name]))
        if isinstance(op, Weighted):
            _fill_weights(op, graph, tensors, rng, bounded)
        tensors[op.output] = replace(tensors[op.output], quantization=_output(op, tensors, rng))
    return replace(graph, tensors=tensors).validate()


def random_input(tensor: Tensor, rng: np.random.Generator) -> NDArray[np.int8]:
    """Values over the whole int8 range in the tensor's shape."""
    return rng.integers(-128, 128, tensor.shape, dtype=np.int8)


def _activation(rng: np.random.Generator, relu: float, tensor: Tensor) -> Quantization:
    """A random scale, with the tensor's own zero point or a random one (-128 with probability ``relu``)."""
    scale = float(np.float32(ACTIVATION_SCALE * rng.uniform(0.5, 1.5)))
    zero_point = -128 if rng.random() < relu else int(rng.integers(-100, 101))
    return Quantization((scale,), zero_point if tensor.quantization is None else tensor.zero_point)


def _scaled(quantization: Quantization, factor: float) -> Quantization:
    """The same zero point with a scale that is ``factor`` times as large."""
    return replace(quantization, scale=tuple(float(np.float32(scale * factor)) for scale in quantization.scale))


def _fill_weights(op: Weighted, graph: Graph, tensors: dict[str, Tensor], rng: np.random.Generator, bounded: bool) -> None:
    weight = tensors[op.weight]
    axis = 3 if isinstance(op, DepthwiseConv2D) else 0
    channels = weight.shape[axis]
    # Output values spread with the square root of the number of products that each sums; this keeps them inside int8 at the
    # output's scale.
    typical = 1.0 / (60.0 * np.sqrt(macs(op, graph) // graph[op.output].size))
    scales = tuple(float(s) for s in (typical * rng.uniform(0.4, 1.0, channels)).astype(np.float32))
    if not bounded:
        scales = (LARGE_SCALE, *scales[1:])
    data = _alive(rng.integers(-127, 128, weight.shape, dtype=np.int8), axis)
    shift = 0
    if weight.dtype == "int4":
        data, scales = data >> INT4_SHIFT, tuple(scale * 2**INT4_SHIFT for scale in scales)
        data[data == 0] = 1  # else a channel that few filters read is now and then read by none, and cut out
        shift = INT4_SHIFT
    tensors[op.weight] = replace(weight, data=data, quantization=Quantization(scales, 0, axis))
    if op.bias is not None:
        values = rng.integers(-2000, 2001, tensors[op.bias].shape, dtype=np.int32) >> shift
        grid = Quantization(bias_scales(tensors[op.inputs[0]].scale, scales), 0, 0)
        tensors[op.bias] = replace(tensors[op.bias], data=values, quantization=grid)


def _alive(weight: NDArray[np.int8], axis: int) -> NDArray[np.int8]:
    """``weight`` with one clearly positive value in every channel that has none.

    On what leaves a ReLU, a channel of negative weights alone is 0 whatever the input, and the compiler would cut it out: of
    windows of three taps every eighth channel.
    """
    channels = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).copy()
    few = channels.max(axis=1) < LEAST_LARGEST
    channels[few, 0] = LEAST_LARGEST + np.abs(channels[few, 0]) % LEAST_LARGEST
    moved = np.moveaxis(weight, axis, 0).shape
    return np.ascontiguousarray(np.moveaxis(channels.reshape(moved), 0, axis))


def _output(op: Op, tensors: dict[str, Tensor], rng: np.random.Generator) -> Quantization | None:
    match op:
        case Pool2D() | Reshape() | Maximum() | Minimum() | ReduceMax() | Relu6():
            return tensors[op.inputs[0]].quantization
        case Pad() | Concatenation() | Slice() | Transpose() | ResizeNearestNeighbor():
            return tensors[op.inputs[0]].quantization
        case Softmax() | Logistic() | Tanh():
            return FIXED_OUTPUTS[type(op)]
        case Mul():
            return _scaled(_activation(rng, 0.3, tensors[op.output]), 60 * tensors[op.inputs[1]].scale)
        case Sum():
            x = tensors[op.inputs[0]]
            return _scaled(_activation(rng, 0.3, tensors[op.output]), math.sqrt(x.size / tensors[op.output].size))
        case ArgMax():
            return None
        case Add() | Sub():
            return _activation(rng, 0.3, tensors[op.output])
        case _:
            return _activation(rng, 0.5, tensors[op.output])
