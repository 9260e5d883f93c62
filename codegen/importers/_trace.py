"""From a torch module to a plain list of steps that each become one operator.

The module is traced symbolically; batch normalisation, activations and explicit padding are folded into the operator that they
belong to, and what does nothing at inference (dropout, identity) disappears. Shapes here are torch's ``(N, C, H, W)``, or
``(N, F)`` of vectors; series ``(N, C, L)`` count as maps of height 1.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from codegen.errors import UserError
from codegen.importers._step import Step
from codegen.importers._step_builder import StepBuilder, Value, map_shape
from codegen.importers._torch_operators import convert_function, convert_module


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
    return _read(StepBuilder(module, map_shape(shape)), graph)


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


def _read(b: StepBuilder, graph: fx.Graph) -> list[Step]:
    for node in graph.nodes:
        if node.op == "placeholder":
            if b.values:
                raise UserError(f"the network takes a second input, {node.target!r}; one is supported")
            b.values[node] = Value(0, len(node.users) > 1)
        elif node.op == "output":
            return _finish(b, node)
        elif node.op == "call_module":
            convert_module(b, node, b.module.get_submodule(str(node.target)))
        elif node.op in ("call_function", "call_method"):
            convert_function(b, node)
        else:
            raise UserError(f"the network reads its own tensor {node.target!r} outside of a layer; that is not supported")
    raise AssertionError("a traced graph ends in an output")


def _finish(b: StepBuilder, node: fx.Node) -> list[Step]:
    result = node.args[0]
    if not isinstance(result, fx.Node):
        raise UserError("the network returns several values; one is supported")
    value = b.value(result, result)
    if value.flat:
        b.append(result, Step("flatten", "flatten", (value.number,), ()))
        value = b.values[result]
    if value.number != len(b.steps) or not b.steps:
        raise UserError("the network's output is not that of its last layer")
    return b.steps
