"""Import of trained torch networks: fold, observe ranges, fine-tune under quantization if wanted, read off the int8 graph.

network = prepare(module, (8, 8, 1))
network.observe()            # then run it on training inputs
network.quantize()           # then evaluate it, or train it on
graph = to_graph(network, "digits")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codegen.errors import UserError
from codegen.importers._fake_quantization import LAYERS, Input, Layer, Observer, Value, Weighted, on_grid
from codegen.importers._step import Step
from codegen.importers._step_builder import SUPPORTED
from codegen.importers._trace import trace
from codegen.int4 import WeightBits, takes_int4
from codegen.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    DType,
    FullyConnected,
    Graph,
    HardSwish,
    LeakyRelu,
    Logistic,
    MaxPool2D,
    Mul,
    Op,
    Quantization,
    Relu,
    Relu6,
    Reshape,
    Softmax,
    Tanh,
    Tensor,
)

__all__ = ["SUPPORTED", "LayerOutputs", "QuantizedNetwork", "prepare", "to_graph"]


class LayerOutputs(NamedTuple):
    """Real outputs of one layer: in ``float``, ``int8`` behind int8 layers, and ``alone`` int8 behind float ones."""

    float: torch.Tensor
    int8: torch.Tensor
    alone: torch.Tensor


class QuantizedNetwork(nn.Module):
    """A folded network of one input and one output that computes in float or on the int8 grid.

    Takes and gives the real numbers that the original module does: float32 ``(N, C, H, W)``, ``(N, C, L)`` or ``(N, F)`` → its
    output, where a series ``(N, C, L)`` is ``(N, C, 1, L)``.
    """

    def __init__(self, steps: list[Step], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.input_shape = input_shape
        """``(H, W, C)``, of a series ``(1, L, C)``, of a vector ``(F,)``."""
        self.input_observer = Input()
        self.layers = nn.ModuleList(LAYERS[step.kind](step) for step in steps)

    def values(self, x: torch.Tensor) -> list[Value]:
        """The input and the output of every layer."""
        values: list[Value] = [self.input_observer(x.unsqueeze(2) if x.ndim == 3 else x)]
        for layer in self.layers:
            assert isinstance(layer, Layer)
            values.append(layer(*(values[i] for i in layer.step.inputs)))
        return values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.values(x)[-1]
        return output.x * output.scale

    def compare(self, x: torch.Tensor) -> Iterator[LayerOutputs]:
        """What every layer makes of ``x`` in float and on the int8 grid, in order; ranges stay as they are.

        :raises UserError: if no ranges have been observed.
        """
        self._set(observing=False, rounding=False)
        exact = self.values(x)
        self.quantize()
        rounded = self.values(x)
        for layer, real, whole in zip(self.layers, exact[1:], rounded[1:], strict=True):
            assert isinstance(layer, Layer)
            alone = layer(*(on_grid(exact[i].x, rounded[i]) for i in layer.step.inputs))
            yield LayerOutputs(real.x, whole.x * whole.scale, alone.x * alone.scale)

    def dead_filters(self) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
        """Weights and biases of layers some of whose filters are zero in both, and which ones (bool, by output channel)."""
        for layer in self.layers:
            if isinstance(layer, Weighted):
                zero = (layer.weight.detach().flatten(1) == 0).all(1) & (layer.bias.detach() == 0)
                if zero.any():
                    yield layer.weight, zero
                    yield layer.bias, zero

    def observe(self) -> None:
        """From now on compute in float and track the ranges of what passes."""
        self._set(observing=True, rounding=False)

    def quantize(self, *, observing: bool = False) -> None:
        """From now on round to the int8 grid, over fixed ranges or (``observing``) over ranges that go on adapting.

        The input's range stays as it is.


        :raises UserError: if no ranges have been observed.
        """
        if not self.input_observer.seen:
            raise UserError("the network has seen no data, so its ranges are unknown: run it on training inputs after observe()")
        self._set(observing=observing, rounding=True)
        self.input_observer.observing = False

    def _set(self, *, observing: bool, rounding: bool) -> None:
        for module in self.modules():
            if isinstance(module, Observer):
                module.observing = observing
                module.rounding = rounding


_CURVES: Mapping[str, type[Relu | Relu6 | HardSwish | Logistic | Tanh | Softmax]] = {
    "relu": Relu,
    "relu6": Relu6,
    "hard_swish": HardSwish,
    "sigmoid": Logistic,
    "tanh": Tanh,
    "softmax": Softmax,
}
"""Operators without settings of their own."""


def prepare(module: nn.Module, input_shape: tuple[int, ...], weight_bits: WeightBits = 8) -> QuantizedNetwork:
    """The network that will become an int8 graph, from ``module`` (in torch's layout) for one input of ``(H, W, C)``, a series of
    ``(L, C)`` or a vector of ``(F,)``.

    Supported is what :data:`SUPPORTED` says; dropout and identity disappear. Where ``weight_bits`` is 4, the weights of wide layers
    have four bits (:mod:`codegen.int4`).

    :raises UserError: if the module does not take such inputs; else naming the first operation that is not supported.
    """
    steps = trace(module, input_shape)
    network = QuantizedNetwork(steps, (1, *input_shape) if len(input_shape) == 2 else input_shape)
    if weight_bits == 4:
        for layer in network.layers:
            if isinstance(layer, Weighted):
                kind = {"convolution": Conv2D, "depthwise": DepthwiseConv2D, "linear": FullyConnected}[layer.step.kind]
                layer.on_int4 = takes_int4(kind, layer.weight.numel())
    return network


def to_graph(network: QuantizedNetwork, name: str) -> Graph:
    """The int8 graph of ``network``: operators, tensors and their names in the order of tracing.

    :raises UserError: if the network's ranges have not been observed.
    """
    network.quantize()
    *size, channels = network.input_shape
    device = network.input_observer.low.device
    with torch.no_grad():
        values = network.values(torch.zeros(1, channels, *size, device=device))
    tensors = {"input": Tensor("input", (1, *network.input_shape), quantization=_quantization(values[0]))}
    names, ops = ["input"], []
    for layer, value in zip(network.layers, values[1:], strict=True):
        assert isinstance(layer, Layer)
        sources = tuple(tensors[names[i]] for i in layer.step.inputs)
        op, made = _operator(layer, sources, values[layer.step.inputs[0]], value)
        for tensor in made:
            tensors[tensor.name] = tensor
        ops.append(op)
        names.append(op.output)
    return Graph(name, tensors, tuple(ops), ("input",), (names[-1],)).validate()


def _operator(layer: Layer, sources: tuple[Tensor, ...], value: Value, result: Value) -> tuple[Op, tuple[Tensor, ...]]:
    step = layer.step
    name, inputs, p = step.name, tuple(t.name for t in sources), step.padding
    quantization = _quantization(result)
    output = Tensor(name, _nhwc(step.shape), quantization=quantization)
    low, high = layer.clamp(result.scale, result.zero_point)
    clamp = (int(low + result.zero_point), int(high + result.zero_point))
    if isinstance(layer, Weighted):
        weight, bias = _constants(layer, sources[0], value)
        names: dict[str, Any] = {"name": name, "inputs": inputs, "output": name, "weight": weight.name, "bias": bias.name}
        if step.kind == "linear":
            return FullyConnected(**names, clamp=clamp), (weight, bias, output)
        kind = DepthwiseConv2D if step.kind == "depthwise" else Conv2D
        op = kind(**names, clamp=clamp, strides=step.strides, dilation=step.dilation, padding=p)
        return op, (weight, bias, output)
    if step.kind == "add":
        return Add(name=name, inputs=inputs, output=name, clamp=clamp), (output,)
    if step.kind == "product":
        return Mul(name=name, inputs=inputs, output=name, clamp=clamp), (output,)
    if step.kind == "leaky_relu":
        return LeakyRelu(name=name, inputs=inputs, output=name, alpha=step.slope), (output,)
    if (curve := _CURVES.get(step.kind)) is not None:
        return curve(name=name, inputs=inputs, output=name), (output,)
    if step.kind == "flatten":
        _, height, width, channels = sources[0].shape
        if channels > 1 and height * width > 1:
            raise UserError(f"the network ends in a flattened map of {height}x{width}x{channels}; end it in a layer")
        return Reshape(name=name, inputs=inputs, output=name), (output,)
    pool = AveragePool2D if step.kind == "average_pool" else MaxPool2D
    return pool(name=name, inputs=inputs, output=name, clamp=clamp, window=step.window, strides=step.strides, padding=p), (output,)


def _constants(layer: Weighted, source: Tensor, value: Value) -> tuple[Tensor, Tensor]:
    """Weights and bias as integers, in the layout of the operator."""
    scale = layer.weight_scale(value.scale)
    bias_scale = value.scale * scale
    with torch.no_grad():
        weight = layer.whole_weight(scale).round().to(torch.int8).cpu().numpy()
        bias = layer.whole_bias(bias_scale).round().to(torch.int32).cpu().numpy()
    if layer.step.kind == "linear" and len(layer.step.shape) == 4:
        # The outputs are a map: rows in its order.
        order = np.arange(len(bias)).reshape(layer.step.shape[1:]).transpose(1, 2, 0).ravel()
        weight, bias, scale, bias_scale = weight[order], bias[order], scale[order], bias_scale[order]
    axis = 0
    if layer.step.kind == "depthwise":
        weight, axis = weight.transpose(1, 2, 3, 0), 3
    elif layer.step.kind == "convolution":
        weight = weight.transpose(0, 2, 3, 1)
    elif len(source.shape) == 4:
        weight = _flattened_as_nhwc(weight, source)
    name = layer.step.name
    dtype: DType = "int4" if layer.on_int4 else "int8"
    return (
        Tensor(f"{name}_weight", weight.shape, dtype, Quantization(_floats(scale), 0, axis), np.ascontiguousarray(weight)),
        Tensor(f"{name}_bias", bias.shape, "int32", Quantization(_floats(bias_scale), 0, 0), bias),
    )


def _flattened_as_nhwc(weight: NDArray[np.int8], source: Tensor) -> NDArray[np.int8]:
    """Columns of a linear layer reordered from torch's ``(C, H, W)`` to the graph's ``(H, W, C)``."""
    _, height, width, channels = source.shape
    return weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)


def _nhwc(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


def _floats(scale: torch.Tensor) -> tuple[float, ...]:
    return tuple(scale.cpu().reshape(-1).tolist())


def _quantization(value: Value) -> Quantization:
    return Quantization(_floats(value.scale), int(value.zero_point))
