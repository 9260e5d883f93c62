"""The layers that architectures are made of, and the shape-only graph of a list of them.

A space lists its layers once; the graph here and the torch module in :mod:`search_spaces._modules` are both read off that list,
so what is costed before training is what is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from codegen.ir import Add, AveragePool2D, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Padding, Quantization, Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Convolution:
    """Convolution with batch normalisation, zero-padded by half the kernel; ``channels`` None means depthwise."""

    name: str
    channels: int | None
    kernel: int
    stride: int = 1
    activation: bool = True


@dataclass(frozen=True, slots=True)
class Residual:
    """Adds to the current map the one that entered ``layers`` layers ago."""

    name: str
    layers: int


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """Mean of each channel over the whole map."""

    name: str


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected layer over the flattened input, without activation."""

    name: str
    features: int


Layer = Convolution | Residual | GlobalAveragePool | Dense
Part = tuple[Op, tuple[Tensor, ...], tuple[int, ...]]

# Nominal quantization, so that kernels chosen for a shape-only graph resemble those of the trained one: what leaves a ReLU has
# zero point -128, and every other tensor has one of its own (two layers that differ in it cannot share generated code).
_RECTIFIED = Quantization((1.0,), -128)
_SIGNED = tuple(Quantization((1.0,), zero_point) for zero_point in range(-64, 64))


def halved(size: int, stride: int) -> int:
    """Size of an axis after a convolution of this stride, padded by half its (odd) kernel."""
    return (size - 1) // stride + 1


@lru_cache(maxsize=512)
def _padding(height: int, width: int, kernel: int, stride: int) -> Padding:
    """Half the kernel before each axis; after it only the cells that the last window reaches."""
    before = kernel // 2
    bottom, right = (max(0, (halved(size, stride) - 1) * stride + kernel - size - before) for size in (height, width))
    return Padding(before, bottom, before, right)


@lru_cache(maxsize=65536)
def _convolution(layer: Convolution, source: str, shape: Shape, number: int) -> Part:
    height, width, depth = shape
    name, kernel, stride = layer.name, layer.kernel, layer.stride
    channels = depth if layer.channels is None else layer.channels
    output = (1, halved(height, stride), halved(width, stride), channels)
    weight, bias = name + "_weight", name + "_bias"
    quantization = _RECTIFIED if layer.activation else _SIGNED[number % len(_SIGNED)]
    op: Op
    if layer.channels is None:
        form = (1, kernel, kernel, depth)
        op = DepthwiseConv2D(
            name=name,
            inputs=(source,),
            output=name,
            weight=weight,
            bias=bias,
            strides=(stride, stride),
            padding=_padding(height, width, kernel, stride),
        )
    else:
        form = (channels, kernel, kernel, depth)
        op = Conv2D(
            name=name,
            inputs=(source,),
            output=name,
            weight=weight,
            bias=bias,
            strides=(stride, stride),
            padding=_padding(height, width, kernel, stride),
        )
    tensors = (
        Tensor(weight, form, constant=True),
        Tensor(bias, (channels,), "int32", constant=True),
        Tensor(name, output, quantization=quantization),
    )
    return op, tensors, output


@lru_cache(maxsize=65536)
def _dense(layer: Dense, source: str, size: int) -> Part:
    name, output = layer.name, (1, layer.features)
    weight, bias = name + "_weight", name + "_bias"
    tensors = (
        Tensor(weight, (layer.features, size), constant=True),
        Tensor(bias, (layer.features,), "int32", constant=True),
        Tensor(name, output, quantization=_SIGNED[0]),
    )
    return FullyConnected(name=name, inputs=(source,), output=name, weight=weight, bias=bias), tensors, output


@lru_cache(maxsize=4096)
def _pool(name: str, source: Tensor) -> Part:
    _, height, width, channels = source.shape
    output = (1, 1, 1, channels)
    op = AveragePool2D(name=name, inputs=(source.name,), output=name, window=(height, width), strides=(height, width))
    return op, (Tensor(name, output, quantization=source.quantization),), output


@lru_cache(maxsize=65536)
def _residual(name: str, current: str, shortcut: str, shape: tuple[int, ...], number: int) -> Part:
    op = Add(name=name, inputs=(current, shortcut), output=name)
    return op, (Tensor(name, shape, quantization=_SIGNED[number % len(_SIGNED)]),), shape


def shape_graph(name: str, input_shape: Shape, layers: Sequence[Layer]) -> Graph:
    """The int8 graph of ``layers`` on an input of ``(H, W, C)``: shapes and names, no weights.

    The parts are cached: the candidates of a search have most of their layers in common.
    """
    current = _input(input_shape)
    tensors = {current.name: current}
    ops: list[Op] = []
    outputs = [current]
    for number, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            op, made, _ = _convolution(layer, current.name, current.shape[1:], number)
        elif isinstance(layer, Residual):
            op, made, _ = _residual(layer.name, current.name, outputs[-1 - layer.layers].name, current.shape, number)
        elif isinstance(layer, GlobalAveragePool):
            op, made, _ = _pool(layer.name, current)
        else:
            op, made, _ = _dense(layer, current.name, current.size)
        ops.append(op)
        for tensor in made:
            tensors[tensor.name] = tensor
        current = made[-1]
        outputs.append(current)
    return Graph(name, tensors, tuple(ops), ("input",), (current.name,))


@lru_cache(maxsize=64)
def _input(shape: Shape) -> Tensor:
    return Tensor("input", (1, *shape), quantization=_RECTIFIED)
