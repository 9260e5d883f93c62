"""Depthwise convolution by windows one column wide: bit by bit against the reference, also with the output over the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from depthwise_graphs import depthwise
from kernel_conformance import WindowConformance
from kernel_runner import Case, prepare

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


class TestDepthwiseColumn(WindowConformance):
    BROKEN = 0.5


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
