"""Average and maximum pooling: bit by bit against the reference, also on emulated cores and with the output over the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kernel_conformance import WindowConformance
from kernel_runner import Case, prepare

from codegen.ir import AveragePool2D, Graph, MaxPool2D, Padding, Pool2D, Quantization, Tensor, output_shape
from codegen.kernels.average_pool2d import AveragePool2DKernel, reciprocal
from codegen.kernels.max_pool2d import MaxPool2DKernel

Size = tuple[int, int]
NO_PADDING = Padding()


def pool(
    kind: type[Pool2D],
    shape: tuple[int, int, int],
    window: Size,
    strides: Size = (1, 1),
    padding: Padding = NO_PADDING,
    clamp: Size = (-128, 127),
) -> Graph:
    """A graph of one pooling operator."""
    quantization = Quantization((0.05,), -7)
    tensors = {"x": Tensor("x", (1, *shape), "int8", quantization)}
    op = kind(name="op", inputs=("x",), output="y", window=window, strides=strides, padding=padding, clamp=clamp)
    out_shape = output_shape(op, Graph("g", tensors, (), ("x",), ()))
    assert out_shape is not None
    tensors["y"] = Tensor("y", out_shape, "int8", quantization)
    return Graph("g", tensors, (op,), ("x",), ("y",)).validate()


def graphs(kind: type[Pool2D]) -> list[Graph]:
    """Chosen and random geometries."""
    chosen = [
        pool(kind, (6, 8, 8), (2, 2), (2, 2)),
        pool(kind, (7, 7, 16), (7, 7)),
        pool(kind, (1, 1, 1), (1, 1)),
        pool(kind, (5, 5, 6), (3, 3), (1, 1), Padding(1, 1, 1, 1), (-20, 90)),
        pool(kind, (6, 5, 9), (3, 3), (2, 2), Padding(0, 1, 1, 1)),
        pool(kind, (20, 20, 5), (20, 20)),
        pool(kind, (16, 17, 4), (16, 17)),
        pool(kind, (2, 300, 4), (2, 300)),
        pool(kind, (30, 14, 3), (25, 13), (2, 1)),
        pool(kind, (9, 8, 4), (2, 2), (3, 3)),
        pool(kind, (4, 6, 7), (4, 2), (4, 2), clamp=(-7, 40)),
        pool(kind, (3, 4, 12), (5, 6), (1, 1), Padding(2, 2, 3, 3)),
        pool(kind, (25, 5, 8), (25, 5)),
        pool(kind, (19, 20, 5), (19, 20), padding=Padding(1, 2, 0, 3)),
        pool(kind, (310, 300, 4), (310, 300)),
    ]
    rng = np.random.default_rng(3)
    while len(chosen) < 32:
        shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 11)))
        window = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
        padding = Padding(*(int(rng.integers(0, window[axis])) for axis in (0, 0, 1, 1)))
        if shape[0] + padding.top + padding.bottom >= window[0] and shape[1] + padding.left + padding.right >= window[1]:
            chosen.append(pool(kind, shape, window, (int(rng.integers(1, 4)), int(rng.integers(1, 4))), padding))
    return chosen


@pytest.fixture(scope="module", params=[AveragePool2D, MaxPool2D], ids=["average", "max"])
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    kernel = AveragePool2DKernel() if request.param is AveragePool2D else MaxPool2DKernel()
    return prepare(kernel, graphs(request.param))


class TestPooling(WindowConformance):
    BROKEN = 0.6  # a window may hide the four bytes that are lost

    def inputs_of(self, case: Case) -> list[np.ndarray[Any, Any]]:
        """Random bytes, bytes around zero (ties), and every byte at either end of the range."""
        shape = case.graph["x"].shape
        rng = np.random.default_rng(0)
        small = rng.integers(-3, 4, shape).astype(np.int8)
        return [rng.integers(-128, 128, shape).astype(np.int8), small, np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)]


@pytest.mark.parametrize("counts", [range(1, 362), range(362, 600, 7), (1000, 4095, 4096, 65535, 92000)])
def test_means_by_reciprocals_are_exact(counts: Sequence[int]) -> None:
    most, bits = max(counts), 24 if max(counts) <= 361 else 40
    for count in counts:
        sums = np.arange(128 * count + 1, dtype=np.uint64)
        numerators = sums + np.uint64(count // 2)
        factor = np.uint64(reciprocal(count, most) % 2**32)
        products = numerators * factor
        assert bits == 40 or int(products[-1]) < 2**32
        np.testing.assert_array_equal(products >> np.uint64(bits), numerators // np.uint64(count))


def test_rescaling_pools_are_refused() -> None:
    graph = pool(MaxPool2D, (4, 4, 4), (2, 2))
    rescaled = {**graph.tensors, "y": Tensor("y", graph["y"].shape, "int8", Quantization((0.1,), -7))}
    other = Graph("g", rescaled, graph.ops, graph.inputs, graph.outputs)
    assert MaxPool2DKernel().specialize(graph.ops[0], other, None, "balanced") is None  # type: ignore[arg-type]
