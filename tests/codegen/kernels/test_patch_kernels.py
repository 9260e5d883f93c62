"""Convolutions and matrix products: bit by bit against the reference, on this machine and on emulated cores, in place too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from kernel_conformance import WindowConformance
from kernel_runner import Case, expected, prepare

from codegen.cores import CORES, Core
from codegen.ir import Conv2D, FullyConnected, Graph, Op, Padding, Quantization, Tensor, output_shape
from codegen.kernels import select
from codegen.kernels._patch_tir import Tile
from codegen.kernels._swar import SwarKernel
from codegen.kernels._winograd import WinogradKernel
from codegen.kernels.conv2d import Conv2DKernel
from codegen.kernels.fully_connected import FullyConnectedKernel
from codegen.kernels.pointwise import PointwiseKernel

NO_PADDING = Padding()
M4, M3, M0PLUS = (CORES[name] for name in ("cortex-m4", "cortex-m3", "cortex-m0plus"))


def weighted(
    rng: np.random.Generator,
    op: Op,
    shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    zero_points: tuple[int, int] = (-5, 3),
    gain: float = 1.0,
    largest_bias: int | None = None,
) -> Graph:
    """A graph of one operator; ``gain`` scales the output: 1 fills its range, more saturates."""
    filters, depth = weight_shape[0], int(np.prod(weight_shape[1:]))
    weights = rng.integers(-127, 128, weight_shape).astype(np.int8)
    scales = tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.008, filters))
    reach = 73.0 * depth**0.5
    bias = rng.normal(0, reach * 20, filters) if largest_bias is None else rng.choice([-largest_bias, largest_bias], filters)
    tensors = {
        "x": Tensor("x", shape, "int8", Quantization((0.05,), zero_points[0])),
        "w": Tensor("w", weight_shape, "int8", Quantization(scales, 0, 0), weights),
        "b": Tensor("b", (filters,), "int32", None, bias.astype(np.int32)),
    }
    rows = tensors["x"].size // depth
    out = output_shape(op, Graph("g", tensors, (), ("x",), ())) if isinstance(op, Conv2D) else (1, rows, filters)
    assert out is not None
    reach_out = reach if largest_bias is None else largest_bias / 73
    tensors["y"] = Tensor("y", out, "int8", Quantization((float(np.float32(0.05 * 0.005 * reach_out / gain)),), zero_points[1]))
    return Graph("g", tensors, (op,), ("x",), ("y",)).validate()


def conv(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    filters: int,
    kernel: tuple[int, int] = (1, 1),
    strides: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: Padding = NO_PADDING,
    zero_points: tuple[int, int] = (-5, 3),
    clamp: tuple[int, int] = (-128, 127),
    gain: float = 1.0,
    bias: bool = True,
    largest_bias: int | None = None,
) -> Graph:
    op = Conv2D(
        name="op",
        inputs=("x",),
        output="y",
        weight="w",
        bias="b" if bias else None,
        strides=strides,
        dilation=dilation,
        padding=padding,
        clamp=clamp,
    )
    return weighted(rng, op, (1, *shape), (filters, *kernel, shape[2]), zero_points, gain, largest_bias)


def dense(
    rng: np.random.Generator, rows: int, depth: int, filters: int, gain: float = 1.0, zero_points: tuple[int, int] = (-5, 3)
) -> Graph:
    op = FullyConnected(name="op", inputs=("x",), output="y", weight="w", bias="b")
    return weighted(rng, op, (1, rows, depth), (filters, depth), zero_points, gain)


def same(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Padding:
    """TFLite's SAME padding."""
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n) for n, k, s, d in zip(size, kernel, strides, dilation, strict=True)
    ]
    return Padding(totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2)


