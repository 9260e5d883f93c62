"""From a torch module to a plain list of steps that each become one operator.

The module is traced symbolically; batch normalisation, activations and explicit padding are folded into the operator that they
belong to, and what does nothing at inference (dropout, identity) disappears. Shapes here are torch's ``(N, C, H, W)``, or
``(N, F)`` of vectors; series ``(N, C, L)`` count as maps of height 1.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from codegen.errors import UserError
from codegen.ir import Padding

Activation = Literal["none", "relu", "relu6"]
Curve = Literal["relu", "relu6", "leaky_relu", "hard_swish", "sigmoid", "tanh", "softmax"]
Kind = Literal["convolution", "depthwise", "linear", "add", "product", "average_pool", "max_pool", "flatten"] | Curve

_NO_PADDING = Padding()
_NO_FORM = "has no int8 form here"


@dataclass
class Step:
    """One operator. ``inputs`` are numbers of earlier values: 0 is the network's input, ``i + 1`` the output of step ``i``."""

    kind: Kind
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    """Of the output, with a batch axis of 1; four axes where a linear layer makes a map."""
    activation: Activation = "none"
    weight: Tensor | None = None
    bias: Tensor | None = None
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = _NO_PADDING
    slope: float = 0.0
    """Of a leaky ReLU, for numbers below zero."""


@dataclass(frozen=True)
class _Value:
    """What a traced node stands for: the value ``number``, under a padding not yet applied, or flattened."""

    number: int
    shared: bool
    """Whether another node reads it too, so that nothing may be folded into the step that makes it."""
    padding: Padding | None = None
    flat: bool = False


SUPPORTED = (
    "Conv1d and Conv2d (plain or depthwise), Linear, BatchNorm after these, ReLU, ReLU6, LeakyReLU, Hardswish, Sigmoid, Tanh, "
    "Softmax of vectors, average and max pooling, means over a map, sums and products of two maps, flatten, unflatten after "
    "Linear, dropout, ZeroPad before a convolution"
)
"""What a module may be made of, in words."""
_CURVES = "use ReLU, ReLU6, LeakyReLU or Hardswish"
_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("LogSoftmax", "log_softmax", "LogSigmoid", "logsigmoid"), "leave the logarithm off: the order stays the same"),
    **dict.fromkeys(("GELU", "SiLU", "Mish", "ELU", "PReLU", "Softplus", "Hardsigmoid"), _CURVES),
    **dict.fromkeys(("gelu", "silu", "mish", "elu", "prelu", "softplus", "hardsigmoid", "clamp"), _CURVES),
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d"), "use BatchNorm after a convolution or Linear"),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "MultiheadAttention"), "use Conv1d over time"),
    **dict.fromkeys(("cat", "concat"), "join two maps by adding them"),
}
"""What to write instead, by the name of what is not supported."""
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


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """Steps of ``module`` in evaluation mode on one input of ``(H, W, C)``, a series of ``(L, C)`` or a vector of ``(F,)``. The
    last one makes the output.

    :raises UserError: if the module does not take such inputs; else naming the first operation that has no int8 form here, with its
        module.
    """
    *size, channels = input_shape
    shape = (1, channels, *size)
    module, tracer = copy.deepcopy(module).cpu().eval(), fx.Tracer()
    if tracer.is_leaf_module(module, ""):  # one layer is a network too
        module = nn.Sequential(module)
    try:
        graph = tracer.trace(module)
    except Exception as error:  # whatever the traced code does with a value that is not there yet
        raise UserError(f"the network cannot be traced: {error}") from error
    # Not as a GraphModule: that has names of its own, code and graph, which a network's layers may have as well.
    shapes = _Shapes(module, graph=graph)
    try:
        with torch.no_grad():
            shapes.run(torch.zeros(shape))
    except Exception as error:  # whatever its layers do not take
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"the network does not take inputs of shape ({', '.join(map(str, ('N', *shape[1:])))}): {reason}"
        ) from error
    return _Reader(module, graph, _map_shape(shape)).read()


class _Shapes(fx.Interpreter):
    """Computes a graph and notes at each node the shape of its value."""

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False  # it would be part of the message

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            n.meta["shape"] = tuple(value.shape)
        return value


