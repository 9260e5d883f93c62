"""Calibration meets what networks of any input call."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Graph
from codegen.optimize import Optimize
from cost_models.covering import CALLS, covering_operators
from nas.calibration import DEPTHWISE_KERNELS
from search_spaces import AudioSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

SPACES: tuple[SearchSpace, ...] = (
    ImageSpace((45, 70, 3), 4),
    AudioSpace(spectrograms(1300, bands=(7, 17, 27, 64), hops=(13, 19)), 5),
    TimeSeriesSpace(333, 3, 3),
)
SAMPLES = 150


def shared_functions(graph: Graph, core: str, optimize: Optimize) -> set[str]:
    return {name for s in lay_out(graph, CORES[core], optimize).selections for name in s.kernel.shared_functions(s.spec)}


@pytest.mark.slow
@pytest.mark.parametrize(("core", "optimize"), [("cortex-m4", "balanced"), ("cortex-m4", "size"), ("cortex-m0plus", "balanced")])
def test_networks_of_other_inputs_call_nothing_else(core: str, optimize: Optimize) -> None:
    operators = covering_operators(DEPTHWISE_KERNELS, core, optimize)
    met = set().union(*(shared_functions(graph, core, optimize) for graph in operators))
    rng = np.random.default_rng(0)
    called = set()
    for space in SPACES:
        for _ in range(SAMPLES):
            called |= shared_functions(space.graph(space.sample(rng)), core, optimize)
    assert len(called) > 50
    assert called <= met


def test_no_more_operators_than_it_takes() -> None:
    operators = covering_operators(((3, 3), (5, 1)), "cortex-m4", "balanced")
    functions = set().union(*(shared_functions(graph, "cortex-m4", "balanced") for graph in operators))
    assert len(functions) > 10
    assert len(operators) <= len(CALLS) * len(functions)
