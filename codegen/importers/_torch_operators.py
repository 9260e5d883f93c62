"""Layers, functions and methods of torch as steps; batch normalisation, activations and padding go into the step they belong to."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.nn import functional

from codegen.importers._step import NO_PADDING, Curve, Kind, Step
from codegen.importers._step_builder import StepBuilder, argument, identifier, shape_as_map
from codegen.ir import Padding

_MAX_POOL = {"kernel_size": None, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}
_AVERAGE_POOL = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}
_FUNCTIONAL_POOLS: Mapping[Any, dict[str, Any]] = {
    **dict.fromkeys((functional.max_pool1d, functional.max_pool2d, torch.max_pool1d, torch.max_pool2d), _MAX_POOL),
    **dict.fromkeys((functional.avg_pool1d, functional.avg_pool2d), _AVERAGE_POOL),
}
"""Arguments of pooling functions behind the first, in order, with their defaults."""
_FUSING = frozenset({"convolution", "depthwise", "linear", "add", "product", "average_pool", "max_pool"})
"""Steps that take in the ReLU behind them."""


def convert_module(b: StepBuilder, node: fx.Node, layer: nn.Module) -> None:
    match layer:
        case nn.Conv1d() | nn.Conv2d():
            _convolution(b, node, layer)
        case nn.Linear():
            _linear(b, node, layer)
        case nn.BatchNorm2d() | nn.BatchNorm1d():
            _normalisation(b, node, layer)
        case nn.ReLU():
            _activation(b, node, "relu")
        case nn.ReLU6():
            _activation(b, node, "relu6")
        case nn.LeakyReLU():
            _curve(b, node, "leaky_relu", slope=layer.negative_slope)
        case nn.Hardswish():
            _curve(b, node, "hard_swish")
        case nn.Sigmoid():
            _curve(b, node, "sigmoid")
        case nn.Tanh():
            _curve(b, node, "tanh")
        case nn.Softmax():
            _softmax(b, node, layer.dim)
        case nn.AvgPool1d() | nn.AvgPool2d():
            _average_pool(b, node, {name: getattr(layer, name, default) for name, default in _AVERAGE_POOL.items()})
        case nn.MaxPool1d() | nn.MaxPool2d():
            _max_pool(b, node, {name: getattr(layer, name) for name in _MAX_POOL})
        case nn.AdaptiveAvgPool1d() | nn.AdaptiveAvgPool2d():
            _global_pool(b, node, layer.output_size)
        case nn.Flatten() | nn.Unflatten():
            _reshape(b, node)
        case nn.ZeroPad1d():
            _pad(b, node, Padding(0, 0, *layer.padding))
        case nn.ZeroPad2d():
            left, right, top, bottom = layer.padding
            _pad(b, node, Padding(top, bottom, left, right))
        case nn.Dropout() | nn.Dropout1d() | nn.Dropout2d() | nn.Identity():
            b.alias(node, node.all_input_nodes[0])
        case _:
            raise b.unsupported(node)


def convert_function(b: StepBuilder, node: fx.Node) -> None:
    target: Any = node.target
    if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
        _add(b, node)
    elif target in (functional.relu, torch.relu, "relu", "relu_"):
        _activation(b, node, "relu")
    elif target is functional.relu6:
        _activation(b, node, "relu6")
    elif target in (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_"):
        _product(b, node)
    elif target is functional.leaky_relu:
        _curve(b, node, "leaky_relu", slope=argument(node, 1, "negative_slope", 0.01))
    elif target is functional.hardswish:
        _curve(b, node, "hard_swish")
    elif target in (torch.sigmoid, functional.sigmoid, "sigmoid", "sigmoid_"):
        _curve(b, node, "sigmoid")
    elif target in (torch.tanh, functional.tanh, "tanh", "tanh_"):
        _curve(b, node, "tanh")
    elif target in (functional.softmax, torch.softmax, "softmax"):
        _softmax(b, node, argument(node, 1, "dim", None))
    elif target in (torch.flatten, "flatten", "view", "reshape", torch.reshape, "unflatten"):
        _reshape(b, node)
    elif target in (torch.mean, "mean"):
        _mean(b, node)
    elif target in (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d):
        _global_pool(b, node, node.args[1] if len(node.args) > 1 else node.kwargs["output_size"])
    elif target in _FUNCTIONAL_POOLS:
        known = _FUNCTIONAL_POOLS[target]
        settings = known | dict(zip(known, node.args[1:], strict=False)) | node.kwargs
        settings["stride"] = settings["stride"] or settings["kernel_size"]
        (_max_pool if known is _MAX_POOL else _average_pool)(b, node, settings)
    elif target is functional.dropout:
        b.alias(node, node.all_input_nodes[0])
    elif target in ("size", getattr, operator.getitem):
        pass  # batch size handed to a reshape
    else:
        raise b.unsupported(node)


def _convolution(b: StepBuilder, node: fx.Node, layer: nn.Conv1d | nn.Conv2d) -> None:
    value = b.values[node.all_input_nodes[0]]
    if layer.padding_mode != "zeros":
        raise b.unsupported(node, f"pads with {layer.padding_mode!r}; only zeros are supported")
    depthwise = layer.groups > 1
    if depthwise and layer.groups != layer.in_channels:
        raise b.unsupported(node, f"has {layer.groups} groups; only 1 and one per input channel are supported")
    line = isinstance(layer, nn.Conv1d)
    kernel, strides, dilation = _pair(layer.kernel_size, line, 1), _pair(layer.stride, line, 1), _pair(layer.dilation, line, 1)
    before = _padding_before(layer.padding, kernel, dilation, line)
    given = value.padding or NO_PADDING
    top, left = given.top + before[0], given.left + before[1]
    # After the map, only the cells that the last window reaches count as padding.
    size, out = b.size(value.number), shape_as_map(node)[2:]
    bottom, right = ((out[i] - 1) * strides[i] + (kernel[i] - 1) * dilation[i] + 1 - size[i] - (top, left)[i] for i in (0, 1))
    step = Step(
        "depthwise" if depthwise else "convolution",
        identifier(str(node.target)),
        (value.number,),
        (),
        weight=layer.weight.detach().clone().reshape(*layer.weight.shape[:2], *kernel),
        bias=torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().clone(),
        strides=strides,
        dilation=dilation,
        padding=Padding(top, max(0, bottom), left, max(0, right)),
    )
    b.append(node, step)


def _linear(b: StepBuilder, node: fx.Node, layer: nn.Linear) -> None:
    source = node.all_input_nodes[0]
    value = b.value(node, source)
    if len(shape_as_map(source)) != 2:
        raise b.unsupported(node, "works on the last axis of a map; flatten the map before it")
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().clone()
    weight = layer.weight.detach().clone()
    b.append(node, Step("linear", identifier(str(node.target)), (value.number,), (), weight=weight, bias=bias))


def _normalisation(b: StepBuilder, node: fx.Node, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    step = b.foldable(node)
    if step is None or step.weight is None or step.bias is None or step.activation != "none":
        raise b.unsupported(node, "does not directly follow a convolution or linear layer of its own")
    if layer.num_features != len(step.weight):
        raise b.unsupported(node, "does not normalise the channels of the layer before it")
    if layer.running_mean is None or layer.running_var is None:
        raise b.unsupported(node, "has no running statistics")
    factor = torch.rsqrt(layer.running_var + layer.eps)
    if layer.affine:
        factor = factor * layer.weight.detach()
    step.weight = step.weight * factor.reshape(-1, *[1] * (step.weight.ndim - 1))
    step.bias = (step.bias - layer.running_mean) * factor
    if layer.affine:
        step.bias = step.bias + layer.bias.detach()
    b.alias(node, node.all_input_nodes[0])


def _activation(b: StepBuilder, node: fx.Node, activation: Literal["relu", "relu6"]) -> None:
    step = b.foldable(node)
    if step is None or step.kind not in _FUSING:
        _curve(b, node, activation)
        return
    if step.activation != "relu6":
        step.activation = activation
    b.alias(node, node.all_input_nodes[0])


def _curve(b: StepBuilder, node: fx.Node, kind: Curve, *, slope: float = 0.0) -> None:
    """A step that maps every number by itself, of a flattened map too."""
    if not 0 <= slope < math.inf:
        raise b.unsupported(node, f"has the negative slope {slope}; 0 or more is supported")
    value = b.value(node, node.args[0])
    name = identifier(str(node.target)) if node.op == "call_module" else kind
    b.append(node, Step(kind, name, (value.number,), (), slope=slope))
    b.steps[-1].shape = b.shape_of(value.number)
    b.values[node] = replace(b.values[node], flat=value.flat)


def _softmax(b: StepBuilder, node: fx.Node, dim: Any) -> None:
    source = node.all_input_nodes[0]
    value, rank = b.value(node, source), len(source.meta["shape"])
    if not isinstance(dim, int) or dim % rank != 1 or math.prod(b.shape_of(value.number)[2:]) != 1:
        raise b.unsupported(node, "is not over the numbers of a vector; a softmax of (N, F) over axis 1 is supported")
    _curve(b, node, "softmax")


def _product(b: StepBuilder, node: fx.Node) -> None:
    if len(node.args) != 2:
        raise b.unsupported(node, "is not a plain product of two maps")
    sources = sorted(node.args, key=lambda source: -math.prod(shape_as_map(source)) if isinstance(source, fx.Node) else 0)
    one, other = (b.value(node, source) for source in sources)
    wide, narrow = (b.shape_of(value.number) for value in (one, other))
    if one.flat or other.flat or len(wide) != len(narrow) or any(n not in (1, w) for w, n in zip(wide, narrow, strict=True)):
        raise b.unsupported(node, f"multiplies values of the shapes {wide} and {narrow}")
    b.append(node, Step("product", b.scoped(node, "mul"), (one.number, other.number), ()))


def _add(b: StepBuilder, node: fx.Node) -> None:
    if len(node.args) != 2 or node.kwargs.get("alpha", 1) != 1:
        raise b.unsupported(node, "is not a plain sum of two maps")
    one, other = (b.value(node, source) for source in node.args)
    if one.flat or other.flat or len({shape_as_map(source) for source in node.all_input_nodes}) != 1:
        raise b.unsupported(node, "sums values of different shapes")
    b.append(node, Step("add", b.scoped(node, "add"), (one.number, other.number), ()))


def _average_pool(b: StepBuilder, node: fx.Node, settings: Mapping[str, Any]) -> None:
    if settings["divisor_override"] is not None:
        raise b.unsupported(node, "has a divisor of its own; leave divisor_override out")
    if settings["count_include_pad"] and max(_pair(settings["padding"])) > 0:
        raise b.unsupported(node, "counts padding cells; set count_include_pad=False")
    _pool(b, node, "average_pool", settings)


def _max_pool(b: StepBuilder, node: fx.Node, settings: Mapping[str, Any]) -> None:
    if settings["return_indices"]:
        raise b.unsupported(node, "returns indices; leave return_indices out")
    if max(_pair(settings["dilation"])) > 1:
        raise b.unsupported(node, "is dilated")
    _pool(b, node, "max_pool", settings)


def _pool(b: StepBuilder, node: fx.Node, kind: Kind, settings: Mapping[str, Any]) -> None:
    source = node.all_input_nodes[0]
    value = b.value(node, source)
    shape, size = shape_as_map(source), shape_as_map(node)
    window, strides, padding, ceil_mode = (settings[name] for name in ("kernel_size", "stride", "padding", "ceil_mode"))
    line = len(source.meta["shape"]) == 3
    (kh, kw), (sh, sw), (top, left) = _pair(window, line, 1), _pair(strides, line, 1), _pair(padding, line, 0)
    reach = (size[2] - 1) * sh + kh - shape[2] - top, (size[3] - 1) * sw + kw - shape[3] - left
    if ceil_mode and (reach[0] > top or reach[1] > left):
        raise b.unsupported(node, "lets windows hang over the edge; set ceil_mode=False")
    name = identifier(str(node.target)) if node.op == "call_module" else "pool"
    step = Step(kind, name, (value.number,), (), window=(kh, kw), strides=(sh, sw))
    step.padding = Padding(top, max(0, reach[0]), left, max(0, reach[1]))
    b.append(node, step)


def _global_pool(b: StepBuilder, node: fx.Node, output_size: Any, name: str | None = None) -> None:
    if max(_pair(output_size)) > 1:
        raise b.unsupported(node, f"pools to {output_size}; only 1 is supported")
    source = node.all_input_nodes[0]
    value, window = b.value(node, source), shape_as_map(source)[2:]
    name = name or (identifier(str(node.target)) if node.op == "call_module" else "pool")
    step = Step("average_pool", name, (value.number,), (), window=_pair(window), strides=_pair(window))
    b.append(node, step)


def _mean(b: StepBuilder, node: fx.Node) -> None:
    source = node.all_input_nodes[0]
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    rank = len(source.meta["shape"])
    named = {a % rank for a in axes} if isinstance(axes, (tuple, list)) else {axes % rank} if isinstance(axes, int) else set()
    if rank not in (3, 4) or named != set(range(2, rank)):
        raise b.unsupported(node, "is not a mean over height and width, or over the samples of a series")
    _global_pool(b, node, 1, "mean")
    step = b.steps[-1]
    if len(step.shape) == 2:
        step.shape = (*step.shape, 1, 1)
        b.alias(node, node, flat=True)


def _reshape(b: StepBuilder, node: fx.Node) -> None:
    """A map becomes a vector, or what leaves a linear layer becomes a map: that layer writes it as one."""
    source = node.all_input_nodes[0]
    value = b.value(node, source)
    step = None if value.shared or value.number == 0 else b.steps[value.number - 1]
    before, after = shape_as_map(source), shape_as_map(node)
    if after == before:
        b.alias(node, source)
    elif after == (1, math.prod(before)):
        b.alias(node, source, flat=True)
    elif len(after) == 4 and after[0] == 1 and step is not None and step.shape == before and step.kind == "linear":
        step.shape = after
        b.alias(node, source)
    else:
        raise b.unsupported(
            node, f"reshapes {before} to {after}; only flattening everything and a linear layer's output as a map are supported"
        )


def _pad(b: StepBuilder, node: fx.Node, padding: Padding) -> None:
    source = node.all_input_nodes[0]
    if min(padding.top, padding.bottom, padding.left, padding.right) < 0:
        raise b.unsupported(node, "crops")
    value = b.value(node, source)
    modules = dict(b.module.named_modules())
    if not all(isinstance(modules.get(str(user.target)), nn.Conv1d | nn.Conv2d) for user in node.users):
        raise b.unsupported(node, "is not followed by a convolution, which alone can take it in")
    b.values[node] = replace(value, padding=padding)


def _pair(value: Any, line: bool = False, across: int = 1) -> tuple[int, int]:
    """A setting along height and width; of a layer that works along a ``line`` it is ``across`` along the height."""
    values = tuple(value) if isinstance(value, (tuple, list, torch.Size)) else (value,)
    if line:
        return across, int(values[-1])
    return int(values[0]), int(values[-1])


def _padding_before(
    padding: str | tuple[int, ...], kernel: tuple[int, int], dilation: tuple[int, int], line: bool
) -> tuple[int, int]:
    """Cells before both axes, where torch puts the smaller half of an odd number."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return _pair(padding, line, 0)
