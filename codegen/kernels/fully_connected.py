"""Matrix product of a single row: the weights are read once, the input as it lies in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Conv2D, FullyConnected, Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import Part, parts
from codegen.kernels._requantize import (
    BYTES_PER_CHANNEL,
    Requantization,
    bias_constant,
    requantization,
    requantization_constants,
)
from codegen.kernels._tir import allocate, call, loops
from codegen.kernels._window import convolution_window, rows_window

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

BLOCK = 4
"""Output channels that share a loaded input word."""


@dataclass(frozen=True, slots=True)
class RowSpec:
    """``depth`` inputs, ``filters`` outputs."""

    depth: int
    filters: int
    requantization: Requantization

    @property
    def packed_depth(self) -> int:
        """``depth``, filled up to whole groups of four."""
        return -(-self.depth // 4) * 4

    @property
    def blocked(self) -> int:
        """Output channels that are computed in blocks of four: none where there is not even one group of four inputs."""
        return self.filters - self.filters % BLOCK if self.depth >= 4 else 0

    @property
    def channel_parts(self) -> tuple[Part, ...]:
        """Blocks of four channels, then the rest one by one."""
        rest = self.filters - self.blocked
        return (*parts(self.blocked, BLOCK), *((Part(self.blocked, rest, 1),) if rest else ()))


class FullyConnectedKernel(Kernel[RowSpec]):
    """A fully connected layer on one row, or a convolution with a single output pixel whose window is one run of bytes."""

    name: ClassVar[str] = "fully_connected"
    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "row_dot")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> RowSpec | None:
        match op:
            case FullyConnected():
                window = rows_window(op, graph)
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case _:
                return None
        # The output pixel's window begins at the first byte: without padding nothing can precede it.
        if window.pixels != 1 or not window.contiguous:
            return None
        return RowSpec(window.depth, graph[op.weight].shape[0], requantization(op, graph))

    def constant_bytes(self, spec: RowSpec) -> int:
        return spec.filters * (spec.packed_depth + BYTES_PER_CHANNEL)

    def pack(self, op: Op, graph: Graph, spec: RowSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        weights = data.reshape(spec.filters, spec.depth)
        correction = -graph[op.inputs[0]].zero_point * weights.astype(np.int64).sum(axis=1)
        form = spec.requantization
        packed = Constant("weights", pack_rows(weights, spec.blocked))
        return (packed, bias_constant(op, graph, correction), *requantization_constants(op, graph, form))

    def overlap(self, spec: RowSpec) -> tuple[int | None, ...]:
        # Every output needs the whole input; only the last block, whose sums are taken before it is stored, may overwrite it.
        last = spec.channel_parts[-1]
        before_last = last.start + (last.blocks - 1) * last.size
        return (before_last,) if before_last else (-spec.depth,)

    def work(self, spec: RowSpec) -> Mapping[str, int]:
        """Features: per size of block its calls, groups of four cells and of these the ones outside the unrolled loop; results."""
        features = {"calls": 1, "stored": spec.filters}
        for part in spec.channel_parts:
            features[f"rows_{part.size}"] = part.blocks
            features[f"groups_{part.size}"] = part.blocks * (spec.packed_depth // 4)
        features["rest"] = spec.blocked // BLOCK * (spec.packed_depth % 16 // 4)
        return features

    def prim_func(self, spec: RowSpec) -> tvm.tirx.PrimFunc:
        return row_prim_func(spec)


def pack_rows(weights: NDArray[np.int8], blocked: int) -> NDArray[np.int8]:
    """``(filters, depth)`` weights as micro/row_dot.h reads them, one-dimensional; the first ``blocked`` filters by fours."""
    filters, depth = weights.shape
    padded = np.zeros((filters, -(-depth // 4) * 4), np.int8)
    padded[:, :depth] = weights
    groups = padded[:blocked].reshape(blocked // BLOCK, BLOCK, padded.shape[1] // 4, 4)
    return np.concatenate([groups.transpose(0, 2, 1, 3).ravel(), padded[blocked:].ravel()])


def row_prim_func(spec: RowSpec) -> tvm.tirx.PrimFunc:
    """The scheduled function: ``x, weights, bias, multiplier, shift, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    from codegen.tvm_build import annotate

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x = T.arg("x", T.buffer((spec.depth,), "int8"))
        weights = T.arg("weights", T.buffer((spec.filters * spec.packed_depth,), "int8"))
        bias, multiplier = (T.arg(n, T.buffer((spec.filters,), "int32")) for n in ("bias", "multiplier"))
        shift = T.arg("shift", T.buffer((spec.filters,), "int8"))
        y = T.arg("y", T.buffer((spec.filters,), "int8"))
        with T.sblock("root"):
            for part in spec.channel_parts:
                sums = allocate("sums", (part.blocks, part.size), "int32")
                with loops(group=part.blocks, channel=part.size, cell=spec.depth) as inner, T.sblock(f"dot_{part.size}"):
                    g, c, k = T.axis.remap("SSR", list(inner))
                    start = part.start * spec.packed_depth + g * (part.size * spec.packed_depth)
                    weight = weights[start + _weight_offset(part.size, k, c)]
                    T.reads(x[k], weight)
                    T.writes(sums[g, c])
                    with T.init():
                        T.buffer_store(sums, bias[part.start + g * part.size + c], [g, c])
                    T.buffer_store(sums, sums[g, c] + T.cast(x[k], "int32") * T.cast(weight, "int32"), [g, c])
                with loops(group=part.blocks, channel=part.size) as inner, T.sblock(f"store_{part.size}"):
                    g, c = T.axis.remap("SS", list(inner))
                    to = part.start + g * part.size + c
                    T.reads(sums[g, c])
                    T.writes(y[to])
                    T.buffer_store(y, spec.requantization.call(sums[g, c], multiplier[to], shift[to]), [to])
    sch = s_tir.Schedule(ib.get())
    for part in spec.channel_parts:
        dot = f"dot_{part.size}"
        group, channel = sch.get_loops(f"store_{part.size}")
        sch.compute_at(dot, group, preserve_unit_loops=True)
        sch.decompose_reduction(dot, sch.get_loops(dot)[-2])
        sch.tensorize(sch.get_loops(f"{dot}_update")[-2], _row_intrinsic(part.size, spec.depth))
        sch.unroll(sch.get_loops(f"{dot}_init")[-1])
        sch.unroll(channel)
    return annotate(sch.mod["main"], ("weights", "bias", "multiplier", "shift"))


