"""The arena plan: valid for every pair of buffers, exact, deterministic, and small."""

from __future__ import annotations

import pytest
from first_fit import expected_plan
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.ir import Add, Concatenation, Graph, Op, Reshape, Slice, Softmax, Tensor
from codegen.memory_plan import Demand, LinkDemand, MemoryPlan, buffers, least_bytes, plan, plan_chain
from codegen.views import ARENA_ALIGN, bytes_read, find_views


def chain(*sizes: int) -> Graph:
    """A graph whose operators turn a tensor of one size into one of the next (only the planner looks at it)."""
    tensors = {f"t{i}": Tensor(f"t{i}", (1, n)) for i, n in enumerate(sizes)}
    ops = tuple(Softmax(name=f"op{i}", inputs=(f"t{i}",), output=f"t{i + 1}") for i in range(len(sizes) - 1))
    return Graph("chain", tensors, ops, ("t0",), (f"t{len(sizes) - 1}",))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Graph, list[Demand]]:
    """Random graphs of images of rows with branches, all kinds of views, several inputs and outputs, and random permissions to
    overlap."""
    names = [f"in{i}" for i in range(draw(st.integers(1, 2)))]
    inputs = tuple(names)
    rows, row = st.integers(1, 6), st.sampled_from([4, 4, 4, 8, 3])
    tensors = {n: Tensor(n, (1, draw(rows), 1, draw(row))) for n in names}
    ops: list[Op] = []
    demands: list[Demand] = []

    def demand(op: Op) -> Demand:
        lead = st.none() | st.integers(-24, 40)
        return Demand(draw(st.sampled_from([0, 0, 7, 32])), tuple(draw(lead) for _ in op.inputs))

    for i in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["unary", "add", "reshape", "slice", "slice", "concatenation", "concatenation"]))
        x = tensors[draw(st.sampled_from(names))]
        out = f"t{i}"
        op: Op
        match kind:
            case "reshape":
                shape: tuple[int, ...] = (1, x.size, 1, 1) if draw(st.booleans()) else (1, 1, 1, x.size)
                op = Reshape(name=f"op{i}", inputs=(x.name,), output=out)
            case "slice":
                begin = draw(st.integers(0, x.shape[1] - 1))
                shape = (1, draw(st.integers(1, x.shape[1] - begin)), *x.shape[2:])
                op = Slice(name=f"op{i}", inputs=(x.name,), output=out, begin=(0, begin, 0, 0), size=shape, strides=(1, 1, 1, 1))
            case "concatenation":
                fitting = [n for n in names if tensors[n].shape[2:] == x.shape[2:]]
                joined = tuple(draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3)))
                shape = (1, sum(tensors[n].shape[1] for n in joined), *x.shape[2:])
                op = Concatenation(name=f"op{i}", inputs=joined, output=out, axis=1)
            case "add":
                shape = (1, draw(rows), 1, draw(row))
                op = Add(name=f"op{i}", inputs=(x.name, draw(st.sampled_from(names))), output=out)
            case _:
                shape = (1, draw(rows), 1, draw(row))
                op = Softmax(name=f"op{i}", inputs=(x.name,), output=out)
        tensors[out] = Tensor(out, shape)
        ops.append(op)
        names.append(out)
    outputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    graph = Graph("random", tensors, tuple(ops), inputs, tuple(outputs))
    free = find_views(graph).free
    demands = [Demand() if op.name in free else demand(op) for op in ops]
    return graph, demands


def check(graph: Graph, demands: list[Demand], p: MemoryPlan) -> None:
    """Run the plan on an arena that knows of every byte what it holds: each operator must find its inputs whole, and may write over
    them only as its kernel allows."""
    origin: dict[str, list[tuple[str, int]]] = {}  # where each byte of an activation was computed
    arena: list[tuple[str, int] | None] = [None] * p.arena_bytes
    free = find_views(graph).free

    def whole(name: str, begin: int = 0, end: int | None = None) -> bool:
        end = graph[name].nbytes if end is None else end
        at = p.offsets[name]
        return arena[at + begin : at + end] == origin[name][begin:end]

    def write(name: str) -> None:
        origin[name] = [(name, i) for i in range(graph[name].nbytes)]
        arena[p.offsets[name] : p.offsets[name] + graph[name].nbytes] = origin[name]

    for offset in (*p.offsets.values(), *p.scratch.values()):
        assert offset % ARENA_ALIGN == 0
    for name in graph.inputs:
        write(name)
        assert p.offsets[name] + graph[name].nbytes <= p.arena_bytes
    for op, demand in zip(graph.ops, demands, strict=True):
        y = range(p.offsets.get(op.output, 0), p.offsets.get(op.output, 0) + graph[op.output].nbytes)
        if op.name in free:
            match op:
                case Slice():
                    begin = op.begin[1] * graph[op.inputs[0]].shape[3]
                    origin[op.output] = origin[op.inputs[0]][begin : begin + graph[op.output].nbytes]
                case _:
                    origin[op.output] = [byte for name in op.inputs for byte in origin[name]]
            continue
        assert y.stop <= p.arena_bytes
        for name in op.inputs:
            assert whole(name, *bytes_read(op, name, graph)), f"{op.name}: {name} was overwritten"
        occupied = []
        for name, lead in zip(op.inputs, demand.overlap, strict=True):
            at = p.offsets[name]
            first, end = bytes_read(op, name, graph)
            occupied.append(range(at + first, at + end))
            if at + end > y.start and at + first < y.stop:
                assert lead is not None, f"{op.name}: output and {name} meet"
                assert at - y.start >= lead, f"{op.name}: output and {name} meet too early"
        if demand.scratch:
            scratch = range(p.scratch[op.name], p.scratch[op.name] + demand.scratch)
            assert scratch.stop <= p.arena_bytes
            for other in (y, *occupied):
                assert scratch.stop <= other.start or other.stop <= scratch.start, f"{op.name}: scratch and data meet"
            arena[scratch.start : scratch.stop] = [None] * demand.scratch
        write(op.output)
    for name in graph.outputs:
        assert whole(name), f"output {name} was overwritten"


