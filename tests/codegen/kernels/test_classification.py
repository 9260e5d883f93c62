"""Softmax and arg max: bit by bit against the reference, also on emulated cores and with the output over the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Case, Device, Host, compute, expected, prepare, write_source

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


def inputs_of(case: Case) -> list[np.ndarray[Any, Any]]:
    """Random bytes, near ties, every difference, and every byte at either end of the range."""
    shape = case.graph["x"].shape
    rng = np.random.default_rng(0)
    near = rng.integers(100, 104, shape).astype(np.int8)
    ramp = (np.arange(near.size) % 256 - 128).astype(np.int8).reshape(shape)
    return [
        rng.integers(-128, 128, shape).astype(np.int8), near, ramp, np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)
    ]  # fmt: skip


@pytest.fixture(scope="module", params=["softmax", "arg_max"])
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    return prepare(SoftmaxKernel(), SOFTMAXES) if request.param == "softmax" else prepare(ArgMaxKernel(), ARG_MAXES)


@pytest.fixture(scope="module")
def source(cases: Sequence[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(cases, tmp_path_factory.mktemp("classification"))


@pytest.fixture(scope="module")
def host(source: Path) -> Host:
    return Host(source)


def test_equals_the_reference(host: Host, cases: Sequence[Case]) -> None:
    for case in cases:
        for x in inputs_of(case):
            np.testing.assert_array_equal(compute(host, case, [x]), expected(case, [x]), err_msg=str(case.spec))


def test_output_may_lie_over_the_input_from_its_lead_on(host: Host, cases: Sequence[Case]) -> None:
    for case in cases:
        (lead,) = case.kernel.overlap(case.spec)
        assert lead is not None
        x = inputs_of(case)[0]
        for distance in (lead, lead + 1, lead + 4, lead + 61):
            if case.graph["y"].dtype == "int8" or distance % 4 == 0:
                np.testing.assert_array_equal(compute(host, case, [x], [distance]), expected(case, [x]), err_msg=str(case.spec))


@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_reference_on_cores(core: str, optimize: str, cases: Sequence[Case], source: Path) -> None:
    device = Device(source, cases, core, optimize)
    for case in cases:
        for x in inputs_of(case)[:3]:
            np.testing.assert_array_equal(compute(device, case, [x]), expected(case, [x]), err_msg=str(case.spec))


def test_softmax_refuses_sums_beyond_32_bits() -> None:
    graph = softmax((1, 4096), 0.1)
    assert SoftmaxKernel().specialize(graph.ops[0], graph, None, "balanced") is None  # type: ignore[arg-type]
