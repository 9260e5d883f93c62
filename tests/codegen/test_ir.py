"""Invariants that the graph checks, and the shapes and costs that everything else derives from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from codegen.ir import (
    Add,
    ArgMax,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GraphError,
    Mean,
    Op,
    Pad,
    Padding,
    Quantization,
    Reshape,
    Slice,
    Softmax,
    Tensor,
    Transpose,
    macs,
    output_shape,
    total_macs,
)

CONV = Conv2D(name="conv", inputs=("x",), output="y", weight="w", bias="b", padding=Padding(1, 1, 1, 1))


def graph_of(ops: tuple[Op, ...] = (CONV,), **shapes: tuple[int, ...]) -> Graph:
    """A shape-only graph; ``w*`` and ``b`` are constants, ``x`` the input, the last operator's output the output."""
    shapes = {"x": (1, 8, 6, 2), "w": (4, 3, 3, 2), "b": (4,), "y": (1, 8, 6, 4), **shapes}
    tensors = {n: Tensor(n, s, "int32" if n == "b" else "int8", constant=n[0] in "wb") for n, s in shapes.items()}
    return Graph("g", tensors, ops, ("x",), (ops[-1].output,) if ops else ())


def test_a_sound_graph_validates_and_is_costed_without_data() -> None:
    graph = graph_of().validate()
    assert graph.shape_only
    assert [t.name for t in graph.activations()] == ["x", "y"]
    assert total_macs(graph) == macs(CONV, graph) == 8 * 6 * 4 * 3 * 3 * 2


