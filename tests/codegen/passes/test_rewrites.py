"""Where each pass fires and where it must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graphs import GraphBuilder

from codegen.float_borders import int8_core
from codegen.ir import AveragePool2D, Conv2D, Dequantize, Graph, MaxPool2D, Pad, Pool2D, Quantization, Quantize, Relu, Tensor
from codegen.passes import run_passes
from codegen.passes.fold_activations import FoldActivations
from codegen.passes.fold_padding import FoldPadding
from codegen.passes.remove_unused_channels import RemoveUnusedChannels
from codegen.reference import run


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def equal(before: Graph, after: Graph) -> bool:
    """Whether both give the same bytes for random inputs."""
    rng = np.random.default_rng(0)
    x = {n: rng.integers(-128, 128, (6, *before[n].shape[1:])).astype(np.int8) for n in before.inputs}
    a, b = run(before, x), run(after, x)
    return all(np.array_equal(a[name], b[name]) for name in before.outputs)


def padded(value_off: int, window: type[Pool2D] | None = None, read_twice: bool = False) -> Graph:
    """Padding by one cell before a 3x3 window; ``value_off`` is added to the zero point."""
    b = GraphBuilder("g")
    x = b.input(1, 7, 7, 4)
    y = b.conv(x, 5) if window is None else b.max_pool(x, (3, 3)) if window is MaxPool2D else b.average_pool(x, (3, 3))
    graph = b.graph(y)
    q = Quantization((0.04,), -20)
    tensors = {**graph.tensors, x: replace(graph[x], shape=(1, 5, 5, 4), quantization=q)}
    tensors["p"] = Tensor("p", (1, 7, 7, 4), "int8", q)
    if window is not None:
        tensors[y] = replace(tensors[y], quantization=q)
    pad = Pad(name="pad", inputs=(x,), output="p", amounts=((0, 0), (1, 1), (1, 1), (0, 0)), value=-20 + value_off)
    ops = (pad, *(replace(op, inputs=("p",)) for op in graph.ops))
    return Graph("g", tensors, ops, graph.inputs, (y, "p") if read_twice else (y,)).validate()


@pytest.mark.parametrize(
    ("graph", "left"),
    [
        (padded(0), ["Conv2D"]),
        (padded(0, read_twice=True), ["Pad", "Conv2D"]),
        (padded(1), ["Pad", "Conv2D"]),
        (padded(0, AveragePool2D), ["Pad", "AveragePool2D"]),
        (padded(0, MaxPool2D), ["Pad", "MaxPool2D"]),
        (padded(-108, MaxPool2D), ["MaxPool2D"]),
    ],
)
def test_padding(graph: Graph, left: list[str]) -> None:
    after = run_passes(graph)
    assert kinds(after) == left
    assert equal(graph, after)


def rectified(scale_factor: float, zero_point_off: int, pool: bool = False) -> Graph:
    """Relu behind a convolution, or behind a pool, into another quantization."""
    b = GraphBuilder("g")
    x = b.input(1, 6, 6, 3)
    y = b.average_pool(x, (2, 2)) if pool else b.conv(x, 4)
    graph = b.graph(y)
    t = graph[y]
    q = Quantization((float(np.float32(t.scale * scale_factor)),), max(-128, min(127, t.zero_point + zero_point_off)))
    tensors = {**graph.tensors, "r": Tensor("r", t.shape, "int8", q)}
    return Graph("g", tensors, (*graph.ops, Relu(name="relu", inputs=(y,), output="r")), graph.inputs, ("r",)).validate()


@pytest.mark.parametrize(
    ("graph", "folds"),
    [
        (rectified(1, 0), True),
        (rectified(1, -7), True),
        (rectified(2, 0), False),
        (rectified(1, 0, pool=True), True),
        (rectified(1, -7, pool=True), False),
    ],
)
def test_activation(graph: Graph, folds: bool) -> None:
    after = FoldActivations().run(graph)
    assert (after is not graph) == folds
    assert ("Relu" not in kinds(after)) == folds
    assert equal(graph, after)


def two_convolutions(padding: str, output_is_read: bool = False) -> Graph:
    """Two of the first one's six filters are zero with biases far from the zero point."""
    b = GraphBuilder("g")
    x = b.input(1, 6, 6, 3)
    hidden = b.conv(x, 6)
    y = b.conv(hidden, 4, padding=padding)
    graph = b.graph(*((y, hidden) if output_is_read else (y,)))
    first = graph.ops[0]
    assert isinstance(first, Conv2D)
    assert first.bias is not None
    weight, bias = np.array(graph[first.weight].data), np.array(graph[first.bias].data)
    weight[[1, 4]], bias[[1, 4]] = 0, 20_000
    tensors = {**graph.tensors}
    tensors[first.weight] = replace(graph[first.weight], data=weight)
    tensors[first.bias] = replace(graph[first.bias], data=bias)
    return Graph("g", tensors, graph.ops, graph.inputs, graph.outputs).validate()


@pytest.mark.parametrize(
    ("graph", "channels"), [(two_convolutions("valid"), 4), (two_convolutions("same"), 6), (two_convolutions("valid", True), 6)]
)
def test_constant_channels(graph: Graph, channels: int) -> None:
    after = run_passes(graph)
    assert after[after.ops[0].output].shape[3] == channels
    assert equal(graph, after)


def test_shapes_alone_tell_nothing_of_channels() -> None:
    graph = two_convolutions("valid")
    tensors = {n: replace(t, data=None, constant=t.constant) for n, t in graph.tensors.items()}
    shapes = Graph("g", tensors, graph.ops, graph.inputs, graph.outputs)
    assert RemoveUnusedChannels().run(shapes) is shapes
    assert FoldPadding().run(shapes) is shapes
    assert run_passes(shapes) is shapes


def test_float_borders() -> None:
    b = GraphBuilder("g")
    x = b.input(1, 6, 6, 3)
    y = b.conv(x, 4)
    graph = b.graph(y)
    assert int8_core(graph) is graph
    tensors = {"fx": Tensor("fx", graph[x].shape, "float32"), **graph.tensors, "fy": Tensor("fy", graph[y].shape, "float32")}
    ops = (Quantize(name="q", inputs=("fx",), output=x), *graph.ops, Dequantize(name="d", inputs=(y,), output="fy"))
    core = int8_core(Graph("g", tensors, ops, ("fx",), ("fy",)).validate())
    assert (core.inputs, core.outputs, kinds(core)) == ((x,), (y,), ["Conv2D"])
    both = int8_core(Graph("g", tensors, ops, ("fx",), ("fy", y)).validate())
    assert both.outputs == ("fy", y)  # one tensor cannot be two outputs
