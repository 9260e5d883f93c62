"""Random weights give networks that are planned and built like trained ones."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Weighted, total_macs
from cost_models.random_weights import fill
from search_spaces import AudioSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms


@pytest.mark.parametrize(
    "space",
    [TimeSeriesSpace(128, 6, 6), AudioSpace(spectrograms(600, bands=(8, 10), hops=(20, 30)), 10), ImageSpace((8, 8, 1), 10)],
    ids=["time_series", "audio", "image"],
)
def test_no_channel_is_dead_so_the_plan_is_that_of_the_shapes(space: SearchSpace) -> None:
    rng = np.random.default_rng(4242)
    core, judged = CORES["cortex-m4"], 0
    while judged < 25:
        graph = space.graph(space.sample(rng))
        if total_macs(graph) > 2e6:
            continue
        judged += 1
        shapes, filled = (lay_out(g, core, "balanced") for g in (graph, fill(graph, np.random.default_rng(judged))))
        assert filled.plan.arena_bytes == shapes.plan.arena_bytes
        assert [filled.graph[op.output].shape for op in filled.graph.ops] == [
            shapes.graph[op.output].shape for op in shapes.graph.ops
        ]


def test_every_channel_has_a_weight_that_is_clearly_positive() -> None:
    space = TimeSeriesSpace(128, 6, 6)
    graph = fill(space.graph(space.sample(np.random.default_rng(0))), np.random.default_rng(0))
    for op in graph.ops:
        if isinstance(op, Weighted):
            weight = graph[op.weight]
            assert weight.data is not None
            assert weight.quantization is not None
            others = tuple(axis for axis in range(weight.data.ndim) if axis != weight.quantization.axis)
            assert weight.data.max(axis=others).min() >= 64
