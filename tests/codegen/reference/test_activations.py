"""Operators on single bytes and Softmax: close to the real function, and sound at the ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from codegen.ir import (
    Dequantize,
    Graph,
    GraphError,
    HardSwish,
    LeakyRelu,
    Logistic,
    Op,
    Quantization,
    Quantize,
    Relu,
    Relu6,
    Reshape,
    Softmax,
    Tanh,
    Tensor,
)
from codegen.reference import run
from codegen.reference.activations import lookup_table

Real = NDArray[np.float64]
UNARY: dict[str, Any] = {"name": "op", "inputs": ("x",), "output": "y"}


def graph_of(op: Op, x: Quantization | None, y: Quantization | None, shape: tuple[int, ...] = (1, 256)) -> Graph:
    tensors = [Tensor(n, shape, "int8" if q else "float32", q) for n, q in (("x", x), ("y", y))]
    return Graph("g", {t.name: t for t in tensors}, (op,), ("x",), ("y",)).validate()


CASES: list[tuple[Op, Quantization, Quantization, Callable[[Real], Real]]] = [
    (Logistic(**UNARY), Quantization((0.0627,), 12), Quantization((1 / 256,), -128), lambda v: 1 / (1 + np.exp(-v))),
    (Logistic(**UNARY), Quantization((0.9,), -40), Quantization((1 / 256,), -128), lambda v: 1 / (1 + np.exp(-v))),
    (Tanh(**UNARY), Quantization((0.03,), 127), Quantization((1 / 128,), 0), np.tanh),
    (Tanh(**UNARY), Quantization((0.9,), 0), Quantization((1 / 128,), 0), np.tanh),
    (HardSwish(**UNARY), Quantization((0.05,), 10), Quantization((0.03,), -100), lambda v: v * np.clip(v + 3, 0, 6) / 6),
    (Relu(**UNARY), Quantization((0.05,), -20), Quantization((0.11,), 5), lambda v: np.maximum(v, 0)),
    (Relu6(**UNARY), Quantization((0.05,), -60), Quantization((0.05,), -60), lambda v: np.clip(v, 0, 6)),
    (LeakyRelu(**UNARY, alpha=0.1), Quantization((0.05,), 10), Quantization((0.04,), -9), lambda v: np.where(v > 0, v, 0.1 * v)),
    (Quantize(**UNARY), Quantization((0.05,), 10), Quantization((0.13,), -7), lambda v: v),
]


@pytest.mark.parametrize(("op", "x", "y", "function"), CASES, ids=lambda v: v.kind if isinstance(v, Op) else "")
def test_every_byte_lies_within_one_step_of_the_real_function(
    op: Op, x: Quantization, y: Quantization, function: Callable[[Real], Real]
) -> None:
    graph = graph_of(op, x, y)
    every = np.arange(-128, 128, dtype=np.int8)
    table = lookup_table(op, graph)
    exact = function(x.scale[0] * (every.astype(np.float64) - x.zero_point)) / y.scale[0] + y.zero_point
    assert np.abs(table - np.clip(exact, -128, 127)).max() <= 1.01
    assert np.array_equal(run(graph, {"x": every[np.newaxis]})["y"][0], table)


@pytest.mark.parametrize("scale", [8.0, 20.0])
def test_saturated_functions_with_coarse_input(scale: float) -> None:
    """One step already leads beyond the arguments that are computed."""
    for kind, low, high in ((Logistic, -128, 127), (Tanh, -128, 127)):
        table = lookup_table(kind(**UNARY), graph_of(kind(**UNARY), Quantization((scale,), 5), Quantization((1 / 256,), -128)))
        assert set(table[: 128 + 5].tolist()) == {low}
        assert set(table[128 + 6 :].tolist()) == {high}


def test_other_operators_have_no_table() -> None:
    op = Reshape(**UNARY)
    with pytest.raises(GraphError, match="'op'"):
        lookup_table(op, graph_of(op, Quantization((1.0,)), Quantization((1.0,))))


def test_floats_are_quantized_half_away_from_zero_and_saturate() -> None:
    graph = graph_of(Quantize(**UNARY), None, Quantization((0.5,), 3), (1, 6))
    x = np.array([[0.25, -0.25, 0.24, 1e30, -1e30, 0.0]], np.float32)
    assert run(graph, {"x": x})["y"].tolist() == [[4, 2, 3, 127, -128, 3]]


def test_dequantize_inverts_quantize() -> None:
    q = Quantization((float(np.float32(0.0472)),), -5)
    every = np.arange(-128, 128, dtype=np.int8)[np.newaxis]
    real = run(graph_of(Dequantize(**UNARY), q, None), {"x": every})["y"]
    assert real.dtype == np.float32
    assert np.array_equal(run(graph_of(Quantize(**UNARY), None, q), {"x": real})["y"], every)


@pytest.mark.parametrize("scale", [0.01, 0.0627, 2.0])
def test_softmax_is_within_one_step_and_sums_to_one(scale: float) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (50, 10)).astype(np.int8)
    y = run(graph_of(Softmax(**UNARY), Quantization((scale,), 4), Quantization((1 / 256,), -128), (1, 10)), {"x": x})["y"]
    exponential = np.exp(scale * (x.astype(np.float64) - x.max(axis=1, keepdims=True)))
    exact = exponential / exponential.sum(axis=1, keepdims=True) * 256 - 128
    assert np.abs(y - np.clip(exact, -128, 127)).max() <= 1
    assert np.abs((y.astype(int) + 128).sum(axis=1) - 256).max() <= 5


def test_softmax_of_more_equal_logits_than_the_usual_accumulator_holds() -> None:
    graph = graph_of(Softmax(**UNARY), Quantization((0.1,), 0), Quantization((1 / 256,), -128), (1, 1024))
    y = run(graph, {"x": np.zeros((1, 1024), np.int8)})["y"]
    assert set(y.ravel().tolist()) == {-128}
