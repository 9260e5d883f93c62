"""Depthwise convolution: bit by bit against the reference, also on emulated cores and with the output over the input."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depthwise_graphs import depthwise
from kernel_conformance import WindowConformance
from kernel_runner import Case, Device, Host, compute, expected, prepare, random_and_extreme, write_source
from numpy.typing import NDArray

from codegen.cores import CORES
from codegen.ir import Graph, Padding
from codegen.kernels.depthwise_conv2d import DepthwiseConv2DKernel

KERNEL = DepthwiseConv2DKernel()


def same(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Padding:
    """TFLite's SAME padding."""
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n) for n, k, s, d in zip(size, kernel, strides, dilation, strict=True)
    ]
    return Padding(totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2)


def special_graphs() -> list[Graph]:
    """Shapes and quantizations at the ends of what is allowed."""
    rng = np.random.default_rng(1)
    return [
        depthwise(rng, (7, 6, 8), padding=same((7, 6), (3, 3), (1, 1)), clamp=(3, 127)),
        depthwise(rng, (8, 8, 3), strides=(2, 2), padding=same((8, 8), (3, 3), (2, 2))),
        depthwise(rng, (9, 11, 17)),
        depthwise(rng, (1, 1, 1), (1, 1)),
        depthwise(rng, (1, 1, 5), padding=Padding(1, 1, 1, 1)),
        depthwise(rng, (2, 1, 4), (5, 7), padding=Padding(2, 2, 3, 3)),
        depthwise(rng, (9, 8, 4), (2, 2), strides=(3, 3)),
        depthwise(rng, (3, 12, 5), (1, 7), padding=same((3, 12), (1, 7), (1, 1))),
        depthwise(rng, (12, 3, 4), (7, 1)),
        depthwise(rng, (49, 40, 1), (10, 8), multiplier=8, strides=(2, 2), padding=same((49, 40), (10, 8), (2, 2))),
        depthwise(rng, (9, 8, 3), multiplier=2, dilation=(2, 2)),
        depthwise(rng, (8, 7, 2), dilation=(2, 3), padding=same((8, 7), (3, 3), (1, 1), (2, 3)), multiplier=3),
        depthwise(rng, (6, 6, 4), padding=Padding(1, 1, 1, 1), zero_points=(-128, -128), clamp=(-128, 127)),
        depthwise(rng, (6, 6, 4), padding=Padding(1, 1, 1, 1), zero_points=(127, 127), gain=30),
        depthwise(rng, (6, 7, 4), padding=Padding(2, 0, 0, 2), gain=2e4),
        depthwise(rng, (6, 7, 4), padding=Padding(0, 2, 2, 0), gain=1e-6, bias=False),
        depthwise(rng, (5, 13, 6), (5, 5), padding=same((5, 13), (5, 5), (1, 1))),
        depthwise(rng, (7, 23, 2), (4, 6), strides=(3, 2), padding=Padding(3, 1, 5, 4)),
        depthwise(rng, (3, 23, 4), (2, 17)),
        depthwise(rng, (4, 20, 8), (3, 16), padding=Padding(1, 1, 7, 8)),
        depthwise(rng, (10, 10, 2), strides=(1, 5), padding=Padding(0, 0, 1, 0)),
    ]  # fmt: skip


def random_graphs(count: int, seed: int) -> list[Graph]:
    """Random geometries with windows that may lie outside the input in part."""
    rng = np.random.default_rng(seed)
    graphs: list[Graph] = []
    while len(graphs) < count:
        kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 10)))
        dilation = (int(rng.integers(1, 3)), int(rng.choice([1, 1, 1, 2])))
        shape = (int(rng.integers(1, 10)), int(rng.integers(1, 17)), int(rng.choice([1, 2, 3, 4, 5, 8, 9])))
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        padding = Padding(*(int(rng.integers(0, extent[axis])) for axis in (0, 0, 1, 1)))
        if shape[0] + padding.top + padding.bottom < extent[0] or shape[1] + padding.left + padding.right < extent[1]:
            continue
        graphs.append(
            depthwise(
                rng,
                shape,
                kernel,
                int(rng.choice([1, 1, 2, 3])),
                (int(rng.integers(1, 4)), int(rng.integers(1, 4))),
                dilation,
                padding,
                (int(rng.integers(-128, 128)), int(rng.integers(-128, 128))),
                gain=float(rng.choice([0.1, 1, 8, 300])),
            )
        )
    return graphs


