"""Operators to calibrate on: random ones with their corners, each as a graph of one operator.

Everything here is shape-only; :func:`cost_models.random_weights.fill` makes a graph that can be compiled and run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from codegen.ir import (
    Add,
    ArgMax,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    HardSwish,
    Logistic,
    Maximum,
    MaxPool2D,
    Mean,
    Minimum,
    Mul,
    Op,
    Pad,
    Padding,
    Quantize,
    ReduceMax,
    Reduction,
    Relu6,
    ResizeNearestNeighbor,
    Slice,
    Softmax,
    Sub,
    Sum,
    Tanh,
    Tensor,
    Transpose,
    Weighted,
    macs,
    output_shape,
)

MAX_MACS = 1_500_000
MAX_BYTES = 64 * 1024
USUAL_SIZES = (1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 14, 14, 15, 16, 16, 18, 20, 24, 25, 28, 32, 32, 48)
LONGEST_ROW = 512
USUAL_CHANNELS = (1, 2, 3, 4, 6, 8, 8, 10, 12, 16, 16, 20, 24, 24, 32, 32, 40, 48, 64, 64, 80, 96, 128)
KINDS = {
    "conv": 0.20,
    "pointwise": 0.15,
    "depthwise": 0.23,
    "column": 0.03,
    "dense": 0.10,
    "add": 0.05,
    "mul": 0.03,
    "extremum": 0.01,
    "lookup": 0.03,
    "movement": 0.03,
    "clamp": 0.01,
    "reduction": 0.04,
    "average_pool": 0.02,
    "global_pool": 0.02,
    "max_pool": 0.03,
    "softmax": 0.01,
    "argmax": 0.01,
}


def sample_operator(rng: np.random.Generator) -> Graph:
    """One random operator as a shape-only graph of its own, at most ``MAX_MACS`` and ``MAX_BYTES`` for each of its tensors.

    Sizes are drawn evenly on a logarithmic scale, so that small layers, where fixed costs rule, are as frequent as large ones.
    """
    kinds = tuple(KINDS)
    while True:
        kind = kinds[rng.choice(len(kinds), p=list(KINDS.values()))]
        graph = _draw(kind, rng)
        if graph is None or macs(graph.ops[0], graph) > MAX_MACS:
            continue
        if all(t.nbytes <= MAX_BYTES for t in graph.tensors.values()):
            return graph


def bundle(graphs: Sequence[Graph], name: str) -> Graph:
    """One graph that holds all ``graphs`` side by side; operator and tensor names get the prefix ``op<index>_``."""
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for index, graph in enumerate(graphs):
        prefix = f"op{index}_"
        for t in graph.tensors.values():
            tensors[prefix + t.name] = replace(t, name=prefix + t.name)
        for op in graph.ops:
            renamed = replace(op, name=prefix + op.name, inputs=tuple(prefix + i for i in op.inputs), output=prefix + op.output)
            if isinstance(renamed, Weighted):
                bias = None if renamed.bias is None else prefix + renamed.bias
                renamed = replace(renamed, weight=prefix + renamed.weight, bias=bias)
            ops.append(renamed)
        inputs += [prefix + i for i in graph.inputs]
        outputs += [prefix + o for o in graph.outputs]
    return Graph(name, tensors, tuple(ops), tuple(inputs), tuple(outputs))


def part(graph: Graph, parts: int) -> Graph:
    """One of so many equal parts of the filters of a graph of one operator with weights, on the same input."""
    if parts == 1:
        return graph
    (op,) = graph.ops
    assert isinstance(op, Weighted)
    tensors = dict(graph.tensors)
    filters = tensors[op.weight].shape[0] // parts
    for name in op.parameters:
        tensors[name] = replace(tensors[name], shape=(filters, *tensors[name].shape[1:]))
    tensors[op.output] = replace(tensors[op.output], shape=(*tensors[op.output].shape[:-1], filters))
    return replace(graph, tensors=tensors).validate()


def _log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def _channels(rng: np.random.Generator) -> int:
    return int(rng.choice(USUAL_CHANNELS)) if rng.random() < 0.8 else _log_uniform(rng, 1, 160)


def _map_size(rng: np.random.Generator) -> tuple[int, int]:
    """Half images, a quarter rows (time series), a quarter of any shape (spectrograms)."""
    style = rng.random()
    if style < 0.5:
        size = int(rng.choice(USUAL_SIZES))
        return size, size
    if style < 0.75:
        return 1, _log_uniform(rng, 1, LONGEST_ROW)
    return _log_uniform(rng, 1, 100), _log_uniform(rng, 1, 64)


def _window(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    """Mostly squares on maps, and rows on rows; kernels for spectrograms are longer than wide."""
    if size[0] == 1 and rng.random() < 0.9:
        return 1, int(rng.choice((2, 3, 3, 5, 5, 7, 7, 9, 9)))
    side = int(rng.choice((1, 2, 3, 3, 3, 3, 5, 5, 5, 7)))
    shape = rng.random()
    if shape < 0.75 or (shape < 0.9 and size[0] == size[1]):
        return side, side
    return (1, side) if shape < 0.92 else (int(rng.choice((3, 5, 7, 9, 10))), int(rng.choice((1, 1, 3, 4, 5, 8, 10))))


def _strides(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    if size[0] == 1 and rng.random() < 0.9:
        return 1, int(rng.choice((1, 1, 1, 2, 2, 4)))
    shape = rng.random()
    if shape < 0.65:
        return 1, 1
    if size[0] == size[1] or shape < 0.8:
        return (2, 2) if shape < 0.95 else ((2, 1) if shape < 0.98 else (1, 2))
    return (2, 1) if shape < 0.88 else ((1, 2) if shape < 0.95 else (4, 2))


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """TFLite's SAME: output is ceil(size / stride), the odd cell comes last."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def _padding(rng: np.random.Generator, size: tuple[int, int], window: tuple[int, int], strides: tuple[int, int]) -> Padding:
    style = rng.random()
    if style < 0.2:
        return Padding()
    if style < 0.6:
        return Padding(*_same(size[0], window[0], strides[0]), *_same(size[1], window[1], strides[1]))
    return Padding(window[0] // 2, window[0] // 2, window[1] // 2, window[1] // 2)


def _graph(op: Op, tensors: Sequence[Tensor]) -> Graph | None:
    """Closes the graph with the output that ``op`` makes; None where the window does not fit into the input."""
    constants = {t.name for t in tensors if t.constant}
    inputs = tuple(name for name in op.inputs if name not in constants)
    graph = Graph(op.name, {t.name: t for t in tensors}, (op,), inputs, (op.output,))
    shape = output_shape(op, graph)
    if shape is None or min(shape, default=1) < 1:
        return None
    dtype = "int32" if isinstance(op, ArgMax) else "int8"
    return replace(graph, tensors={**graph.tensors, "y": Tensor("y", shape, dtype)}).validate()  # type: ignore[arg-type]


def _draw(kind: str, rng: np.random.Generator) -> Graph | None:
    match kind:
        case "conv" | "pointwise" | "depthwise":
            return _convolution(kind, rng)
        case "column":
            return _column(rng)
        case "movement":
            return _movement(rng)
        case "dense":
            taken, made = _log_uniform(rng, 4, 1024), _log_uniform(rng, 1, 256 if rng.random() < 0.8 else 1024)
            rows = 1 if rng.random() < 0.9 else _log_uniform(rng, 2, 16)
            tensors = [Tensor("x", (rows, taken)), *_parameters((made, taken), made, rng)]
            op = FullyConnected(name="dense", inputs=("x",), output="y", weight="w", bias="b" if len(tensors) == 3 else None)
            return Graph("dense", {t.name: t for t in (*tensors, Tensor("y", (rows, made)))}, (op,), ("x",), ("y",)).validate()
        case "add" | "mul" | "extremum":
            return _binary(kind, rng)
        case "lookup":
            tables: tuple[type[Op], ...] = (HardSwish, Logistic, Quantize, Tanh)
            return _unary(kind, tables[rng.integers(len(tables))], rng)
        case "clamp":
            return _unary(kind, Relu6, rng)
        case "reduction":
            return _reduction(rng)
        case "softmax":
            return _graph(Softmax(name="softmax", inputs=("x",), output="y"), [Tensor("x", (1, _log_uniform(rng, 2, 128)))])
        case "argmax":
            return _graph(ArgMax(name="argmax", inputs=("x",), output="y"), [Tensor("x", (1, _log_uniform(rng, 2, 128)))])
        case _:
            return _pool(kind, rng)


def _parameters(weight: tuple[int, ...], channels: int, rng: np.random.Generator) -> list[Tensor]:
    parameters = [Tensor("w", weight, constant=True)]
    if rng.random() < 0.95:
        parameters.append(Tensor("b", (channels,), "int32", constant=True))
    return parameters


def _convolution(kind: str, rng: np.random.Generator) -> Graph | None:
    size, taken, made = _map_size(rng), _channels(rng), _channels(rng)
    window = (1, 1) if kind == "pointwise" else _window(rng, size)
    strides = _strides(rng, size)
    dilation = (2, 2) if max(window) > 1 and rng.random() < 0.04 else (1, 1)
    reach = ((window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1)
    padding = _padding(rng, size, reach, strides)
    if kind == "depthwise":
        made = taken * (1 if rng.random() < 0.9 else int(rng.choice((2, 4))))
        weight: tuple[int, ...] = (1, *window, made)
    else:
        weight = (made, *window, taken)
    tensors = [Tensor("x", (1, *size, taken)), *_parameters(weight, made, rng)]
    operator = DepthwiseConv2D if kind == "depthwise" else Conv2D
    op = operator(
        name=kind,
        inputs=("x",),
        output="y",
        weight="w",
        bias="b" if len(tensors) == 3 else None,
        strides=strides,
        dilation=dilation,
        padding=padding,
    )
    return _graph(op, tensors)


def _column(rng: np.random.Generator) -> Graph | None:
    """A depthwise convolution over time, as streaming networks have it."""
    channels, taps = 4 * _log_uniform(rng, 1, 40), _log_uniform(rng, 2, 24)
    size = (_log_uniform(rng, 2, 64), 1 if rng.random() < 0.8 else _log_uniform(rng, 2, 8))
    tensors = [Tensor("x", (1, *size, channels)), *_parameters((1, taps, 1, channels), channels, rng)]
    bias = "b" if len(tensors) == 3 else None
    strides = (1 if rng.random() < 0.7 else 2, 1)
    return _graph(DepthwiseConv2D(name="column", inputs=("x",), output="y", weight="w", bias=bias, strides=strides), tensors)


def _movement(rng: np.random.Generator) -> Graph | None:
    height, width = _map_size(rng)
    channels = _channels(rng)
    x = Tensor("x", (1, height, width, channels))
    common: dict[str, Any] = {"name": "movement", "inputs": ("x",), "output": "y"}
    match int(rng.integers(5)):
        case 0:
            amounts = ((0, 0), (1, 1), (1, 1), (0, int(rng.integers(3))))
            return _graph(Pad(**common, amounts=amounts, value=0), [x])
        case 1:
            other = Tensor("b", (1, height, width, _channels(rng)))
            return _graph(Concatenation(**{**common, "inputs": ("x", "b")}, axis=3), [x, other])
        case 2:
            size = (1, max(1, height - 2), max(1, width - 2), channels)
            begin = (0, min(1, height - 1), min(1, width - 1), 0)
            graph = Graph("movement", {"x": x, "y": Tensor("y", size)}, (), ("x",), ("y",))
            return replace(graph, ops=(Slice(**common, begin=begin, size=size, strides=(1, 1, 1, 1)),)).validate()
        case 3:
            return _graph(Transpose(**common, permutation=(0, 3, 1, 2) if rng.random() < 0.5 else (0, 2, 1, 3)), [x])
        case _:
            y = Tensor("y", (1, 2 * height, 2 * width, channels))
            op = ResizeNearestNeighbor(**common)
            return Graph("movement", {"x": x, "y": y}, (op,), ("x",), ("y",)).validate()


def _binary(kind: str, rng: np.random.Generator) -> Graph | None:
    """Two operands of one shape, a tensor and its channels (a gate), or a tensor and constants."""
    shape = (1, *_map_size(rng), _channels(rng))
    style = rng.random()
    other = shape if style < 0.6 else ((1, 1, 1, shape[3]) if style < 0.9 else (1,))
    operators: dict[str, tuple[type[Op], ...]] = {"add": (Add, Add, Add, Sub), "mul": (Mul,), "extremum": (Maximum, Minimum)}
    choices = operators[kind]
    op = choices[rng.integers(len(choices))](name=kind, inputs=("a", "b"), output="y")
    constant = other != shape and rng.random() < 0.5
    return _graph(op, [Tensor("a", shape), Tensor("b", other, constant=constant)])


def _unary(kind: str, operator: type[Op], rng: np.random.Generator) -> Graph | None:
    return _graph(operator(name=kind, inputs=("x",), output="y"), [Tensor("x", (1, *_map_size(rng), _channels(rng)))])


def _reduction(rng: np.random.Generator) -> Graph | None:
    """Mostly means over height and width, as squeeze-and-excitation has them."""
    style = rng.random()
    operator: type[Reduction] = Mean if style < 0.7 else (Sum if style < 0.8 else ReduceMax)
    choices = ((1, 2), (1, 2), (1, 2), (1,), (2,), (3,), (1, 3))
    axes = choices[rng.integers(len(choices))]
    op = operator(name="reduction", inputs=("x",), output="y", axes=axes, keep_dims=True)
    return _graph(op, [Tensor("x", (1, *_map_size(rng), _channels(rng)))])


def _pool(kind: str, rng: np.random.Generator) -> Graph | None:
    size, channels = _map_size(rng), _channels(rng)
    operator = MaxPool2D if kind == "max_pool" or (kind == "global_pool" and rng.random() < 0.3) else AveragePool2D
    if kind == "global_pool":
        window, strides, padding = size, size, Padding()
    else:
        window = (2, 2) if rng.random() < 0.6 else tuple(int(n) for n in rng.choice((1, 2, 3, 4), size=2))  # type: ignore[assignment]
        if size[0] == 1:
            window = (1, int(rng.choice((2, 2, 4))))
        strides = window if rng.random() < 0.7 else (1, 1)
        padding = Padding() if rng.random() < 0.6 else Padding(0, window[0] - 1, 0, window[1] - 1)
    op = operator(name=kind, inputs=("x",), output="y", window=window, strides=strides, padding=padding)
    return _graph(op, [Tensor("x", (1, *size, channels))])
