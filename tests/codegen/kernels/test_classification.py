"""Softmax and arg max: bit by bit against the reference, also on emulated cores and with the output over the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kernel_conformance import KernelConformance
from kernel_runner import Case, prepare

from codegen.ir import ArgMax, Graph, Quantization, Softmax, Tensor
from codegen.kernels.arg_max import ArgMaxKernel
from codegen.kernels.softmax import SoftmaxKernel


def softmax(shape: tuple[int, ...], scale: float, beta: float = 1.0) -> Graph:
    """A graph of one softmax."""
    tensors = {
        "x": Tensor("x", shape, "int8", Quantization((float(np.float32(scale)),), 11)),
        "y": Tensor("y", shape, "int8", Quantization((1 / 256,), -128)),
    }
    return Graph("g", tensors, (Softmax(name="op", inputs=("x",), output="y", beta=beta),), ("x",), ("y",)).validate()


def arg_max(shape: tuple[int, ...]) -> Graph:
    """A graph of one arg max."""
    tensors = {"x": Tensor("x", shape, "int8", Quantization((0.1,), 0)), "y": Tensor("y", shape[:-1], "int32")}
    return Graph("g", tensors, (ArgMax(name="op", inputs=("x",), output="y"),), ("x",), ("y",)).validate()


SOFTMAXES = [
    *(softmax((1, 10), scale) for scale in (1e-4, 0.003, 0.02, 0.0625, 0.1, 0.25, 1.0, 7.3, 40.0)),
    softmax((1, 1), 0.1),
    softmax((1, 2), 0.1, beta=0.5),
    softmax((1, 257), 0.05),
    softmax((1, 3, 4, 5), 0.2, beta=2.0),
    softmax((1, 600), 0.001),
    softmax((1, 2100), 1e-3),
    softmax((1, 12), 1e-8),
]
ARG_MAXES = [arg_max(shape) for shape in ((1, 10), (1, 1), (1, 7, 3), (1, 4, 5, 6), (1, 6, 4), (1, 300), (1, 5, 1))]


@pytest.fixture(scope="module", params=["softmax", "arg_max"])
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    return prepare(SoftmaxKernel(), SOFTMAXES) if request.param == "softmax" else prepare(ArgMaxKernel(), ARG_MAXES)


class TestClassification(KernelConformance):
    def inputs_of(self, case: Case) -> list[np.ndarray[Any, Any]]:
        """Random bytes, near ties, every difference, and every byte at either end of the range."""
        shape = case.graph["x"].shape
        rng = np.random.default_rng(0)
        near = rng.integers(100, 104, shape).astype(np.int8)
        ramp = (np.arange(near.size) % 256 - 128).astype(np.int8).reshape(shape)
        return [
            rng.integers(-128, 128, shape).astype(np.int8), near, ramp, np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)
        ]  # fmt: skip

    def inputs_on_cores(self, case: Case) -> list[np.ndarray[Any, Any]]:
        return self.inputs_of(case)[:3]


def test_softmax_refuses_sums_beyond_32_bits() -> None:
    graph = softmax((1, 4096), 0.1)
    assert SoftmaxKernel().specialize(graph.ops[0], graph, None, "balanced") is None  # type: ignore[arg-type]