def conv_graphs() -> list[Graph]:
    """Windows at the ends of what is allowed, then random ones, which may lie outside the input in part or entirely."""
    rng = np.random.default_rng(1)
    graphs = [
        conv(rng, (8, 8, 1), 8, (3, 3), padding=same((8, 8), (3, 3), (1, 1)), clamp=(3, 127)),
        conv(rng, (7, 6, 16), 16, (3, 3), padding=same((7, 6), (3, 3), (1, 1))),
        conv(rng, (9, 7, 8), 5, (3, 3), strides=(2, 2), padding=same((9, 7), (3, 3), (2, 2))),
        conv(rng, (1, 1, 5), 4, (3, 3), padding=Padding(1, 1, 1, 1)),
        conv(rng, (9, 8, 3), 4, (2, 2), strides=(3, 3)),
        conv(rng, (5, 5, 4), 3, (3, 3), strides=(4, 4), padding=Padding(5, 4, 5, 4)),
        conv(rng, (49, 10, 1), 8, (10, 4), strides=(2, 2), padding=same((49, 10), (10, 4), (2, 2)), zero_points=(83, -128)),
        conv(rng, (9, 9, 4), 4, (3, 3), dilation=(2, 2), padding=same((9, 9), (3, 3), (1, 1), (2, 2))),
        conv(rng, (8, 7, 2), 3, (3, 3), dilation=(2, 1), padding=same((8, 7), (3, 3), (1, 1), (2, 1))),
        conv(rng, (6, 6, 3), 4, (3, 3), padding=Padding(1, 1, 1, 1), zero_points=(-128, -128)),
        conv(rng, (6, 6, 4), 4, (3, 3), padding=Padding(1, 1, 1, 1), zero_points=(127, 127), gain=30),
        conv(rng, (6, 7, 4), 4, (3, 3), padding=Padding(2, 0, 0, 2), gain=2e4),
        conv(rng, (6, 7, 4), 4, (3, 3), padding=Padding(0, 2, 2, 0), gain=1e-6, bias=False),
        conv(rng, (4, 4, 8), 6, (3, 3), largest_bias=2**30),
    ]  # fmt: skip
    while len(graphs) < 36:
        kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 6)))
        dilation = (int(rng.integers(1, 3)), int(rng.choice([1, 1, 2])))
        shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.choice([1, 2, 3, 4, 5, 8, 12])))
        padding = Padding(*(int(p) for p in rng.integers(0, 5, 4)))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if shape[0] + padding.top + padding.bottom < reach[0] or shape[1] + padding.left + padding.right < reach[1]:
            continue
        strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        zero_points = (int(rng.integers(-128, 128)), int(rng.integers(-128, 128)))
        filters, gain = int(rng.integers(1, 8)), float(rng.choice([0.1, 1, 8, 300]))
        graph = conv(rng, shape, filters, kernel, strides, dilation, padding, zero_points, gain=gain)
        graphs.append(graph)
    return graphs


def pointwise_graphs() -> list[Graph]:
    rng = np.random.default_rng(2)
    depths = ((1, 1), (2, 2), (3, 5), (4, 1), (13, 7), (16, 4), (20, 6), (33, 17), (64, 8))
    return [
        *(conv(rng, (height, width, depth), filters) for depth, filters in depths for height, width in ((2, 1), (3, 3), (2, 5))),
        conv(rng, (7, 5, 6), 4, strides=(3, 2)),
        conv(rng, (1, 20, 2), 3, (1, 4), strides=(1, 2)),
        conv(rng, (11, 4, 2), 3, (3, 4), strides=(2, 1)),
        conv(rng, (3, 3, 8), 4, gain=1e4),
        *(dense(rng, rows, depth, filters) for rows, depth, filters in ((2, 9, 3), (3, 16, 4), (7, 30, 5))),
    ]


def dense_graphs() -> list[Graph]:
    rng = np.random.default_rng(3)
    depths = (1, 2, 3, 4, 7, 16, 17, 30, 64)
    return [
        *(dense(rng, 1, depth, filters) for depth in depths for filters in (1, 4, 6)),
        dense(rng, 1, 40, 10, zero_points=(-128, 127), gain=1e4),
        dense(rng, 1, 33, 11, zero_points=(127, -128)),
        *(dense(rng, 1, depth, 20) for depth in (5, 17, 30, 64)),
        conv(rng, (4, 3, 5), 6, (4, 3)),
        conv(rng, (1, 1, 13), 7, strides=(2, 2)),
    ]


def least_weights() -> list[Graph]:
    """Weights that are all -128, which TFLite's own converter avoids: the greatest sums of two products there are."""
    graphs = []
    for shape, filters, kernel in (((3, 4, 16), 4, (1, 1)), ((4, 4, 3), 7, (3, 3))):
        graph = conv(np.random.default_rng(4), shape, filters, kernel)
        least = replace(graph["w"], data=np.full(graph["w"].shape, -128, np.int8))
        graphs.append(replace(graph, tensors={**graph.tensors, "w": least}))
    return graphs


def every_graph() -> list[Graph]:
    """What a kernel has to take that computes all convolutions and products."""
    return [*conv_graphs(), *pointwise_graphs(), *dense_graphs(), *least_weights()]


def rows_of(graph: Graph) -> int:
    """Output pixels or rows."""
    return graph["y"].size // graph["w"].shape[0]


def swar_takes(graph: Graph) -> bool:
    """Several rows, and no weight of which two products could leave half a word."""
    weights = graph["w"].data
    return rows_of(graph) > 1 and weights is not None and bool(weights.min() > -128)