def _weight_offset(size: int, cell: Any, channel: Any) -> Any:
    """Where the weight of ``channel`` for ``cell`` lies inside a block of ``size`` channels."""
    from tvm import tirx

    return cell if size == 1 else tirx.floordiv(cell, 4) * (4 * size) + channel * 4 + tirx.floormod(cell, 4)


def _row_intrinsic(size: int, depth: int) -> str:
    """Name of the dot products of one block of channels as a tensor intrinsic, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    name = f"codegen.row_dot_{size}x{depth}"
    if TensorIntrin.get(name, allow_missing=True) is not None:
        return name
    packed = -(-depth // 4) * 4 * size if size > 1 else depth

    def function(*, implementation: bool) -> Any:
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("row_dot")
            x = T.arg("x", T.buffer((depth,), "int8", offset_factor=1))
            weights = T.arg("weights", T.buffer((packed,), "int8", offset_factor=1))
            sums = T.arg("sums", T.buffer((1, size), "int32", offset_factor=1))
            with T.sblock("root"):
                T.reads(sums[0:1, 0:size], x[0:depth], weights[0:packed])
                T.writes(sums[0:1, 0:size])
                if implementation:
                    call(f"row_dot_{size}", T.address_of(sums[0, 0]), T.address_of(x[0]), T.address_of(weights[0]), depth)
                else:
                    with loops(channel=size, cell=depth) as (channel, cell), T.sblock("dot"):
                        # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                        c = T.axis.spatial(size, channel) if size > 1 else 0
                        k = T.axis.reduce(depth, cell) if depth > 1 else 0
                        weight = weights[_weight_offset(size, k, c)]
                        T.buffer_store(sums, sums[0, c] + T.cast(x[k], "int32") * T.cast(weight, "int32"), [0, c])
        return ib.get()

    TensorIntrin.register(name, function(implementation=False), function(implementation=True))
    return name
