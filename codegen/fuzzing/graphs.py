"""Random valid graphs with inputs, reproducible by seed and number.

To fuzz a new operator write one function that draws it (:mod:`codegen.fuzzing.sketch` has what it needs) and name it in
:data:`GENERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import ir
from codegen.fuzzing import elementwise, movement, pooling, weighted
from codegen.fuzzing.sketch import Sketch, Unsuitable
from codegen.ir import Graph
from codegen.samples import sample_shape

GENERATORS: Mapping[str, Callable[[Sketch], None]] = {
    "Add": elementwise.binary(ir.Add),
    "ArgMax": pooling.arg_max,
    "AveragePool2D": pooling.average_pool2d,
    "Concatenation": movement.concatenation,
    "Conv2D": weighted.conv2d,
    "DepthwiseConv2D": weighted.depthwise_conv2d,
    "Dequantize": elementwise.dequantize,
    "FullyConnected": weighted.fully_connected,
    "HardSwish": elementwise.activation(ir.HardSwish),
    "LeakyRelu": elementwise.leaky_relu,
    "Logistic": elementwise.logistic,
    "MaxPool2D": pooling.max_pool2d,
    "Maximum": elementwise.comparison(ir.Maximum),
    "Mean": pooling.mean,
    "Minimum": elementwise.comparison(ir.Minimum),
    "Mul": elementwise.binary(ir.Mul),
    "Pad": movement.pad,
    "Quantize": elementwise.quantize,
    "ReduceMax": pooling.reduce_max,
    "Relu": elementwise.activation(ir.Relu),
    "Relu6": elementwise.activation(ir.Relu6),
    "Reshape": movement.reshape,
    "ResizeNearestNeighbor": movement.resize_nearest_neighbor,
    "Slice": movement.take_slice,
    "Softmax": pooling.softmax,
    "Sub": elementwise.binary(ir.Sub),
    "Sum": pooling.total,
    "Tanh": elementwise.tanh,
    "Transpose": movement.transpose,
}
"""What draws each operator, by the operator's name."""

_WEIGHT = {"Conv2D": 6, "DepthwiseConv2D": 4, "FullyConnected": 3, "Pad": 5, "Add": 2, "AveragePool2D": 2, "MaxPool2D": 2}
"""How often an operator is drawn where it is not once."""
_FOLLOWERS = {
    "Pad": ("Conv2D", "DepthwiseConv2D", "MaxPool2D"),
    "Conv2D": ("Conv2D", "Conv2D", "Relu", "Relu6"),
    "DepthwiseConv2D": ("Conv2D",),
    "Add": ("Relu", "Relu6"),
}
"""What passes look for behind an operator, which chance alone would seldom put there."""
_ATTEMPTS = 60
INT4_EVERY = 4
"""One graph of so many has weights of four bits."""
INPUTS = 6
"""Inputs that every graph is run on."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A graph, inputs of all kinds ``(n, *sample shape)`` and the border cases that it was drawn to hit."""

    graph: Graph
    inputs: Mapping[str, NDArray[Any]]
    borders: frozenset[str]


def random_sample(seed: int, number: int, kinds: Sequence[str] = tuple(GENERATORS), *, operators: int | None = None) -> Sample:
    """Sample ``number`` of the stream ``seed``: ``operators`` (or one to seven) of ``kinds``, a chain with branches."""
    rng = np.random.default_rng([seed, number])
    s = Sketch(f"fuzz_{seed}_{number}", rng)
    weights = np.array([_WEIGHT.get(kind, 1) for kind in kinds], float)
    wanted = int(rng.integers(1, 8)) if operators is None else operators
    for _ in range(_ATTEMPTS):
        if len(s.ops) >= wanted:
            break
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        followers = [k for k in _FOLLOWERS.get(s.ops[-1].kind if s.ops else "", ()) if k in kinds]
        if followers and s.chance(0.75):
            kind = s.choice(followers)
        try:
            GENERATORS[kind](s)
        except Unsuitable:
            s.discard()
    if not s.ops:
        raise RuntimeError(f"seed {seed}, graph {number}: no operator in {_ATTEMPTS} attempts")
    graph = s.graph(_outputs(s))
    if number % INT4_EVERY == INT4_EVERY - 1 and (graph := _on_int4(given := graph)) is not given:
        s.borders.add("weights: four bits")
    return Sample(graph, _inputs(graph, rng), frozenset(s.borders))


def _on_int4(graph: Graph) -> Graph:
    """``graph`` with the upper four bits of all weights."""
    names = [op.weight for op in graph.ops if isinstance(op, ir.Weighted)]
    short = {name: replace(graph[name], dtype="int4", data=data >> 4) for name in names if (data := graph[name].data) is not None}
    return replace(graph, tensors={**graph.tensors, **short}).validate() if short else graph


def _outputs(s: Sketch) -> list[str]:
    """What nothing reads; at times also what something reads, or not all, which leaves dead operators."""
    outputs = s.unread()
    read = {name for op in s.ops for name in op.inputs}
    if not all(t.name in read for t in s.inputs):
        s.borders.add("graph: an input that nothing reads")
    if len(outputs) > 1:
        s.borders.add("graph: several outputs")
        if s.chance(0.15):
            s.borders.add("graph: dead operators")
            outputs = outputs[:-1]
    inner = [op.output for op in s.ops if op.output not in outputs]
    if inner and s.chance(0.15):
        s.borders.add("graph: an output that is read too")
        outputs.append(s.choice(inner))
    return list(dict.fromkeys(outputs))


def _inputs(graph: Graph, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Uniform random, the least, the greatest, the zero point, both ends at random, and close to the zero point."""
    found = {}
    for name in graph.inputs:
        t = graph[name]
        shape = (INPUTS, *sample_shape(t))
        if t.dtype == "float32":
            reach = np.array([1, 1e-3, 30, 0, 1e30, 1]).reshape(-1, *[1] * (len(shape) - 1))
            found[name] = (rng.normal(0, 2, shape) * reach).astype(np.float32)
            continue
        values = rng.integers(-128, 128, shape)
        values[1], values[2], values[3] = -128, 127, t.zero_point
        values[4] = np.where(rng.random(shape[1:]) < 0.5, -128, 127)
        values[5] = np.clip(np.rint(rng.normal(t.zero_point, 6, shape[1:])), -128, 127)
        found[name] = values.astype(np.int8)
    return found
