"""Operators of single bytes: every byte against the reference, also on emulated cores and in place; tables only where needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kernel_conformance import KernelConformance
from kernel_runner import Case, prepare

from codegen.cores import CORES
from codegen.ir import Graph, HardSwish, LeakyRelu, Logistic, Op, Quantization, Quantize, Relu, Relu6, Tanh, Tensor
from codegen.kernels.lookup_table import LookupTableKernel, LookupTableSpec

KERNEL = LookupTableKernel()
EVERY_BYTE = (1, 16, 16, 1)


def unary(op: Op, shape: tuple[int, ...], x: tuple[float, int], y: tuple[float, int]) -> Graph:
    """A graph of ``op`` with input and output quantized by these scales and zero points."""
    tensors = {
        name: Tensor(name, shape, "int8", Quantization((float(np.float32(scale)),), zero_point))
        for name, (scale, zero_point) in (("x", x), ("y", y))
    }
    return Graph("g", tensors, (op,), ("x",), ("y",)).validate()


def of(kind: type[Op], x: tuple[float, int], y: tuple[float, int], shape: tuple[int, ...] = EVERY_BYTE, **options: Any) -> Graph:
    """A graph of one operator of this kind."""
    return unary(kind(name="op", inputs=("x",), output="y", **options), shape, x, y)


GRAPHS = [
    of(Relu, (0.05, 10), (0.05, 10)),
    of(Relu, (0.05, -128), (0.11, 5), (1, 7)),
    of(Relu, (0.05, 3), (0.05, -7), (1, 259)),
    of(Relu6, (0.05, -60), (0.05, -60)),
    of(Relu6, (0.05, -128), (0.05, -128), (1, 3)),
    of(Relu6, (0.05, -60), (0.05, -60), (1, 10)),
    of(LeakyRelu, (0.05, 10), (0.07, -20), alpha=0.1),
    of(LeakyRelu, (0.05, 10), (0.07, -20), (1, 1), alpha=0.1),
    of(HardSwish, (0.05, 10), (0.03, -100)),
    of(Logistic, (0.06, 12), (1 / 256, -128)),
    of(Tanh, (0.06, 12), (1 / 128, 0)),
    of(Quantize, (0.05, 10), (0.13, -7)),
    of(Quantize, (0.05, 10), (0.05, 10)),
]


@pytest.fixture(scope="module")
def cases() -> Sequence[Case]:
    return prepare(KERNEL, GRAPHS)


class TestLookupTable(KernelConformance):
    def inputs_of(self, case: Case) -> list[np.ndarray[Any, Any]]:
        """Every byte, as often as there is room."""
        shape = case.graph["x"].shape
        return [np.resize(np.arange(-128, 128).astype(np.int8)[::-1], shape)]


def test_what_only_clamps_needs_no_table() -> None:
    def spec(graph: Graph) -> LookupTableSpec:
        found = KERNEL.specialize(graph.ops[0], graph, CORES["cortex-m4"], "balanced")
        assert found is not None
        return found

    assert spec(GRAPHS[0]).clamp == (10, 127)
    assert spec(GRAPHS[3]).clamp == (-60, 60)
    assert spec(GRAPHS[12]).clamp == (-128, 127)
    assert spec(GRAPHS[1]).clamp is None
    assert KERNEL.constant_bytes(spec(GRAPHS[1])) == 256
