"""The layers that architectures are made of, and the shape-only graph of a list of them.

A space lists its layers once; the graph here and the torch module in :mod:`search_spaces._modules` are both read off that list,
so what is costed before training is what is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from codegen.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Op,
    Padding,
    Quantization,
    Tensor,
)
from search_spaces._inputs import Shape

Pair = tuple[int, int]
"""Height and width, of a kernel, stride, window or map."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """Convolution with batch normalisation, zero-padded by half the kernel; ``channels`` None means depthwise."""

    name: str
    channels: int | None
    kernel: Pair
    stride: Pair = (1, 1)
    activation: bool = True


@dataclass(frozen=True, slots=True)
class Residual:
    """Adds to the current map the one that entered ``layers`` layers ago."""

    name: str
    layers: int
    activation: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """Mean or maximum of each channel over windows side by side, cells that fill no window left out; ``window`` None means the
    whole map."""

    name: str
    kind: Literal["average", "max"]
    window: Pair | None = None


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected layer over the flattened input. With ``activation`` it is followed by batch normalisation and a ReLU.

    Where ``shape`` is given, the ``features`` leave as a map ``(H, W, C)`` of it.
    """

    name: str
    features: int
    activation: bool = False
    shape: Shape | None = None


Layer = Convolution | Residual | Pool | Dense
Part = tuple[Op, tuple[Tensor, ...]]

# Nominal quantization, so that kernels chosen for a shape-only graph resemble those of the trained one: what leaves a ReLU has
# zero point -128, and every other tensor has one of its own (two layers that differ in it cannot share generated code).
_RECTIFIED = Quantization((1.0,), -128)
_SIGNED = tuple(Quantization((1.0,), zero_point) for zero_point in range(-64, 64))


def padding_before(kernel: int) -> int:
    """Cells of padding before an axis and, as far as windows reach, behind it: half the kernel."""
    return (kernel - 1) // 2


def convolved(size: int, kernel: int, stride: int) -> int:
    """Size of an axis after a convolution; of odd kernels only the stride matters, even ones take a cell more."""
    return (size + 2 * padding_before(kernel) - kernel) // stride + 1


@lru_cache(maxsize=65536)
def _padding(size: Pair, kernel: Pair, stride: Pair) -> Padding:
    """Half the kernel before each axis; after it only the cells that the last window reaches."""
    before = [padding_before(k) for k in kernel]
    after = [max(0, (convolved(size[i], kernel[i], stride[i]) - 1) * stride[i] + kernel[i] - size[i] - before[i]) for i in (0, 1)]
    return Padding(before[0], after[0], before[1], after[1])


def _quantization(activation: bool, number: int) -> Quantization:
    return _RECTIFIED if activation else _SIGNED[number % len(_SIGNED)]


@lru_cache(maxsize=65536)
def _convolution(layer: Convolution, source: str, shape: tuple[int, ...], number: int) -> Part:
    height, width, depth = shape
    name, kernel, stride = layer.name, layer.kernel, layer.stride
    channels = depth if layer.channels is None else layer.channels
    output = (1, convolved(height, kernel[0], stride[0]), convolved(width, kernel[1], stride[1]), channels)
    weight, bias = name + "_weight", name + "_bias"
    form = (1, *kernel, depth) if layer.channels is None else (channels, *kernel, depth)
    op = (DepthwiseConv2D if layer.channels is None else Conv2D)(
        name=name,
        inputs=(source,),
        output=name,
        weight=weight,
        bias=bias,
        strides=stride,
        padding=_padding((height, width), kernel, stride),
    )
    tensors = (
        Tensor(weight, form, constant=True),
        Tensor(bias, (channels,), "int32", constant=True),
        Tensor(name, output, quantization=_quantization(layer.activation, number)),
    )
    return op, tensors


@lru_cache(maxsize=65536)
def _dense(layer: Dense, source: str, size: int, number: int) -> Part:
    name, output = layer.name, (1, *(layer.shape or (layer.features,)))
    weight, bias = name + "_weight", name + "_bias"
    tensors = (
        Tensor(weight, (layer.features, size), constant=True),
        Tensor(bias, (layer.features,), "int32", constant=True),
        Tensor(name, output, quantization=_quantization(layer.activation, number)),
    )
    return FullyConnected(name=name, inputs=(source,), output=name, weight=weight, bias=bias), tensors


@lru_cache(maxsize=65536)
def _pool(layer: Pool, source: Tensor) -> Part:
    _, height, width, channels = source.shape
    window = layer.window or (height, width)
    output = (1, height // window[0], width // window[1], channels)
    kind = AveragePool2D if layer.kind == "average" else MaxPool2D
    op = kind(name=layer.name, inputs=(source.name,), output=layer.name, window=window, strides=window)
    return op, (Tensor(layer.name, output, quantization=source.quantization),)


@lru_cache(maxsize=65536)
def _residual(layer: Residual, current: str, shortcut: str, shape: tuple[int, ...], number: int) -> Part:
    op = Add(name=layer.name, inputs=(current, shortcut), output=layer.name)
    return op, (Tensor(layer.name, shape, quantization=_quantization(layer.activation, number)),)


def shape_graph(name: str, input_shape: Shape, layers: Sequence[Layer], *, signed: bool = False) -> Graph:
    """The int8 graph of ``layers`` on an input of ``(H, W, C)``: shapes and names, no weights. ``signed``: whether the input's
    values may be negative.

    The parts are cached: the candidates of a search have most of their layers in common.
    """
    current = _input(input_shape, signed)
    tensors = {current.name: current}
    ops: list[Op] = []
    outputs = [current]
    for number, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            op, made = _convolution(layer, current.name, current.shape[1:], number)
        elif isinstance(layer, Residual):
            op, made = _residual(layer, current.name, outputs[-1 - layer.layers].name, current.shape, number)
        elif isinstance(layer, Pool):
            op, made = _pool(layer, current)
        else:
            op, made = _dense(layer, current.name, current.size, number)
        ops.append(op)
        for tensor in made:
            tensors[tensor.name] = tensor
        current = made[-1]
        outputs.append(current)
    return Graph(name, tensors, tuple(ops), ("input",), (current.name,))


@lru_cache(maxsize=64)
def _input(shape: Shape, signed: bool) -> Tensor:
    return Tensor("input", (1, *shape), quantization=_quantization(not signed, -1))
