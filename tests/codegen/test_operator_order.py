"""The order of operators: the best there is for small graphs, the given one where nothing is gained."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from graphs import GraphBuilder, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Add, Graph, Op, Softmax, Tensor
from codegen.memory_plan import Demand
from codegen.operator_order import least_memory_order
from codegen.reference import run


@st.composite
def branching(draw: st.DrawFn) -> Graph:
    """A random graph of at most six operators (whose shapes do not matter here), all results that nothing reads being outputs."""
    tensors = {"in": Tensor("in", (draw(st.integers(1, 9)),))}
    ops: list[Op] = []
    for i in range(draw(st.integers(2, 6))):
        names = st.sampled_from(list(tensors))
        read = (draw(names), draw(names)) if draw(st.booleans()) else (draw(names),)
        ops.append((Add if len(read) == 2 else Softmax)(name=f"op{i}", inputs=read, output=f"t{i}"))
        tensors[f"t{i}"] = Tensor(f"t{i}", (draw(st.integers(1, 9)),))
    unread = tuple(op.output for op in ops if not any(op.output in other.inputs for other in ops))
    return Graph("branching", tensors, tuple(ops), ("in",), unread)


def peak(graph: Graph) -> int:
    """Most bytes of inputs, outputs and results that are still to be read, counted operator by operator."""
    most = 0
    for i, op in enumerate(graph.ops):
        there = {*graph.inputs, *(o.output for o in graph.ops[:i])}
        needed = {n for o in graph.ops[i:] for n in o.inputs} | set(graph.outputs)
        most = max(most, sum(graph[n].nbytes for n in (there & needed) | {op.output}))
    return most


def runs(graph: Graph) -> bool:
    """Whether every operator finds its inputs written."""
    known = set(graph.inputs)
    for op in graph.ops:
        if not known.issuperset(op.inputs):
            return False
        known.add(op.output)
    return True


@settings(max_examples=80, deadline=None)
@given(branching())
def test_no_order_of_a_small_graph_is_better(graph: Graph) -> None:
    orders = (replace(graph, ops=ops) for ops in itertools.permutations(graph.ops))
    best = min(peak(order) for order in orders if runs(order))
    found = least_memory_order(graph, [Demand()] * len(graph.ops))
    assert runs(found)
    assert peak(found) == best
    if peak(graph) == best:
        assert found is graph


def two_branches() -> Graph:
    """Two branches that widen and narrow again, given in the worst order."""
    b = GraphBuilder("branches", seed=11)
    x = b.conv(b.input(1, 8, 8, 2), 4)
    wide = [b.conv(x, 48, (1, 1)) for _ in range(2)]
    first, second = (b.conv(y, 4, (1, 1)) for y in wide)
    return b.graph(b.add(first, second))


def test_one_branch_runs_after_the_other() -> None:
    graph = two_branches()
    laid_out = lay_out(graph, CORES["cortex-m4"], "speed")
    assert [op.name for op in laid_out.graph.ops] != [op.name for op in graph.ops]
    assert laid_out.plan.arena_bytes < 2 * 8 * 8 * 48  # both wide results at once
    inputs = random_inputs(graph, 3)
    for name, expected in run(graph, inputs).items():
        np.testing.assert_array_equal(run(laid_out.graph, inputs)[name], expected)


def test_a_wide_graph_is_ordered_in_bounded_time() -> None:
    """Twenty branches have more than a million states."""
    b = GraphBuilder("wide", seed=12)
    x = b.input(1, 4, 4, 2)
    wide = [b.conv(x, 8) for _ in range(20)]
    narrow = [b.conv(y, 1) for y in wide]
    total = narrow[0]
    for y in narrow[1:]:
        total = b.add(total, y)
    graph = b.graph(total)
    found = least_memory_order(graph, [Demand()] * len(graph.ops))
    assert peak(found) < peak(graph) / 4
