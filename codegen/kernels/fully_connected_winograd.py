"""Matrix product of a single row by Winograd's inner product: for cores without multiply-accumulate and few registers.

For each pair of cells, ``(x[a] + v[b]) * (x[b] + v[a])`` takes one multiplication and leaves its operands intact. Its surplus over
``x[a] * v[a] + x[b] * v[b]`` is a product within the row, summed once, and one within the weights, part of the bias (S. Winograd,
"A new algorithm for inner product", IEEE Transactions on Computers, 1968). All sums are exact modulo 2**32. Weights stay bytes and
the input stays where it is.
"""

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
"""Output channels that share a loaded pair of cells."""
OFFSET = 128
"""What is added to a weight to make it an unsigned byte, and to a cell where its surplus is summed."""
_CONSTANTS = ("weights", "bias", "multiplier", "shift")


@dataclass(frozen=True, slots=True)
class WinogradSpec:
    """``depth`` inputs, an even number; ``filters`` outputs."""

    depth: int
    filters: int
    requantization: Requantization

    @property
    def channel_parts(self) -> tuple[Part, ...]:
        """Blocks of output channels."""
        return parts(self.filters, BLOCK)


class FullyConnectedWinogradKernel(Kernel[WinogradSpec]):
    """A fully connected layer on one row, or a convolution with a single output pixel whose window is one run of bytes."""

    name: ClassVar[str] = "fully_connected_winograd"
    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "winograd_dot")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> WinogradSpec | None:
        if core.thumb2:
            return None
        match op:
            case FullyConnected():
                window = rows_window(op, graph)
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case _:
                return None
        if window.pixels != 1 or not window.contiguous or window.depth % 2:
            return None
        return WinogradSpec(window.depth, graph[op.weight].shape[0], requantization(op, graph))

    def constant_bytes(self, spec: WinogradSpec) -> int:
        return spec.filters * (spec.depth + BYTES_PER_CHANNEL)

    def pack(self, op: Op, graph: Graph, spec: WinogradSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        weights = data.reshape(spec.filters, spec.depth).astype(np.int64)
        shifted = weights + OFFSET
        surplus = (shifted[:, 0::2] * shifted[:, 1::2]).sum(axis=1) - spec.depth // 2 * OFFSET**2
        correction = -graph[op.inputs[0]].zero_point * weights.sum(axis=1) - surplus
        packed = Constant("weights", pack_pairs(shifted.astype(np.uint8)))
        return (packed, bias_constant(op, graph, correction), *requantization_constants(op, graph, spec.requantization))

    def overlap(self, spec: WinogradSpec) -> tuple[int | None, ...]:
        # Every output needs the whole input; only the last block, whose sums are taken before it is stored, may overwrite it.
        last = spec.channel_parts[-1]
        before_last = last.start + (last.blocks - 1) * last.size
        return (before_last,) if before_last else (-spec.depth,)

    def work(self, spec: WinogradSpec) -> Mapping[str, int]:
        """Features: pairs whose surplus is summed; per size of block its calls and pairs of cells; results."""
        pairs = spec.depth // 2
        features = {"calls": 1, "surplus": pairs, "stored": spec.filters}
        for part in spec.channel_parts:
            features[f"rows_{part.size}"] = part.blocks
            features[f"pairs_{part.size}"] = part.blocks * pairs
        features["rest"] = spec.filters // BLOCK * (pairs if pairs % 4 else 0)
        return features

    def prim_func(self, spec: WinogradSpec) -> tvm.tirx.PrimFunc:
        return winograd_prim_func(spec)


def pack_pairs(weights: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(filters, depth)`` bytes as micro/winograd_dot.h reads them, one-dimensional."""
    blocks = [weights[start : start + BLOCK] for start in range(0, len(weights), BLOCK)]
    return np.concatenate([block.reshape(len(block), -1, 2).transpose(1, 0, 2).ravel() for block in blocks])


def winograd_prim_func(spec: WinogradSpec) -> tvm.tirx.PrimFunc:
    """The scheduled function ``x, weights, bias, multiplier, shift, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    from codegen.tvm_build import annotate

    pairs = spec.depth // 2
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x = T.arg("x", T.buffer((spec.depth,), "int8"))
        weights = T.arg("weights", T.buffer((spec.filters * spec.depth,), "uint8"))
        bias, multiplier = (T.arg(n, T.buffer((spec.filters,), "int32")) for n in ("bias", "multiplier"))
        shift = T.arg("shift", T.buffer((spec.filters,), "int8"))
        y = T.arg("y", T.buffer((spec.filters,), "int8"))
        with T.sblock("root"):
            surplus = allocate("surplus", (1,), "int32")
            with loops(once=1, pair=pairs) as inner, T.sblock("surplus"):
                o, j = T.axis.remap("SR", list(inner))
                with T.init():
                    T.buffer_store(surplus, 0, [o])
                product = (T.cast(x[j * 2], "int32") + OFFSET) * (T.cast(x[j * 2 + 1], "int32") + OFFSET)
                T.buffer_store(surplus, surplus[o] + product, [o])
            for part in spec.channel_parts:
                sums = allocate("sums", (part.blocks, part.size), "int32")
                with loops(group=part.blocks, channel=part.size, pair=pairs) as inner, T.sblock(f"dot_{part.size}"):
                    g, c, j = T.axis.remap("SSR", list(inner))
                    start = (part.start + g * part.size) * spec.depth
                    channel = c if part.size > 1 else 0
                    at = start + j * (2 * part.size) + channel * 2
                    product = _product(x, weights, start, part.size, channel, j)
                    T.reads(x[j * 2 : j * 2 + 2], weights[at : at + 2])
                    T.writes(sums[g, c])
                    with T.init():
                        T.buffer_store(sums, bias[part.start + g * part.size + c] - surplus[0], [g, c])
                    T.buffer_store(sums, sums[g, c] + product, [g, c])
                with loops(group=part.blocks, channel=part.size) as inner, T.sblock(f"store_{part.size}"):
                    g, c = T.axis.remap("SS", list(inner))
                    to = part.start + g * part.size + c
                    T.buffer_store(y, spec.requantization.call(sums[g, c], multiplier[to], shift[to]), [to])
    schedule = s_tir.Schedule(ib.get())
    for part in spec.channel_parts:
        dot = f"dot_{part.size}"
        group, channel = schedule.get_loops(f"store_{part.size}")
        schedule.compute_at(dot, group, preserve_unit_loops=True)
        schedule.decompose_reduction(dot, schedule.get_loops(dot)[-2])
        schedule.tensorize(schedule.get_loops(f"{dot}_update")[-2], _intrinsic(part.size, spec.depth))
        schedule.unroll(schedule.get_loops(f"{dot}_init")[-1])
        schedule.unroll(channel)
    return annotate(schedule.mod["main"], _CONSTANTS)


def _product(x: Any, weights: Any, start: Any, size: int, channel: Any, pair: Any) -> Any:
    """Winograd's product of one pair of cells and ``channel`` of a block of ``size`` channels whose weights begin at ``start``."""
    from tvm.tirx.script import builder as T

    at = start + pair * (2 * size) + channel * 2
    first = T.cast(x[pair * 2], "int32") + T.cast(weights[at + 1], "int32")
    return first * (T.cast(x[pair * 2 + 1], "int32") + T.cast(weights[at], "int32"))


def _intrinsic(size: int, depth: int) -> str:
    """Name of the products of one block of channels as a tensor intrinsic, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.winograd_dot_{size}x{depth}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _dot_function(size, depth, implementation=False)
        TensorIntrin.register(name, description, _dot_function(size, depth, implementation=True))
    return name


def _dot_function(size: int, depth: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("dot")
        x = T.arg("x", T.buffer((depth,), "int8", offset_factor=1))
        weights = T.arg("weights", T.buffer((size * depth,), "uint8", offset_factor=1))
        sums = T.arg("sums", T.buffer((1, size), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:1, 0:size], x[0:depth], weights[0 : size * depth])
            T.writes(sums[0:1, 0:size])
            if implementation:
                pointers = (T.address_of(sums[0, 0]), T.address_of(x[0]), T.address_of(weights[0]))
                call(f"winograd_dot_{size}", *pointers, depth)
            else:
                with loops(channel=size, pair=depth // 2) as (channel, pair), T.sblock("dot"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    c = T.axis.spatial(size, channel) if size > 1 else 0
                    j = T.axis.reduce(depth // 2, pair) if depth > 2 else 0
                    T.buffer_store(sums, sums[0, c] + _product(x, weights, 0, size, c, j), [0, c])
    return ib.get()
