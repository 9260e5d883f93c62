"""The steps made so far while a traced module is read, and what is said of an operation that cannot become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import fx, nn

from codegen.errors import UserError
from codegen.importers._step import Step
from codegen.ir import Padding

NO_FORM = "has no int8 form here"
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


@dataclass(frozen=True)
class Value:
    """What a traced node stands for: the value ``number``, under a padding not yet applied, or flattened."""

    number: int
    shared: bool
    """Whether another node reads it too, so that nothing may be folded into the step that makes it."""
    padding: Padding | None = None
    flat: bool = False


@dataclass
class StepBuilder:
    """``steps`` of ``module`` on one input of ``input_shape``, a map ``(1, C, H, W)`` or a vector; ``values`` by node."""

    module: nn.Module
    input_shape: tuple[int, ...]
    steps: list[Step] = field(default_factory=list)
    values: dict[fx.Node, Value] = field(default_factory=dict)

    def value(self, node: fx.Node, source: Any) -> Value:
        """The value of ``source``, which ``node`` reads, without padding."""
        if not isinstance(source, fx.Node) or source not in self.values:
            raise self.unsupported(node, "reads something that is not a layer's output")
        value = self.values[source]
        if value.padding is not None:
            raise self.unsupported(node, "follows a padding that only a convolution can take in")
        return value

    def append(self, node: fx.Node, step: Step) -> None:
        taken = {s.name for s in self.steps} | {"input"}
        name, count = step.name, 1
        while step.name in taken:
            step.name = f"{name}_{count}"
            count += 1
        step.shape = shape_as_map(node)
        self.steps.append(step)
        self.values[node] = Value(len(self.steps), len(node.users) > 1)

    def alias(self, node: fx.Node, source: fx.Node, **changes: Any) -> None:
        """``node`` is ``source`` under another form."""
        value = self.values[source]
        self.values[node] = replace(value, shared=value.shared or len(node.users) > 1, **changes)

    def foldable(self, node: fx.Node) -> Step | None:
        """The step whose output ``node`` alone reads."""
        source = node.args[0]
        value = self.value(node, source)
        return None if value.shared or value.number == 0 else self.steps[value.number - 1]

    def unsupported(self, node: fx.Node, why: str = NO_FORM) -> UserError:
        target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        kind, where = target, "the network"
        if node.op == "call_module":
            kind = type(self.module.get_submodule(target)).__name__
        elif scope := next(reversed(node.meta.get("nn_module_stack", {})), ""):
            where = f"{type(self.module.get_submodule(scope)).__name__} {scope!r} of the network"
        what = f"{kind if node.op == 'call_module' else 'operation'} {target!r} of {where}"
        instead = f"; {_INSTEAD.get(kind, f'supported are {SUPPORTED}')}" if why == NO_FORM else ""
        return UserError(f"cannot import {what}: it {why}{instead}")

    def scoped(self, node: fx.Node, what: str) -> str:
        """A name for an operation of a module's own code, behind that of the module."""
        scope = identifier(next(reversed(node.meta["nn_module_stack"]), "")) if node.meta.get("nn_module_stack") else ""
        return scope if scope.endswith(what) else f"{scope}_{what}".lstrip("_")

    def shape_of(self, number: int) -> tuple[int, ...]:
        """The shape of a value as its step makes it, before any flattening."""
        return self.input_shape if number == 0 else self.steps[number - 1].shape

    def size(self, number: int) -> tuple[int, ...]:
        """Height and width of a value."""
        return self.shape_of(number)[2:]


def argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    """An argument of a traced call."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def shape_as_map(node: fx.Node) -> tuple[int, ...]:
    return map_shape(node.meta["shape"])


def map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A series is a map of height 1; other shapes stay."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def identifier(path: str) -> str:
    """A module's path as an identifier."""
    name = path.replace(".", "_")
    return f"layer_{name}" if name[:1].isdigit() else name