def test_macs_of_the_other_weighted_operators() -> None:
    graph = graph_of(w=(1, 3, 3, 4), y=(1, 6, 4, 4))
    assert macs(DepthwiseConv2D(name="d", inputs=("x",), output="y", weight="w"), graph) == 6 * 4 * 4 * 9
    graph = graph_of(w=(10, 96), y=(1, 10))
    assert macs(FullyConnected(name="f", inputs=("x",), output="y", weight="w"), graph) == 960


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (graph_of(y=(1, 8, 6, 5)), r"output 'y' is \(1, 8, 6, 5\), should be \(1, 8, 6, 4\)"),
        (graph_of(w=(4, 3, 3, 3)), "weight takes 3 channels, input has 2"),
        (graph_of(w=(4, 3, 3)), "4-D"),
        (graph_of(b=(5,)), r"bias 'b' is int32\[5\], should be int32\[4\]"),
        (graph_of(x=(1, 0, 6, 2)), "every length must be at least 1"),
        (graph_of((dataclasses.replace(CONV, strides=(0, 1)),)), "at least 1"),
        (graph_of((dataclasses.replace(CONV, padding=Padding(top=-1)),)), "at least 0"),
        (graph_of((dataclasses.replace(CONV, inputs=("nothing",)),)), "reads unknown tensor 'nothing'"),
        (graph_of((dataclasses.replace(CONV, inputs=("y",)),)), "reads 'y' before it is written"),
        (graph_of((dataclasses.replace(CONV, output="x"),)), "already has a value"),
        (graph_of((dataclasses.replace(CONV, output="nowhere"),)), "writes unknown tensor 'nowhere'"),
        (graph_of((CONV, dataclasses.replace(CONV, output="z")), z=(1, 8, 6, 4)), "two operators are called 'conv'"),
        (graph_of((dataclasses.replace(CONV, inputs=("x", "x")),)), "Conv2D cannot take 2 inputs"),
        (graph_of((Add(name="a", inputs=("x",), output="y"),)), "Add cannot take 1 inputs"),
        (graph_of((Add(name="a", inputs=("x", "x2"), output="y"),), x2=(1, 8, 5, 2)), "before it is written|do not broadcast"),
        (dataclasses.replace(graph_of(), outputs=("z",)), "graph output 'z' is never written"),
        (dataclasses.replace(graph_of(), inputs=("x", "w")), "graph input 'w' is no activation"),
        (dataclasses.replace(graph_of(), inputs=("x", "q")), "graph input 'q' is no activation"),
    ],
)
def test_what_breaks_an_invariant_is_named(graph: Graph, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        graph.validate()


def test_a_tensor_filed_under_another_name_is_found() -> None:
    graph = graph_of()
    with pytest.raises(GraphError, match="filed under"):
        dataclasses.replace(graph, tensors={**graph.tensors, "other": graph["x"]}).validate()


X = {"inputs": ("x",), "output": "y", "name": "op"}


@pytest.mark.parametrize(
    ("op", "y", "expected"),
    [
        (AveragePool2D(**X, window=(3, 3), strides=(2, 2), padding=Padding(0, 1, 0, 1)), (), (1, 4, 3, 2)),
        (Mean(**X, axes=(1, 2)), (), (1, 2)),
        (Mean(**X, axes=(1, 2), keep_dims=True), (), (1, 1, 1, 2)),
        (Pad(**X, amounts=((0, 0), (1, 2), (0, 0), (3, 0)), value=0), (), (1, 11, 6, 5)),
        (Transpose(**X, permutation=(0, 3, 1, 2)), (), (1, 2, 8, 6)),
        (Concatenation(name="op", inputs=("x", "x"), output="y", axis=1), (), (1, 16, 6, 2)),
        (Softmax(**X), (), (1, 8, 6, 2)),
        (ArgMax(**X), (), (1, 8, 6)),
        (Slice(**X, begin=(0, 7, 0, 0), size=(1, 4, 6, 1), strides=(1, -2, 1, 1)), (4, 6), None),
        (Reshape(**X), (96,), None),
    ],
    ids=lambda v: v.kind if isinstance(v, Op) else "",
)
def test_output_shapes(op: Op, y: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    assert output_shape(op, graph_of((op,), y=y)) == expected


@pytest.mark.parametrize(
    ("op", "y", "message"),
    [
        (AveragePool2D(**X, window=(2, 2), strides=(1, 1), padding=Padding(top=2)), (), "padding below the window"),
        (Mean(**X, axes=(1, 4)), (), "cannot reduce"),
        (Mean(**X, axes=(2, 1)), (), "cannot reduce"),
        (Pad(**X, amounts=((0, 0), (0, 0)), value=0), (), "cannot pad"),
        (Transpose(**X, permutation=(0, 1, 1, 2)), (), "does not permute"),
        (Concatenation(name="op", inputs=("x", "y"), output="y", axis=1), (1, 8, 6, 3), "do not join"),
        (Slice(**X, begin=(0, 0, 0, 0), size=(1, 9, 6, 2), strides=(1, 1, 1, 1)), (1, 9, 6, 2), "leave"),
        (Slice(**X, begin=(0, 0, 0, 0), size=(1, 8, 6, 2), strides=(1, 1, 1, 1)), (1, 8, 6), "does not fill"),
        (Reshape(**X), (95,), "cannot reshape"),
        (FullyConnected(**X, weight="w"), (1, 10), "does not split into rows"),
    ],
    ids=lambda v: v.kind if isinstance(v, Op) else "",
)
def test_unsuitable_shapes_are_refused(op: Op, y: tuple[int, ...], message: str) -> None:
    with pytest.raises(GraphError, match=f"'op'.*{message}"):
        output_shape(op, graph_of((op,), y=y))


def test_a_constants_data_must_match_its_declaration_and_cannot_be_changed() -> None:
    with pytest.raises(GraphError, match="declared int8"):
        Tensor("w", (2,), "int8", data=np.zeros(2, np.int32))
    constant = Tensor("w", (2,), "int8", data=np.zeros(2, np.int8))
    assert constant.constant
    assert constant.data is not None
    with pytest.raises(ValueError, match="read-only"):
        constant.data[0] = 1


@pytest.mark.parametrize("scale", [(), (0.0,), (-1.0,), (float("inf"),), (float("nan"),)])
def test_a_quantization_needs_sound_scales(scale: tuple[float, ...]) -> None:
    with pytest.raises(GraphError, match="positive, finite"):
        Quantization(scale)


def test_a_zero_point_must_be_an_int8_value() -> None:
    with pytest.raises(GraphError, match="128"):
        Quantization((1.0,), 128)


def test_per_tensor_scale_is_asked_for_by_name() -> None:
    with pytest.raises(GraphError, match="'x' has no per-tensor scale"):
        _ = Tensor("x", (1,), quantization=Quantization((0.1, 0.2), axis=0)).scale
