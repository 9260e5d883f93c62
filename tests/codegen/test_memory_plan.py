"""The arena plan: valid for every pair of buffers, exact, deterministic, and small."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.ir import Add, Graph, Op, Reshape, Softmax, Tensor
from codegen.memory_plan import ARENA_ALIGN, Demand, MemoryPlan, plan


def chain(*sizes: int) -> Graph:
    """A graph whose operators turn a tensor of one size into one of the next (only the planner looks at it)."""
    tensors = {f"t{i}": Tensor(f"t{i}", (1, n)) for i, n in enumerate(sizes)}
    ops = tuple(Softmax(name=f"op{i}", inputs=(f"t{i}",), output=f"t{i + 1}") for i in range(len(sizes) - 1))
    return Graph("chain", tensors, ops, ("t0",), (f"t{len(sizes) - 1}",))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Graph, list[Demand]]:
    """Random graphs with branches, reshapes, several inputs and outputs, and random permissions to overlap."""
    count = draw(st.integers(1, 9))
    inputs = draw(st.integers(1, 2))
    names = [f"in{i}" for i in range(inputs)]
    tensors = {n: Tensor(n, (draw(st.integers(1, 60)),)) for n in names}
    ops: list[Op] = []
    demands: list[Demand] = []
    for i in range(count):
        kind = draw(st.sampled_from(["unary", "add", "reshape"]))
        read = [draw(st.sampled_from(names)) for _ in range(2 if kind == "add" else 1)]
        out = f"t{i}"
        size = tensors[read[0]].size if kind == "reshape" else draw(st.integers(1, 60))
        tensors[out] = Tensor(out, (size,))
        if kind == "reshape":
            ops.append(Reshape(name=f"op{i}", inputs=(read[0],), output=out))
            demands.append(Demand())
        else:
            make = Add if kind == "add" else Softmax
            ops.append(make(name=f"op{i}", inputs=tuple(read), output=out))
            lead = st.none() | st.integers(-40, 60)
            demands.append(Demand(draw(st.sampled_from([0, 0, 7, 32])), tuple(draw(lead) for _ in read)))
        names.append(out)
    outputs = draw(st.lists(st.sampled_from(names[inputs:]), min_size=1, max_size=2, unique=True))
    return Graph("random", tensors, tuple(ops), tuple(names[:inputs]), tuple(outputs)), demands


def check(graph: Graph, demands: list[Demand], p: MemoryPlan) -> None:
    """Everything the plan promises, worked out again operator by operator."""
    root = {t.name: t.name for t in graph.activations()}
    for op in graph.ops:
        if isinstance(op, Reshape):
            root[op.output] = root[op.inputs[0]]
            assert p.offsets[op.output] == p.offsets[op.inputs[0]]
    end = len(graph.ops)
    last = {root[n]: end for n in graph.outputs}
    for i, op in reversed(list(enumerate(graph.ops))):
        for n in (*op.inputs, op.output):
            last.setdefault(root[n], i)
    first = {root[n]: 0 for n in graph.inputs}
    for i, op in enumerate(graph.ops):
        first.setdefault(root[op.output], i)
    spans = [(r, p.offsets[r], graph[r].nbytes, first[r], last.get(r, 0)) for r in first]
    for i, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
        if demand.scratch:
            spans.append((f"scratch {op.name}", p.scratch[op.name], demand.scratch, i, i))
    for _, offset, size, _, _ in spans:
        assert offset % ARENA_ALIGN == 0
        assert 0 <= offset <= offset + size <= p.arena_bytes
    for (a, at_a, size_a, from_a, to_a), (b, at_b, size_b, from_b, to_b) in itertools.combinations(spans, 2):
        if to_a < from_b or to_b < from_a or at_a + size_a <= at_b or at_b + size_b <= at_a:
            continue
        assert max(from_a, from_b) == min(to_a, to_b), f"{a} and {b} overlap for more than one operator"
        i = max(from_a, from_b)
        assert i < end, f"{a} and {b} overlap after the last operator"
        op, demand = graph.ops[i], demands[i]
        target = root[op.output]
        source = b if target == a else a
        assert target in (a, b)
        leads = [lead for n, lead in zip(op.inputs, demand.overlap, strict=True) if root[n] == source]
        assert leads
        for lead in leads:
            assert lead is not None
            assert p.offsets[source] - p.offsets[target] >= lead


@settings(max_examples=400, deadline=None)
@given(problems())
def test_every_plan_is_valid(problem: tuple[Graph, list[Demand]]) -> None:
    graph, demands = problem
    result = plan(graph, demands)
    check(graph, demands, result)
    assert plan(graph, demands) == result


def test_without_overlap_a_chain_takes_its_largest_neighbours() -> None:
    graph = chain(100, 200, 60, 300, 8)
    assert plan(graph, [Demand(overlap=(None,))] * 4).arena_bytes == 360


def test_in_place_chain_takes_one_buffer() -> None:
    assert plan(chain(64, 64, 64, 64), [Demand(overlap=(0,))] * 3).arena_bytes == 64


def test_a_positive_lead_costs_just_the_lead() -> None:
    assert plan(chain(640, 640), [Demand(overlap=(64,))]).arena_bytes == 704


def test_leads_of_successive_layers_do_not_add_up() -> None:
    """Output below input, layer after layer, would drift; the plan may cost one disjoint pair at most."""
    assert plan(chain(640, 640, 320, 320, 160), [Demand(overlap=(64,))] * 4).arena_bytes == 704 + 64


def test_a_growing_layer_runs_into_its_input_from_below() -> None:
    assert plan(chain(64, 256), [Demand(overlap=(192,))]).arena_bytes == 256


def test_scratch_is_shared_between_operators() -> None:
    result = plan(chain(16, 16, 16), [Demand(scratch=40, overlap=(0,)), Demand(scratch=24, overlap=(0,))])
    assert (result.arena_bytes, result.scratch_bytes, result.io_bytes) == (56, 40, 32)


def test_a_tensor_that_is_read_later_is_not_overwritten() -> None:
    tensors = {n: Tensor(n, (1, 32)) for n in ("x", "y", "z")}
    ops = (Softmax(name="a", inputs=("x",), output="y"), Add(name="b", inputs=("x", "y"), output="z"))
    graph = Graph("residual", tensors, ops, ("x",), ("z",))
    assert plan(graph, [Demand(overlap=(0,)), Demand(overlap=(0, 0))]).arena_bytes == 64


@pytest.mark.parametrize("size", [1, 3, 5])
def test_offsets_are_aligned_whatever_the_sizes(size: int) -> None:
    result = plan(chain(size, size + 1, size), [Demand(overlap=(None,))] * 2)
    assert {offset % ARENA_ALIGN for offset in result.offsets.values()} == {0}
