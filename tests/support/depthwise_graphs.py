"""Graphs of one depthwise convolution."""

from __future__ import annotations

import numpy as np

from codegen.ir import DepthwiseConv2D, Graph, Padding, Quantization, Tensor, output_shape

NO_PADDING = Padding()


def depthwise(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    kernel: tuple[int, int] = (3, 3),
    multiplier: int = 1,
    strides: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: Padding = NO_PADDING,
    zero_points: tuple[int, int] = (-5, 3),
    clamp: tuple[int, int] = (-128, 127),
    gain: float = 1.0,
    bias: bool = True,
) -> Graph:
    """A graph of one depthwise convolution; ``gain`` scales the output: 1 fills its range, more saturates."""
    channels = shape[2] * multiplier
    weights = rng.integers(-127, 128, (1, *kernel, channels)).astype(np.int8)
    scales = tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.008, channels))
    reach = 73.0 * (kernel[0] * kernel[1]) ** 0.5
    tensors = {
        "x": Tensor("x", (1, *shape), "int8", Quantization((0.05,), zero_points[0])),
        "w": Tensor("w", weights.shape, "int8", Quantization(scales, 0, 3), weights),
        "b": Tensor("b", (channels,), "int32", None, (rng.normal(0, reach * 20, channels)).astype(np.int32)),
    }
    op = DepthwiseConv2D(
        name="op",
        inputs=("x",),
        output="y",
        weight="w",
        bias="b" if bias else None,
        strides=strides,
        dilation=dilation,
        padding=padding,
        clamp=clamp,
    )
    out_shape = output_shape(op, Graph("g", tensors, (), ("x",), ()))
    assert out_shape is not None
    tensors["y"] = Tensor("y", out_shape, "int8", Quantization((float(np.float32(0.05 * 0.005 * reach / gain)),), zero_points[1]))
    return Graph("g", tensors, (op,), ("x",), ("y",)).validate()