@settings(max_examples=600, deadline=None)
@given(problems())
def test_every_plan_is_valid(problem: tuple[Graph, list[Demand]]) -> None:
    graph, demands = problem
    result = plan(graph, demands)
    check(graph, demands, result)
    assert plan(graph, demands) == result


@settings(max_examples=600, deadline=None)
@given(problems())
def test_native_first_fit_equals_the_one_in_python(problem: tuple[Graph, list[Demand]]) -> None:
    graph, demands = problem
    views = find_views(graph)
    arena, offsets, least = expected_plan(graph, demands, views)
    result = plan(graph, demands)
    assert result.arena_bytes == arena
    for buffer in buffers(graph, demands, views):
        name = buffer.key.removeprefix("scratch of ")
        assert (result.offsets if name == buffer.key else result.scratch)[name] == offsets[buffer.key]
    assert least_bytes(graph, demands, views) == least


@st.composite
def chains(draw: st.DrawFn) -> tuple[Graph, list[Demand], list[LinkDemand]]:
    """Random chains whose operators may also read an earlier result."""
    size, lead = st.integers(1, 200), st.none() | st.integers(-40, 80)
    tensors = [Tensor("t0", (1, draw(size)))]
    ops: list[Op] = []
    demands, links = [], []
    for i in range(draw(st.integers(1, 12))):
        back = [1] + ([draw(st.integers(2, i + 1))] if i and draw(st.booleans()) else [])
        inputs = tuple(tensors[-b].name for b in back)
        output = Tensor(f"t{i + 1}", (1, draw(size)))
        ops.append((Add if len(back) == 2 else Softmax)(name=f"op{i}", inputs=inputs, output=output.name))
        demand = Demand(draw(st.sampled_from([0, 0, 7, 32])), tuple(draw(lead) for _ in back))
        demands.append(demand)
        links.append(LinkDemand(output.nbytes, demand.scratch, tuple(zip(back, demand.overlap, strict=True))))
        tensors.append(output)
    return Graph("chain", {t.name: t for t in tensors}, tuple(ops), ("t0",), (tensors[-1].name,)), demands, links


@settings(max_examples=600, deadline=None)
@given(chains())
def test_a_chain_is_planned_like_its_graph(problem: tuple[Graph, list[Demand], list[LinkDemand]]) -> None:
    graph, demands, links = problem
    whole = plan(graph, demands)
    assert plan_chain(b"".join(link.packed() for link in links), len(links), graph["t0"].nbytes) == (
        whole.arena_bytes,
        whole.io_bytes,
    )


@pytest.mark.parametrize("back", [0, 2, -1])
def test_a_chain_that_reads_what_is_not_there_is_refused(back: int) -> None:
    with pytest.raises(ValueError, match="not written before"):
        plan_chain(LinkDemand(8, 0, ((back, None),)).packed(), 1, 8)


def test_without_overlap_a_chain_takes_its_largest_neighbours() -> None:
    graph = chain(100, 200, 60, 300, 8)
    assert plan(graph, [Demand(overlap=(None,))] * 4).arena_bytes == 360


def test_rows_that_are_computed_in_parts_need_no_room_twice() -> None:
    """Two halves of an image, each brought to another size of row, and joined: the parts are the result."""
    x, y = Tensor("x", (1, 4, 1, 8)), Tensor("y", (1, 4, 1, 4))
    halves = [Tensor(n, (1, 2, 1, 8)) for n in ("top", "bottom")]
    results = [Tensor(n, (1, 2, 1, 4)) for n in ("above", "below")]
    begins = [(0, 0, 0, 0), (0, 2, 0, 0)]
    ops: list[Op] = []
    for half, result, begin in zip(halves, results, begins, strict=True):
        size = half.shape
        ops.append(Slice(name=f"take {half.name}", inputs=("x",), output=half.name, begin=begin, size=size, strides=(1,) * 4))
        ops.append(Softmax(name=half.name, inputs=(half.name,), output=result.name))
    ops.append(Concatenation(name="join", inputs=("above", "below"), output="y", axis=1))
    graph = Graph("halves", {t.name: t for t in (x, y, *halves, *results)}, tuple(ops), ("x",), ("y",))
    demands = [Demand(overlap=(None,)) if isinstance(op, Softmax) else Demand() for op in ops]
    result = plan(graph, demands)
    check(graph, demands, result)
    # The upper result is disjoint from the input; the lower one may lie where the upper half of the input was.
    assert result.arena_bytes == 40
    assert result.offsets["bottom"] - result.offsets["x"] == 16
    assert result.offsets["below"] - result.offsets["y"] == 8


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


def test_a_graph_that_only_hands_its_input_on_is_planned() -> None:
    assert plan(chain(37), []).arena_bytes == 40
