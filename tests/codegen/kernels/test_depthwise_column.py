"""Depthwise convolution by windows one column wide: bit by bit against the reference, also with the output over the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from depthwise_graphs import depthwise, inputs_of
from kernel_runner import CORE_BUILDS, Case, Device, Host, compute, expected, prepare, write_source

from codegen.cores import CORES
from codegen.ir import Padding
from codegen.kernels.depthwise_column import DepthwiseColumnKernel

KERNEL = DepthwiseColumnKernel()


@pytest.fixture(scope="module")
def cases() -> Sequence[Case]:
    rng = np.random.default_rng(3)
    graphs = [
        depthwise(rng, (30, 1, 40), (3, 1)),
        depthwise(rng, (15, 1, 12), (15, 1)),
        depthwise(rng, (12, 1, 4), (5, 1), strides=(2, 1)),
        depthwise(rng, (12, 3, 8), (2, 1), strides=(2, 2)),
        depthwise(rng, (14, 2, 4), (4, 1), dilation=(3, 1)),
        depthwise(rng, (9, 5, 4), (7, 1), zero_points=(127, -128), gain=30),
        depthwise(rng, (9, 5, 8), (7, 1), zero_points=(-128, 127), clamp=(3, 127), gain=2e4),
        depthwise(rng, (9, 5, 8), (7, 1), gain=1e-6, bias=False),
    ]
    return prepare(KERNEL, graphs)


@pytest.fixture(scope="module")
def source(cases: Sequence[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(cases, tmp_path_factory.mktemp("column"))


def test_equals_the_reference_with_the_output_over_the_input(cases: Sequence[Case], source: Path) -> None:
    host = Host(source)
    broken = 0
    for case in cases:
        (lead,) = KERNEL.overlap(case.spec)
        assert lead is not None
        for x in inputs_of(case):
            for distance in (lead, lead + 1, lead + 61):
                np.testing.assert_array_equal(compute(host, case, [x], [distance]), expected(case, [x]), err_msg=str(case.spec))
        x = inputs_of(case)[0]
        broken += not np.array_equal(compute(host, case, [x], [lead - 4]), expected(case, [x]))
    assert broken > len(cases) // 2


@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_reference_on_cores(core: str, optimize: str, cases: Sequence[Case], source: Path) -> None:
    device = Device(source, cases, core, optimize)
    for case in cases:
        (lead,) = KERNEL.overlap(case.spec)
        for x in inputs_of(case):
            np.testing.assert_array_equal(compute(device, case, [x], [lead]), expected(case, [x]), err_msg=str(case.spec))


def test_leaves_padding_rows_and_other_cores_to_others() -> None:
    rng = np.random.default_rng(0)
    for graph in (
        depthwise(rng, (9, 1, 8), (3, 1), padding=Padding(1, 1, 0, 0)),
        depthwise(rng, (9, 3, 8), (3, 3)),
        depthwise(rng, (9, 3, 6), (3, 1)),
        depthwise(rng, (9, 3, 4), (3, 1), multiplier=2),
    ):
        assert KERNEL.specialize(graph.ops[0], graph, CORES["cortex-m4"], "speed") is None
    graph = depthwise(rng, (9, 1, 8), (3, 1))
    assert KERNEL.specialize(graph.ops[0], graph, CORES["cortex-m3"], "speed") is None
