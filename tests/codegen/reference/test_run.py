"""Executing whole graphs: many samples at once, chosen outputs, and clear errors for inputs that do not fit."""

from __future__ import annotations

import time

import numpy as np
import pytest
from graphs import GraphBuilder

from codegen import ir
from codegen.ir import ArgMax, Concatenation, Graph, Maximum, Mean, Minimum, Quantization, Tensor
from codegen.reference import REFERENCE, _run, run


def network() -> Graph:
    builder = GraphBuilder("net", seed=5)
    x = builder.input(1, 8, 8, 1)
    a = builder.conv(x, 8, relu=True)
    b = builder.conv(builder.depthwise(a), 8, (1, 1))
    c = builder.global_pool(builder.add(a, b))
    return builder.graph(builder.softmax(builder.dense(builder.reshape(c, 1, 8), 10)))


def samples(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (n, *shape)).astype(np.int8)


def test_many_samples_equal_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network()
    (source,), (result,) = graph.inputs, graph.outputs
    x = samples(17, 8, 8, 1)
    together = run(graph, {source: x})[result]
    single = np.concatenate([run(graph, {source: x[i : i + 1]})[result] for i in range(17)])
    assert together.shape == (17, 10)
    assert np.array_equal(together, single)
    monkeypatch.setattr(_run, "_CHUNK_ELEMENTS", 3 * 8 * 8 * 9)
    assert np.array_equal(run(graph, {source: x})[result], together)


def test_keep_all_returns_every_activation_and_only_these() -> None:
    graph = network()
    x = samples(3, 8, 8, 1)
    values = run(graph, {graph.inputs[0]: x}, keep_all=True)
    assert set(values) == {t.name for t in graph.activations()}
    assert all(v.shape == (3, *graph[n].shape[1:]) and v.dtype == graph[n].dtype for n, v in values.items())
    assert np.array_equal(values[graph.inputs[0]], x)


def test_no_samples_give_no_results() -> None:
    graph = network()
    assert run(graph, {graph.inputs[0]: samples(0, 8, 8, 1)})[graph.outputs[0]].shape == (0, 10)


def test_hundreds_of_samples_take_less_than_a_second() -> None:
    graph = network()
    x = samples(360, 8, 8, 1)
    started = time.perf_counter()
    run(graph, {graph.inputs[0]: x})
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes the inputs"),
        ({"input0": samples(2, 8, 8, 1), "more": samples(2, 1)}, "takes the inputs"),
        ({"input0": samples(2, 8, 8, 1).astype(np.int16)}, "must be int8, got int16"),
        ({"input0": samples(2, 8, 8, 2)}, r"must have shape \(N, 8, 8, 1\), got \(2, 8, 8, 2\)"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(network(), inputs)


def test_a_shape_only_graph_cannot_run() -> None:
    graph = network()
    weight = next(t for t in graph.tensors.values() if t.constant and t.dtype == "int8")
    bare = Tensor(weight.name, weight.shape, weight.dtype, weight.quantization, None, True)
    shape_only = Graph(graph.name, {**graph.tensors, weight.name: bare}, graph.ops, graph.inputs, graph.outputs)
    with pytest.raises(ValueError, match="has no data"):
        run(shape_only, {graph.inputs[0]: samples(1, 8, 8, 1)})


def test_every_operator_of_the_ir_has_a_reference() -> None:
    abstract = {ir.Op, ir.Clamped, ir.Pool2D, ir.Reduction, ir.Weighted}
    operators = {v for v in vars(ir).values() if isinstance(v, type) and issubclass(v, ir.Op)}
    assert operators - abstract == set(REFERENCE)


Q = Quantization((0.1,), -7)


def tensors(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {n: Tensor(n, s, "int8", Q) for n, s in shapes.items()}


def test_operands_of_fewer_axes_and_constants_broadcast_within_each_sample() -> None:
    constant = np.array([-100, 0, 100], np.int8)
    shapes = tensors(x=(1, 2, 2, 3), gate=(1, 3), low=(1, 2, 2, 3), y=(1, 2, 2, 3))
    everything = {**shapes, "c": Tensor("c", (3,), "int8", Q, constant)}
    ops = (Maximum(name="a", inputs=("x", "c"), output="low"), Minimum(name="b", inputs=("gate", "low"), output="y"))
    graph = Graph("g", everything, ops, ("x", "gate"), ("y",)).validate()
    x, gate = samples(4, 2, 2, 3), samples(4, 3)
    expected = np.minimum(gate[:, None, None, :], np.maximum(x, constant))
    assert np.array_equal(run(graph, {"x": x, "gate": gate})["y"], expected)


def test_a_constant_joins_every_sample() -> None:
    constant = samples(1, 2, 3)
    everything = {**tensors(x=(1, 1, 3), y=(1, 3, 3)), "c": Tensor("c", (1, 2, 3), "int8", Q, constant)}
    op = Concatenation(name="j", inputs=("c", "x"), output="y", axis=1)
    x = samples(4, 1, 3)
    y = run(Graph("g", everything, (op,), ("x",), ("y",)).validate(), {"x": x})["y"]
    assert np.array_equal(y[:, :2], np.broadcast_to(constant, (4, 2, 3)))
    assert np.array_equal(y[:, 2:], x)


def test_arg_max_takes_the_first_of_equals() -> None:
    everything = {**tensors(x=(1, 4)), "y": Tensor("y", (1,), "int32")}
    graph = Graph("g", everything, (ArgMax(name="a", inputs=("x",), output="y"),), ("x",), ("y",)).validate()
    y = run(graph, {"x": np.array([[1, 9, 9, 0], [-1, -1, -1, -1]], np.int8)})["y"]
    assert (y.dtype, y.tolist()) == (np.int32, [1, 0])


def test_mean_over_channels_keeps_samples_apart() -> None:
    everything = tensors(x=(1, 2, 2, 8), y=(1, 2, 2))
    graph = Graph("g", everything, (Mean(name="m", inputs=("x",), output="y", axes=(3,)),), ("x",), ("y",)).validate()
    x = samples(5, 2, 2, 8)
    assert np.abs(run(graph, {"x": x})["y"] - x.astype(np.float64).mean(axis=-1)).max() < 1