@dataclass
class _Reader:
    module: nn.Module
    graph: fx.Graph
    input_shape: tuple[int, ...]
    steps: list[Step] = field(default_factory=list)
    values: dict[fx.Node, _Value] = field(default_factory=dict)

    def read(self) -> list[Step]:
        for node in self.graph.nodes:
            if node.op == "placeholder":
                if self.values:
                    raise UserError(f"the network takes a second input, {node.target!r}; one is supported")
                self.values[node] = _Value(0, len(node.users) > 1)
            elif node.op == "output":
                return self._finish(node)
            elif node.op == "call_module":
                self._module(node, self.module.get_submodule(str(node.target)))
            elif node.op in ("call_function", "call_method"):
                self._function(node)
            else:
                raise UserError(f"the network reads its own tensor {node.target!r} outside of a layer; that is not supported")
        raise AssertionError("a traced graph ends in an output")

    def _finish(self, node: fx.Node) -> list[Step]:
        result = node.args[0]
        if not isinstance(result, fx.Node):
            raise UserError("the network returns several values; one is supported")
        value = self._value(result, result)
        if value.flat:
            self._append(result, Step("flatten", "flatten", (value.number,), ()))
            value = self.values[result]
        if value.number != len(self.steps) or not self.steps:
            raise UserError("the network's output is not that of its last layer")
        return self.steps

    # Values and steps

    def _value(self, node: fx.Node, source: Any) -> _Value:
        """The value of ``source``, which ``node`` reads, without padding."""
        if not isinstance(source, fx.Node) or source not in self.values:
            raise self._unsupported(node, "reads something that is not a layer's output")
        value = self.values[source]
        if value.padding is not None:
            raise self._unsupported(node, "follows a padding that only a convolution can take in")
        return value

    def _append(self, node: fx.Node, step: Step) -> None:
        taken = {s.name for s in self.steps} | {"input"}
        name, count = step.name, 1
        while step.name in taken:
            step.name = f"{name}_{count}"
            count += 1
        step.shape = _shape(node)
        self.steps.append(step)
        self.values[node] = _Value(len(self.steps), len(node.users) > 1)

    def _alias(self, node: fx.Node, source: fx.Node, **changes: Any) -> None:
        """``node`` is ``source`` under another form."""
        value = self.values[source]
        self.values[node] = replace(value, shared=value.shared or len(node.users) > 1, **changes)

    def _foldable(self, node: fx.Node) -> Step | None:
        """The step whose output ``node`` alone reads."""
        source = node.args[0]
        value = self._value(node, source)
        return None if value.shared or value.number == 0 else self.steps[value.number - 1]

    def _unsupported(self, node: fx.Node, why: str = _NO_FORM) -> UserError:
        target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        kind, where = target, "the network"
        if node.op == "call_module":
            kind = type(self.module.get_submodule(target)).__name__
        elif scope := next(reversed(node.meta.get("nn_module_stack", {})), ""):
            where = f"{type(self.module.get_submodule(scope)).__name__} {scope!r} of the network"
        what = f"{kind if node.op == 'call_module' else 'operation'} {target!r} of {where}"
        instead = f"; {_INSTEAD.get(kind, f'supported are {SUPPORTED}')}" if why == _NO_FORM else ""
        return UserError(f"cannot import {what}: it {why}{instead}")

    # Layers

    def _module(self, node: fx.Node, layer: nn.Module) -> None:
        match layer:
            case nn.Conv1d() | nn.Conv2d():
                self._convolution(node, layer)
            case nn.Linear():
                self._linear(node, layer)
            case nn.BatchNorm2d() | nn.BatchNorm1d():
                self._normalisation(node, layer)
            case nn.ReLU():
                self._activation(node, "relu")
            case nn.ReLU6():
                self._activation(node, "relu6")
            case nn.LeakyReLU():
                self._curve(node, "leaky_relu", slope=layer.negative_slope)
            case nn.Hardswish():
                self._curve(node, "hard_swish")
            case nn.Sigmoid():
                self._curve(node, "sigmoid")
            case nn.Tanh():
                self._curve(node, "tanh")
            case nn.Softmax():
                self._softmax(node, layer.dim)
            case nn.AvgPool1d() | nn.AvgPool2d():
                self._average_pool(node, {name: getattr(layer, name, default) for name, default in _AVERAGE_POOL.items()})
            case nn.MaxPool1d() | nn.MaxPool2d():
                self._max_pool(node, {name: getattr(layer, name) for name in _MAX_POOL})
            case nn.AdaptiveAvgPool1d() | nn.AdaptiveAvgPool2d():
                self._global_pool(node, layer.output_size)
            case nn.Flatten() | nn.Unflatten():
                self._reshape(node)
            case nn.ZeroPad1d():
                self._pad(node, Padding(0, 0, *layer.padding))
            case nn.ZeroPad2d():
                left, right, top, bottom = layer.padding
                self._pad(node, Padding(top, bottom, left, right))
            case nn.Dropout() | nn.Dropout1d() | nn.Dropout2d() | nn.Identity():
                self._alias(node, node.all_input_nodes[0])
            case _:
                raise self._unsupported(node)

    def _function(self, node: fx.Node) -> None:
        target: Any = node.target
        if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
            self._add(node)
        elif target in (functional.relu, torch.relu, "relu", "relu_"):
            self._activation(node, "relu")
        elif target is functional.relu6:
            self._activation(node, "relu6")
        elif target in (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_"):
            self._product(node)
        elif target is functional.leaky_relu:
            self._curve(node, "leaky_relu", slope=_argument(node, 1, "negative_slope", 0.01))
        elif target is functional.hardswish:
            self._curve(node, "hard_swish")
        elif target in (torch.sigmoid, functional.sigmoid, "sigmoid", "sigmoid_"):
            self._curve(node, "sigmoid")
        elif target in (torch.tanh, functional.tanh, "tanh", "tanh_"):
            self._curve(node, "tanh")
        elif target in (functional.softmax, torch.softmax, "softmax"):
            self._softmax(node, _argument(node, 1, "dim", None))
        elif target in (torch.flatten, "flatten", "view", "reshape", torch.reshape, "unflatten"):
            self._reshape(node)
        elif target in (torch.mean, "mean"):
            self._mean(node)
        elif target in (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d):
            self._global_pool(node, node.args[1] if len(node.args) > 1 else node.kwargs["output_size"])
        elif target in _FUNCTIONAL_POOLS:
            known = _FUNCTIONAL_POOLS[target]
            settings = known | dict(zip(known, node.args[1:], strict=False)) | node.kwargs
            settings["stride"] = settings["stride"] or settings["kernel_size"]
            (self._max_pool if known is _MAX_POOL else self._average_pool)(node, settings)
        elif target is functional.dropout:
            self._alias(node, node.all_input_nodes[0])
        elif target in ("size", getattr, operator.getitem):
            pass  # batch size handed to a reshape
        else:
            raise self._unsupported(node)

    def _convolution(self, node: fx.Node, layer: nn.Conv1d | nn.Conv2d) -> None:
        value = self.values[node.all_input_nodes[0]]
        if layer.padding_mode != "zeros":
            raise self._unsupported(node, f"pads with {layer.padding_mode!r}; only zeros are supported")
        depthwise = layer.groups > 1
        if depthwise and layer.groups != layer.in_channels:
            raise self._unsupported(node, f"has {layer.groups} groups; only 1 and one per input channel are supported")
        line = isinstance(layer, nn.Conv1d)
        kernel, strides, dilation = _pair(layer.kernel_size, line, 1), _pair(layer.stride, line, 1), _pair(layer.dilation, line, 1)
        before = _padding_before(layer.padding, kernel, dilation, line)
        given = value.padding or _NO_PADDING
        top, left = given.top + before[0], given.left + before[1]
        # After the map, only the cells that the last window reaches count as padding.
        size, out = self._size(value.number), _shape(node)[2:]
        bottom, right = ((out[i] - 1) * strides[i] + (kernel[i] - 1) * dilation[i] + 1 - size[i] - (top, left)[i] for i in (0, 1))
        step = Step(
            "depthwise" if depthwise else "convolution",
            _name(str(node.target)),
            (value.number,),
            (),
            weight=layer.weight.detach().clone().reshape(*layer.weight.shape[:2], *kernel),
            bias=torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().clone(),
            strides=strides,
            dilation=dilation,
            padding=Padding(top, max(0, bottom), left, max(0, right)),
        )
        self._append(node, step)

    def _shape_of(self, number: int) -> tuple[int, ...]:
        """The shape of a value as its step makes it, before any flattening."""
        return self.input_shape if number == 0 else self.steps[number - 1].shape

    def _size(self, number: int) -> tuple[int, ...]:
        """Height and width of a value."""
        return self._shape_of(number)[2:]

    def _linear(self, node: fx.Node, layer: nn.Linear) -> None:
        source = node.all_input_nodes[0]
        value = self._value(node, source)
        if len(_shape(source)) != 2:
            raise self._unsupported(node, "works on the last axis of a map; flatten the map before it")
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().clone()
        weight = layer.weight.detach().clone()
        self._append(node, Step("linear", _name(str(node.target)), (value.number,), (), weight=weight, bias=bias))

    def _normalisation(self, node: fx.Node, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        step = self._foldable(node)
        if step is None or step.weight is None or step.bias is None or step.activation != "none":
            raise self._unsupported(node, "does not directly follow a convolution or linear layer of its own")
        if layer.num_features != len(step.weight):
            raise self._unsupported(node, "does not normalise the channels of the layer before it")
        if layer.running_mean is None or layer.running_var is None:
            raise self._unsupported(node, "has no running statistics")
        factor = torch.rsqrt(layer.running_var + layer.eps)
        if layer.affine:
            factor = factor * layer.weight.detach()
        step.weight = step.weight * factor.reshape(-1, *[1] * (step.weight.ndim - 1))
        step.bias = (step.bias - layer.running_mean) * factor
        if layer.affine:
            step.bias = step.bias + layer.bias.detach()
        self._alias(node, node.all_input_nodes[0])

    def _activation(self, node: fx.Node, activation: Literal["relu", "relu6"]) -> None:
        step = self._foldable(node)
        if step is None or step.kind not in _FUSING:
            self._curve(node, activation)
            return
        if step.activation != "relu6":
            step.activation = activation
        self._alias(node, node.all_input_nodes[0])

    def _curve(self, node: fx.Node, kind: Curve, *, slope: float = 0.0) -> None:
        """A step that maps every number by itself, of a flattened map too."""
        if not 0 <= slope < math.inf:
            raise self._unsupported(node, f"has the negative slope {slope}; 0 or more is supported")
        value = self._value(node, node.args[0])
        name = _name(str(node.target)) if node.op == "call_module" else kind
        self._append(node, Step(kind, name, (value.number,), (), slope=slope))
        self.steps[-1].shape = self._shape_of(value.number)
        self.values[node] = replace(self.values[node], flat=value.flat)

    def _softmax(self, node: fx.Node, dim: Any) -> None:
        source = node.all_input_nodes[0]
        value, rank = self._value(node, source), len(source.meta["shape"])
        if not isinstance(dim, int) or dim % rank != 1 or math.prod(self._shape_of(value.number)[2:]) != 1:
            raise self._unsupported(node, "is not over the numbers of a vector; a softmax of (N, F) over axis 1 is supported")
        self._curve(node, "softmax")

    def _product(self, node: fx.Node) -> None:
        if len(node.args) != 2:
            raise self._unsupported(node, "is not a plain product of two maps")
        sources = sorted(node.args, key=lambda source: -math.prod(_shape(source)) if isinstance(source, fx.Node) else 0)
        a, b = (self._value(node, source) for source in sources)
        wide, narrow = (self._shape_of(value.number) for value in (a, b))
        if a.flat or b.flat or len(wide) != len(narrow) or any(n not in (1, w) for w, n in zip(wide, narrow, strict=True)):
            raise self._unsupported(node, f"multiplies values of the shapes {wide} and {narrow}")
        self._append(node, Step("product", self._scoped(node, "mul"), (a.number, b.number), ()))

    def _add(self, node: fx.Node) -> None:
        if len(node.args) != 2 or node.kwargs.get("alpha", 1) != 1:
            raise self._unsupported(node, "is not a plain sum of two maps")
        a, b = (self._value(node, source) for source in node.args)
        if a.flat or b.flat or len({_shape(source) for source in node.all_input_nodes}) != 1:
            raise self._unsupported(node, "sums values of different shapes")
        self._append(node, Step("add", self._scoped(node, "add"), (a.number, b.number), ()))

    def _scoped(self, node: fx.Node, what: str) -> str:
        """A name for an operation of a module's own code, behind that of the module."""
        scope = _name(next(reversed(node.meta["nn_module_stack"]), "")) if node.meta.get("nn_module_stack") else ""
        return scope if scope.endswith(what) else f"{scope}_{what}".lstrip("_")

    def _average_pool(self, node: fx.Node, settings: Mapping[str, Any]) -> None:
        if settings["divisor_override"] is not None:
            raise self._unsupported(node, "has a divisor of its own; leave divisor_override out")
        if settings["count_include_pad"] and max(_pair(settings["padding"])) > 0:
            raise self._unsupported(node, "counts padding cells; set count_include_pad=False")
        self._pool(node, "average_pool", settings)

    def _max_pool(self, node: fx.Node, settings: Mapping[str, Any]) -> None:
        if settings["return_indices"]:
            raise self._unsupported(node, "returns indices; leave return_indices out")
        if max(_pair(settings["dilation"])) > 1:
            raise self._unsupported(node, "is dilated")
        self._pool(node, "max_pool", settings)

    def _pool(self, node: fx.Node, kind: Kind, settings: Mapping[str, Any]) -> None:
        source = node.all_input_nodes[0]
        value = self._value(node, source)
        shape, size = _shape(source), _shape(node)
        window, strides, padding, ceil_mode = (settings[name] for name in ("kernel_size", "stride", "padding", "ceil_mode"))
        line = len(source.meta["shape"]) == 3
        (kh, kw), (sh, sw), (top, left) = _pair(window, line, 1), _pair(strides, line, 1), _pair(padding, line, 0)
        reach = (size[2] - 1) * sh + kh - shape[2] - top, (size[3] - 1) * sw + kw - shape[3] - left
        if ceil_mode and (reach[0] > top or reach[1] > left):
            raise self._unsupported(node, "lets windows hang over the edge; set ceil_mode=False")
        name = _name(str(node.target)) if node.op == "call_module" else "pool"
        step = Step(kind, name, (value.number,), (), window=(kh, kw), strides=(sh, sw))
        step.padding = Padding(top, max(0, reach[0]), left, max(0, reach[1]))
        self._append(node, step)

    def _global_pool(self, node: fx.Node, output_size: Any, name: str | None = None) -> None:
        if max(_pair(output_size)) > 1:
            raise self._unsupported(node, f"pools to {output_size}; only 1 is supported")
        source = node.all_input_nodes[0]
        value, window = self._value(node, source), _shape(source)[2:]
        name = name or (_name(str(node.target)) if node.op == "call_module" else "pool")
        step = Step("average_pool", name, (value.number,), (), window=_pair(window), strides=_pair(window))
        self._append(node, step)

    def _mean(self, node: fx.Node) -> None:
        source = node.all_input_nodes[0]
        axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        rank = len(source.meta["shape"])
        named = {a % rank for a in axes} if isinstance(axes, (tuple, list)) else {axes % rank} if isinstance(axes, int) else set()
        if rank not in (3, 4) or named != set(range(2, rank)):
            raise self._unsupported(node, "is not a mean over height and width, or over the samples of a series")
        self._global_pool(node, 1, "mean")
        step = self.steps[-1]
        if len(step.shape) == 2:
            step.shape = (*step.shape, 1, 1)
            self._alias(node, node, flat=True)

    def _reshape(self, node: fx.Node) -> None:
        """A map becomes a vector, or what leaves a linear layer becomes a map: that layer writes it as one."""
        source = node.all_input_nodes[0]
        value = self._value(node, source)
        step = None if value.shared or value.number == 0 else self.steps[value.number - 1]
        before, after = _shape(source), _shape(node)
        if after == before:
            self._alias(node, source)
        elif after == (1, math.prod(before)):
            self._alias(node, source, flat=True)
        elif len(after) == 4 and after[0] == 1 and step is not None and step.shape == before and step.kind == "linear":
            step.shape = after
            self._alias(node, source)
        else:
            raise self._unsupported(
                node, f"reshapes {before} to {after}; only flattening everything and a linear layer's output as a map are supported"
            )

    def _pad(self, node: fx.Node, padding: Padding) -> None:
        source = node.all_input_nodes[0]
        if min(padding.top, padding.bottom, padding.left, padding.right) < 0:
            raise self._unsupported(node, "crops")
        value = self._value(node, source)
        modules = dict(self.module.named_modules())
        if not all(isinstance(modules.get(str(user.target)), nn.Conv1d | nn.Conv2d) for user in node.users):
            raise self._unsupported(node, "is not followed by a convolution, which alone can take it in")
        self.values[node] = replace(value, padding=padding)


def _argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    """An argument of a traced call."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _shape(node: fx.Node) -> tuple[int, ...]:
    return _map_shape(node.meta["shape"])


def _map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A series is a map of height 1; other shapes stay."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def _pair(value: Any, line: bool = False, across: int = 1) -> tuple[int, int]:
    """A setting along height and width; of a layer that works along a ``line`` it is ``across`` along the height."""
    values = tuple(value) if isinstance(value, (tuple, list, torch.Size)) else (value,)
    if line:
        return across, int(values[-1])
    return int(values[0]), int(values[-1])


def _name(path: str) -> str:
    """A module's path as an identifier."""
    name = path.replace(".", "_")
    return f"layer_{name}" if name[:1].isdigit() else name


def _padding_before(
    padding: str | tuple[int, ...], kernel: tuple[int, int], dilation: tuple[int, int], line: bool
) -> tuple[int, int]:
    """Cells before both axes, where torch puts the smaller half of an odd number."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return _pair(padding, line, 0)
