"""Operators in strips of rows: the same bits, a smaller arena, bounded extra work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import GraphBuilder, image, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.boards import load_board
from codegen.compile import Layout, compile_graph, lay_out
from codegen.cores import CORES
from codegen.float_borders import int8_core
from codegen.importers.tflite import import_tflite
from codegen.ir import Conv2D, Graph, Padding, Tensor, total_macs
from codegen.memory_plan import Demand
from codegen.partial_execution import LEAST_GAIN, MOST_EXTRA_WORK, Estimator
from codegen.passes import run_passes
from codegen.project.model_source import constant_bytes
from codegen.reference import run
from codegen.strips import Strips, in_strips
from codegen.verify import measure_model

M4 = CORES["cortex-m4"]


@st.composite
def splittable(draw: st.DrawFn) -> tuple[Graph, list[Strips]]:
    """A random graph of chains and residual blocks of operators that work on rows, and disjoint ranges of it."""
    b = GraphBuilder("random", seed=draw(st.integers(0, 100)))
    x = b.input(1, draw(st.integers(4, 17)), draw(st.sampled_from([4, 5, 8])), draw(st.sampled_from([1, 3, 4])))
    for _ in range(draw(st.integers(2, 7))):
        kernel = draw(st.sampled_from([(1, 1), (2, 3), (3, 3), (5, 1)]))
        strides = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 1)]))
        match draw(st.sampled_from(["conv", "depthwise", "pool", "maximum", "block"])):
            case "conv":
                x = b.conv(x, draw(st.sampled_from([2, 3, 4])), kernel, strides=strides)
            case "depthwise":
                x = b.depthwise(x, kernel, strides=strides)
            case "pool":
                x = b.average_pool(x, (2, 2), strides, "same")
            case "maximum":
                x = b.max_pool(x, (3, 2), strides, "same")
            case _:
                y = b.depthwise(b.conv(x, 4, kernel))
                x = b.add(b.conv(x, 4, (1, 1)), y)
    graph = b.graph(x)
    ranges = Estimator(graph, [Demand()] * len(graph.ops)).ranges()
    chosen: list[Strips] = []
    for first, last in draw(st.lists(st.sampled_from(ranges), min_size=1, max_size=4)):
        if all(last < other.first or other.last < first for other in chosen):
            chosen.append(Strips(first, last, draw(st.integers(1, 5)), draw(st.booleans())))
    return graph, chosen


@settings(max_examples=150, deadline=None)
@given(splittable())
def test_strips_give_the_bits_of_the_whole_range(problem: tuple[Graph, list[Strips]]) -> None:
    graph, ranges = problem
    split, origins = in_strips(graph, ranges)
    inputs = random_inputs(graph, 3)
    expected, computed = run(graph, inputs), run(split, inputs)
    for name in graph.outputs:
        np.testing.assert_array_equal(computed[name], expected[name])
    named = {op.name for op in graph.ops}
    assert set(origins.values()) <= named
    assert all((origins.get(op.name, op.name) in named) for op in split.ops if op.kind not in ("Slice", "Concatenation"))


def split_by_size(graph: Graph) -> tuple[Layout, Layout]:
    return lay_out(graph, M4, "speed"), lay_out(graph, M4, "size")


def test_size_saves_memory_at_bounded_work() -> None:
    plain, split = split_by_size(image())
    assert not plain.origins
    assert split.origins
    assert split.plan.arena_bytes <= plain.plan.arena_bytes * (1 - LEAST_GAIN)
    assert total_macs(split.graph) <= total_macs(plain.graph) * (1 + MOST_EXTRA_WORK)


def test_a_strip_that_reads_padding_alone_is_no_obstacle() -> None:
    b = GraphBuilder("padded")
    kept = b.conv(b.input(1, 24, 24, 4), 2)
    graph = b.graph(b.conv(b.depthwise(b.conv(b.depthwise(kept), 24, (1, 1)), strides=(2, 2)), 2, (3, 3)))
    last = graph.ops[-1]
    assert isinstance(last, Conv2D)
    padded = replace(last, padding=Padding(9, 9, 1, 1))
    y = graph[last.output]
    grown = replace(y, shape=(1, y.shape[1] + 16, *y.shape[2:]))
    graph = replace(graph, ops=(*graph.ops[:-1], padded), tensors={**graph.tensors, y.name: grown}).validate()
    plain, split = split_by_size(graph)
    assert split.plan.arena_bytes <= plain.plan.arena_bytes


def test_a_network_that_gains_nothing_stays_whole() -> None:
    b = GraphBuilder("wide")
    graph = b.graph(b.global_pool(b.conv(b.depthwise(b.conv(b.input(1, 24, 8, 1), 32)), 32, (1, 1))))
    plain, split = split_by_size(graph)
    assert not split.origins
    assert split.plan == plain.plan


def test_a_limit_is_met_with_no_more_strips_than_it_takes() -> None:
    graph = image()
    plain = lay_out(graph, M4, "speed")
    least = lay_out(graph, M4, "size").plan.arena_bytes
    limit = (plain.plan.arena_bytes + least) // 2
    assert lay_out(graph, M4, "speed", arena_limit=plain.plan.arena_bytes).plan == plain.plan
    met = lay_out(graph, M4, "speed", arena_limit=limit)
    assert met.plan.arena_bytes <= limit
    assert total_macs(met.graph) <= total_macs(lay_out(graph, M4, "size").graph)
    missed = lay_out(graph, M4, "speed", arena_limit=100)
    assert 100 < missed.plan.arena_bytes <= plain.plan.arena_bytes


def test_shapes_alone_give_the_same_strips() -> None:
    graph = run_passes(image())  # some of which look at the weights
    bare = {n: Tensor(n, t.shape, t.dtype, None, None, t.constant) for n, t in graph.tensors.items()}
    shapes = Graph(graph.name, bare, graph.ops, graph.inputs, graph.outputs).validate()
    assert lay_out(shapes, M4, "size").plan == lay_out(graph, M4, "size").plan


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_built_strips_give_the_bits_of_the_reference(core: str) -> None:
    """In the emulator, where nothing but arena, stack, code and constants may be touched."""
    graph = image()
    model = compile_graph(graph, CORES[core], optimize="size")
    assert model.layout.origins
    inputs = random_inputs(graph, 6)
    expected = run(graph, inputs)
    board = {"cortex-m4": "nucleo-l4r5zi", "cortex-m0plus": "nucleo-g0b1re"}[core]
    result = measure_model(model, board=load_board(board), inputs=inputs, expect=expected)
    assert result.bit_exact
    assert result.ram.arena == model.plan.arena_bytes


def test_strips_share_their_constants() -> None:
    graph = image()
    whole, split = compile_graph(graph, M4, optimize="balanced"), compile_graph(graph, M4, optimize="size")
    assert split.layout.origins
    assert constant_bytes(split) == constant_bytes(whole)


@pytest.mark.parametrize(
    ("network", "speed", "size"),
    [
        ("kws", 10_000, 10_000),
        ("ic", 35_500, 22_000),
        ("vww", 40_000, 29_000),
        ("ad", 768, 768),
        ("sww", 5_000, 5_000),
        ("mcunet_vww", 83_000, 30_000),
    ],
)
def test_arenas_of_real_networks(shared_dir: Path, network: str, speed: int, size: int) -> None:
    """Bounds that must not be lost again, with some room for the kernels' scratch; 27,648 bytes of VWW's are its input."""
    plain, split = split_by_size(int8_core(import_tflite(shared_dir / "models" / network / "model.tflite")))
    assert plain.plan.arena_bytes <= speed
    assert split.plan.arena_bytes <= size