FAMILIES = {
    "conv2d": (Conv2DKernel(), conv_graphs, M4),
    "pointwise": (PointwiseKernel(), pointwise_graphs, M4),
    "fully_connected": (FullyConnectedKernel(), dense_graphs, M4),
    "conv2d without DSP": (Conv2DKernel(), conv_graphs, M3),
    "pointwise without DSP": (PointwiseKernel(), pointwise_graphs, M3),
    "swar": (SwarKernel(), lambda: [g for g in every_graph() if swar_takes(g)], M0PLUS),
    "winograd": (WinogradKernel(), every_graph, M0PLUS),
}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    kernel, graphs, core = FAMILIES[request.param]
    prepared = prepare(kernel, graphs(), core, "speed")
    return [_scheduled(case, core, number) for number, case in enumerate(prepared)]


def _scheduled(case: Case, core: Core, number: int) -> Case:
    """``case`` under one of its schedules, so that all have their turn."""
    schedules = case.kernel.schedules(case.spec, core)
    assert schedules[0] == case.spec
    assert len(set(schedules)) == len(schedules) <= 12
    spec = schedules[number % len(schedules)]
    return replace(case, spec=spec, constants=case.kernel.pack(case.op, case.graph, spec))


class TestPatchKernels(WindowConformance):
    SHORT = 1
    LIMITED = 1 / 3
    BROKEN = 0.7  # one byte less may go unnoticed where the output saturates or repeats what was there

    def inputs_on_cores(self, case: Case) -> list[np.ndarray]:
        """With a rest of zeros, too: assembly may take a short cut where there is nothing to add."""
        x = self.inputs_of(case)[0]
        ending = x.copy()
        ending.reshape(-1)[-3:] = 0
        return [x, ending]

    def test_outputs_are_diverse(self, cases: Sequence[Case]) -> None:
        values = np.concatenate([expected(case, self.inputs_of(case)[:1]).ravel() for case in cases])
        assert np.unique(values).size > min(200, values.size // 4)


def test_scratch_is_what_the_function_uses(cases: Sequence[Case]) -> None:
    from codegen.tvm_build import scratch_bytes

    for case in cases:
        assert case.kernel.scratch_bytes(case.spec) == scratch_bytes(case.kernel.prim_func(case.spec)), str(case.spec)


def test_shape_only_graph_gives_the_same_costs() -> None:
    graph = conv(np.random.default_rng(0), (6, 6, 3), 5, (3, 3), padding=Padding(1, 1, 1, 1))
    bare = {name: Tensor(name, t.shape, t.dtype, constant=t.constant) for name, t in graph.tensors.items()}
    shapes = Graph("g", bare, graph.ops, ("x",), ("y",))
    for core in CORES.values():
        kernel, spec = select(graph.ops[0], graph, core, "balanced")
        same_kernel, shape_spec = select(graph.ops[0], shapes, core, "balanced")
        assert kernel is same_kernel
        assert kernel.scratch_bytes(spec) == kernel.scratch_bytes(shape_spec)
        assert kernel.overlap(spec) == kernel.overlap(shape_spec)
        assert kernel.constant_bytes(spec) == kernel.constant_bytes(shape_spec)
        assert kernel.work(spec) == kernel.work(shape_spec)


def test_large_accumulators_take_the_exact_form() -> None:
    rng = np.random.default_rng(0)
    kernel = Conv2DKernel()
    bounded = prepare(kernel, [conv(rng, (4, 4, 8), 6, (3, 3))])[0].spec
    assert bounded.requantization.bounded
    for graph in (conv(rng, (4, 4, 8), 6, (3, 3), largest_bias=2**30), conv(rng, (4, 4, 8), 6, (3, 3), gain=1e5)):
        assert not prepare(kernel, [graph])[0].spec.requantization.bounded


def test_only_the_schedule_changes_the_c() -> None:
    from codegen.tvm_build import build_c

    (case,) = prepare(PointwiseKernel(), [conv(np.random.default_rng(0), (5, 5, 16), 8)])
    tiles = {Tile(3), Tile(2), Tile(1), Tile(3, unroll=False), Tile(4, 8, fused=True), Tile(4, 4, fused=True)}
    texts = {build_c({"f": case.kernel.prim_func(replace(case.spec, tile=tile))})["f"] for tile in tiles}
    assert len(texts) == len(tiles)


def test_weights_whose_products_leave_half_a_word_are_left_to_others() -> None:
    """Inputs and weights of -128 would make a sum of two products lose its sign where the other channel borrows from it."""
    for graph in least_weights():
        assert SwarKernel().specialize(graph.ops[0], graph, M0PLUS, "speed") is None
