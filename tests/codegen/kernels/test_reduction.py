"""Mean, Sum and ReduceMax over any axes: bit by bit against the reference, on emulated cores, over their input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from kernel_conformance import WindowConformance
from kernel_runner import Case, prepare

from codegen.cores import CORES
from codegen.ir import Graph, Mean, Quantization, ReduceMax, Reduction, Sum, Tensor
from codegen.kernels.reduction import ReductionKernel

KERNEL = ReductionKernel()


def reduction(
    kind: type[Reduction],
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    x: tuple[float, int] = (0.05, -5),
    y: tuple[float, int] | None = None,
    keep_dims: bool = False,
) -> Graph:
    """A graph of one reduction; by default the output's scale suits the sum or mean."""
    count = math.prod(shape[a] for a in axes)
    usual = {Mean: (0.03, 7), Sum: (0.05 * count**0.5, 7), ReduceMax: x}
    out_shape = tuple(1 if a in axes else d for a, d in enumerate(shape) if keep_dims or a not in axes)
    tensors = {
        name: Tensor(name, dims, "int8", Quantization((float(np.float32(scale)),), zero_point))
        for name, dims, (scale, zero_point) in (("x", shape, x), ("y", out_shape, y or usual[kind]))
    }
    op = kind(name="op", inputs=("x",), output="y", axes=axes, keep_dims=keep_dims)
    return Graph("g", tensors, (op,), ("x",), ("y",)).validate()


def graphs(kind: type[Reduction]) -> list[Graph]:
    """Every choice of axes, channels that fill groups or not, many cells, and extreme quantization."""
    shape = (2, 3, 5, 6)
    every = [axes for n in range(5) for axes in combinations(range(4), n)]
    chosen = [reduction(kind, shape, axes, keep_dims=len(axes) % 2 == 0) for axes in every]
    chosen += [
        reduction(kind, (1, 7, 7, 16), (1, 2)),
        reduction(kind, (1, 7, 7, 3), (1, 2)),
        reduction(kind, (1, 40, 20, 5), (1, 2)),
        reduction(kind, (1, 4, 300, 8), (2,)),
        reduction(kind, (1, 9, 8, 1), (1, 2)),
        reduction(kind, (1, 64), (1,)),
        reduction(kind, (1, 1, 1, 8), (1, 2)),
    ]
    if kind is not ReduceMax:
        quantizations: list[tuple[tuple[float, int], tuple[float, int]]] = [
            ((0.05, -128), (0.05, 127)),
            ((0.05, 127), (0.05, -128)),
            ((3.0, 5), (1e-3, 0)),
            ((1e-9, 5), (3.0, 9)),
            ((0.5, 0), (1.0, 3)),
        ]
        chosen += [reduction(kind, (1, 6, 6, 9), (1, 2), *quantization) for quantization in quantizations]
        chosen += [reduction(kind, (1, 1, 4, 9), (1,), (3.0, 5), (0.5, 0))]
    return chosen


@pytest.fixture(scope="module", params=[Mean, Sum, ReduceMax], ids=["mean", "sum", "max"])
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    return prepare(KERNEL, graphs(request.param))


class TestReductions(WindowConformance):
    BROKEN = 0.4  # a reduction may hide the four bytes that are lost

    def inputs_of(self, case: Case) -> list[np.ndarray[Any, Any]]:
        """Random bytes, bytes around zero, and every byte at either end of the range."""
        shape = case.graph["x"].shape
        rng = np.random.default_rng(0)
        return [
            rng.integers(-128, 128, shape).astype(np.int8),
            rng.integers(-8, 0, shape).astype(np.int8),
            np.full(shape, -128, np.int8),
            np.full(shape, 127, np.int8),
        ]


def test_more_groups_of_axes_than_a_window_has_are_refused() -> None:
    graph = reduction(ReduceMax, (2, 2, 2, 2, 2), (0, 2, 4))
    assert KERNEL.specialize(graph.ops[0], graph, CORES["cortex-m4"], "balanced") is None