@pytest.fixture(scope="module")
def cases() -> Sequence[Case]:
    return prepare(KERNEL, special_graphs() + random_graphs(25, seed=7))


class TestDepthwise(WindowConformance):
    def inputs_on_cores(self, case: Case) -> Sequence[NDArray[Any]]:
        return self.inputs_of(case)[:1]


def test_a_schedule_changes_time_but_no_bit(tmp_path: Path) -> None:
    graph = depthwise(np.random.default_rng(4), (6, 5, 8), padding=Padding(1, 1, 1, 1))
    (case,) = prepare(KERNEL, [graph])
    specs = KERNEL.schedules(case.spec, CORES["cortex-m4"])
    tiles = [
        dataclasses.replace(case, symbol=f"schedule{number}", spec=spec, constants=KERNEL.pack(case.op, graph, spec))
        for number, spec in enumerate(specs)
    ]
    device = Device(write_source(tiles, tmp_path), tiles, "cortex-m4", "balanced")
    x = random_and_extreme(case)[0]
    executed = []
    for tiled in tiles:
        np.testing.assert_array_equal(compute(device, tiled, [x]), expected(tiled, [x]))
        executed.append(device.halfwords)
    assert len(executed) > 1
    assert executed[0] == min(executed)


def test_layers_of_other_sizes_share_what_computes_their_groups() -> None:
    """The bodies that are left to a layer alone depend on its size; those that are shared do not."""
    rng = np.random.default_rng(5)
    padding = Padding(1, 1, 1, 1)
    wide = [depthwise(rng, shape, padding=padding, zero_points=(-128, -128)) for shape in ((24, 24, 32), (12, 16, 8), (9, 32, 20))]
    tall = [
        depthwise(rng, (n, 12, 8), (5, 5), padding=Padding(2, 2, 2, 2), zero_points=(-128, zero)) for n, zero in ((12, 3), (7, -9))
    ]
    for graphs in (wide, tall):
        specs = [case.spec for case in prepare(KERNEL, graphs)]
        assert len({spec.shared.name for spec in specs}) == 1
        assert len(set(specs)) == len(specs)


def test_narrow_and_wide_rows_of_any_width(tmp_path: Path) -> None:
    """Every number of pixels behind the last tile, for both strides, with padding and without."""
    rng = np.random.default_rng(6)
    graphs = [
        depthwise(rng, (3, width, channels), strides=(stride, stride), padding=padding, zero_points=(-7, 5), clamp=clamp)
        for stride in (1, 2)
        for width, channels in ((3, 4), (4, 9), (5, 8), (6, 5), (7, 12), (8, 1), (9, 8), (10, 3), (11, 16), (13, 17))
        for padding, clamp in ((Padding(1, 1, 1, 1), (-128, 127)), (Padding(), (-20, 90)))
    ]
    cases = prepare(KERNEL, graphs)
    assert {case.spec.shared.name for case in cases} >= {"depthwise_3x3_s1", "depthwise_3x3_s1_narrow", "depthwise_3x3_s2"}
    assert all(case.spec.fused for case in cases)
    source = write_source(cases, tmp_path)
    host, device = Host(source), Device(source, cases, "cortex-m4", "speed")
    for case in cases:
        (lead,) = KERNEL.overlap(case.spec)
        for x in random_and_extreme(case):
            for machine in (host, device):
                np.testing.assert_array_equal(compute(machine, case, [x], [lead]), expected(case, [x]), err_msg=str(case.spec))
