"""Small random int8 networks for tests, quantized such that activations fill their range without saturating everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from codegen import ir
from codegen.requantize import bias_scales

_SPREAD = 45.0  # aimed-at standard deviation of an activation, in quantization steps


def _float32(value: float) -> float:
    return float(np.float32(value))


class GraphBuilder:
    """Adds one operator after the other; every method takes and returns names of tensors."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self._rng = np.random.default_rng(seed)
        self._tensors: dict[str, ir.Tensor] = {}
        self._ops: list[ir.Op] = []
        self._inputs: list[str] = []

    def input(self, *shape: int, grid: tuple[float, int] | None = None) -> str:
        """A graph input of this shape (batch axis included), with the scale and the zero point of ``grid``."""
        name = f"input{len(self._inputs)}"
        self._inputs.append(name)
        scale, zero_point = grid or (0.04, int(self._rng.integers(-128, 128)))
        return self._activation(name, shape, _float32(scale), zero_point)

    def conv(self, x: str, channels: int, kernel: tuple[int, int] = (3, 3), **options: Any) -> str:
        """Convolution; options ``strides``, ``padding`` ("same" or "valid"), ``relu``."""
        weight_shape = (channels, *kernel, self._shape(x)[3])
        return self._windowed(ir.Conv2D, x, weight_shape, channels, axis=0, **options)

    def depthwise(self, x: str, kernel: tuple[int, int] = (3, 3), multiplier: int = 1, **options: Any) -> str:
        """Depthwise convolution; options as :meth:`conv`."""
        channels = self._shape(x)[3] * multiplier
        return self._windowed(ir.DepthwiseConv2D, x, (1, *kernel, channels), channels, axis=3, **options)

    def dense(self, x: str, units: int, relu: bool = False) -> str:
        """Fully connected layer over the whole input."""
        fan_in = self._tensors[x].size
        name, scale, weights = self._parameters(x, (units, fan_in), fan_in, units, axis=0)
        y = self._activation(f"{name}_out", (1, units), scale, self._zero_point(relu))
        self._ops.append(ir.FullyConnected(name=name, inputs=(x,), output=y, clamp=self._clamp(y, relu), **weights))
        return y

    def average_pool(self, x: str, window: tuple[int, int], strides: tuple[int, int] | None = None, padding: str = "valid") -> str:
        """Average pooling."""
        return self._pool(ir.AveragePool2D, x, window, strides, padding)

    def max_pool(self, x: str, window: tuple[int, int], strides: tuple[int, int] | None = None, padding: str = "valid") -> str:
        """Maximum pooling."""
        return self._pool(ir.MaxPool2D, x, window, strides, padding)

    def global_pool(self, x: str) -> str:
        """Average over height and width."""
        return self.average_pool(x, self._shape(x)[1:3])

    def add(self, a: str, b: str, relu: bool = False) -> str:
        """Sum of two tensors."""
        scale = _float32(math.hypot(self._tensors[a].scale, self._tensors[b].scale))
        y = self._activation(f"{self._next('add')}_out", self._shape(a), scale, self._zero_point(relu))
        self._ops.append(ir.Add(name=self._next("add"), inputs=(a, b), output=y, clamp=self._clamp(y, relu)))
        return y

    def reshape(self, x: str, *shape: int) -> str:
        """The same data under another shape."""
        t = self._tensors[x]
        y = self._activation(f"{self._next('reshape')}_out", shape, t.scale, t.zero_point)
        self._ops.append(ir.Reshape(name=self._next("reshape"), inputs=(x,), output=y))
        return y

    def softmax(self, x: str) -> str:
        """Softmax over the last axis."""
        fixed = ir.FIXED_OUTPUTS[ir.Softmax]
        y = self._activation(f"{self._next('softmax')}_out", self._shape(x), *fixed.scale, fixed.zero_point)
        self._ops.append(ir.Softmax(name=self._next("softmax"), inputs=(x,), output=y))
        return y

    def arg_max(self, x: str) -> str:
        """Index of the maximum over the last axis, int32."""
        y = f"{self._next('argmax')}_out"
        self._tensors[y] = ir.Tensor(y, self._shape(x)[:-1], "int32")
        self._ops.append(ir.ArgMax(name=self._next("argmax"), inputs=(x,), output=y))
        return y

    def graph(self, *outputs: str) -> ir.Graph:
        """The finished, validated graph."""
        return ir.Graph(self.name, dict(self._tensors), tuple(self._ops), tuple(self._inputs), outputs).validate()

    def _next(self, kind: str) -> str:
        return f"{kind}{len(self._ops)}"

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def _activation(self, name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> str:
        self._tensors[name] = ir.Tensor(name, shape, "int8", ir.Quantization((scale,), zero_point))
        return name

    def _zero_point(self, relu: bool) -> int:
        return -128 if relu else int(self._rng.integers(-40, 40))

    def _clamp(self, name: str, relu: bool) -> tuple[int, int]:
        return (self._tensors[name].zero_point, 127) if relu else (-128, 127)

    def _parameters(
        self, x: str, weight_shape: tuple[int, ...], fan_in: int, channels: int, axis: int
    ) -> tuple[str, float, dict[str, str]]:
        """Random weights and biases: name of the operator, scale of its output, names of the parameters."""
        name = self._next("layer")
        weights = self._rng.integers(-127, 128, weight_shape).astype(np.int8)
        scales = tuple(_float32(s) for s in self._rng.uniform(0.002, 0.008, channels))
        reach = math.sqrt(fan_in) * _SPREAD * 73.0  # standard deviations of a sum of products, in units of both scales
        biases = self._rng.normal(0, reach / 2, channels).astype(np.int32)
        input_scale = self._tensors[x].scale
        self._tensors[f"{name}_w"] = ir.Tensor(f"{name}_w", weight_shape, "int8", ir.Quantization(scales, 0, axis), weights)
        self._tensors[f"{name}_b"] = ir.Tensor(
            f"{name}_b", (channels,), "int32", ir.Quantization(bias_scales(input_scale, scales), 0, 0), biases
        )
        return name, _float32(input_scale * 0.005 * reach / _SPREAD), {"weight": f"{name}_w", "bias": f"{name}_b"}

    def _padding(self, x: str, kernel: tuple[int, int], strides: tuple[int, int], padding: str) -> ir.Padding:
        if padding == "valid":
            return ir.Padding()
        totals = [
            max(0, (-(-size // s) - 1) * s + k - size) for size, k, s in zip(self._shape(x)[1:3], kernel, strides, strict=True)
        ]
        return ir.Padding(totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2)

    def _windowed(
        self,
        kind: type[ir.Conv2D] | type[ir.DepthwiseConv2D],
        x: str,
        weight_shape: tuple[int, ...],
        channels: int,
        *,
        axis: int,
        strides: tuple[int, int] = (1, 1),
        padding: str = "same",
        relu: bool = True,
    ) -> str:
        kernel = weight_shape[1:3]
        fan_in = kernel[0] * kernel[1] * (weight_shape[3] if kind is ir.Conv2D else 1)
        name, scale, weights = self._parameters(x, weight_shape, fan_in, channels, axis)
        pad = self._padding(x, kernel, strides, padding)
        y = f"{name}_out"
        draft = kind(name=name, inputs=(x,), output=y, strides=strides, padding=pad, **weights)
        shape = ir.output_shape(draft, ir.Graph("", self._tensors, (), (), ()))
        assert shape is not None
        self._activation(y, shape, scale, self._zero_point(relu))
        self._ops.append(
            kind(name=name, inputs=(x,), output=y, strides=strides, padding=pad, clamp=self._clamp(y, relu), **weights)
        )
        return y

    def _pool(
        self,
        kind: type[ir.AveragePool2D] | type[ir.MaxPool2D],
        x: str,
        window: tuple[int, int],
        strides: tuple[int, int] | None,
        padding: str,
    ) -> str:
        name = self._next("pool")
        steps = strides or window
        y = f"{name}_out"
        op = kind(name=name, inputs=(x,), output=y, window=window, strides=steps, padding=self._padding(x, window, steps, padding))
        shape = ir.output_shape(op, ir.Graph("", self._tensors, (), (), ()))
        assert shape is not None
        self._activation(y, shape, self._tensors[x].scale, self._tensors[x].zero_point)
        self._ops.append(op)
        return y


def convolutional(name: str = "convolutional") -> ir.Graph:
    """Convolutions with odd channel counts and a stride, maximum pooling, a dense layer."""
    b = GraphBuilder(name, seed=1)
    x = b.conv(b.input(1, 9, 8, 3), 6, strides=(2, 2))
    x = b.max_pool(x, (2, 2))
    x = b.conv(x, 5, (2, 1), padding="valid")
    return b.graph(b.dense(x, 7))


def separable(name: str = "separable") -> ir.Graph:
    """Depthwise and pointwise convolutions, global pooling, softmax."""
    b = GraphBuilder(name, seed=2)
    x = b.conv(b.input(1, 8, 8, 1), 8)
    x = b.depthwise(x, strides=(2, 2))
    x = b.conv(x, 12, (1, 1))
    x = b.depthwise(x, (5, 3))
    x = b.conv(x, 16, (1, 1))
    x = b.global_pool(x)
    x = b.reshape(x, 1, 16)
    return b.graph(b.softmax(b.dense(x, 10)))


def residual(name: str = "residual") -> ir.Graph:
    """An inverted residual block whose sum reads a tensor that lives long, then average pooling."""
    b = GraphBuilder(name, seed=3)
    x = b.conv(b.input(1, 6, 6, 4), 8)
    y = b.conv(x, 24, (1, 1))
    y = b.depthwise(y)
    y = b.conv(y, 8, (1, 1), relu=False)
    x = b.add(x, y)
    x = b.average_pool(x, (3, 3), (2, 2), "same")
    return b.graph(b.dense(x, 4))


def dense(name: str = "dense") -> ir.Graph:
    """An autoencoder of dense layers."""
    b = GraphBuilder(name, seed=4)
    x = b.dense(b.input(1, 37), 16, relu=True)
    x = b.dense(x, 6, relu=True)
    x = b.dense(x, 16, relu=True)
    return b.graph(b.dense(x, 37))


def two_headed(name: str = "two_headed") -> ir.Graph:
    """Two inputs; an int8 and an int32 output."""
    b = GraphBuilder(name, seed=5)
    x = b.add(b.conv(b.input(1, 5, 5, 2), 4), b.conv(b.input(1, 5, 5, 3), 4, (1, 1)))
    logits = b.dense(x, 6)
    return b.graph(logits, b.arg_max(logits))


def image(name: str = "image") -> ir.Graph:
    """Few channels at full size, a residual block, more channels at half the size: most memory is needed at the start."""
    b = GraphBuilder(name, seed=7)
    x = b.conv(b.input(1, 32, 24, 3), 8, strides=(2, 2))
    y = b.conv(x, 32, (1, 1))
    y = b.depthwise(y)
    x = b.add(x, b.conv(y, 8, (1, 1), relu=False))
    x = b.depthwise(b.conv(x, 40, (1, 1)), (5, 5), strides=(2, 2))
    x = b.max_pool(b.conv(x, 12, (1, 1)), (2, 2))
    return b.graph(b.dense(b.global_pool(x), 5))


def packed(name: str = "packed") -> ir.Graph:
    """Weights of four bits, in layers of every kernel that unpacks them, of sizes that fill no word."""
    b = GraphBuilder(name, seed=8)
    x = b.conv(b.input(1, 7, 6, 3), 13)
    x = b.conv(x, 22, (1, 1))
    x = b.depthwise(x, strides=(2, 2))
    x = b.conv(x, 9, (2, 2), padding="valid")
    graph = b.graph(b.dense(b.dense(x, 19, relu=True), 5))
    short = {op.weight: graph[op.weight] for op in graph.ops if isinstance(op, ir.Conv2D | ir.FullyConnected)}
    for key, t in short.items():
        assert t.data is not None
        assert t.quantization is not None
        scales = ir.Quantization(tuple(16 * s for s in t.quantization.scale), 0, t.quantization.axis)
        short[key] = ir.Tensor(key, t.shape, "int4", scales, t.data >> 4)
    return ir.Graph(name, {**graph.tensors, **short}, graph.ops, graph.inputs, graph.outputs).validate()


NETWORKS: Mapping[str, Callable[[str], ir.Graph]] = {
    f.__name__: f for f in (convolutional, separable, residual, dense, two_headed, packed)
}
"""Makers of networks by name; the argument names the graph."""


def random_inputs(graph: ir.Graph, count: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Uniform random int8 inputs, ``(count, *shape without batch)`` per graph input."""
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-128, 128, (count, *graph[name].shape[1:])).astype(np.int8) for name in graph.inputs}
