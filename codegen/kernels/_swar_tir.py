"""The TIR of products that take two output channels in one multiplication, over micro/swar_patch.h and micro/swar_dot.h.

For each output pixel: gather its patch as 32-bit numbers (scratch); for blocks of four output channels: dot products (stack),
requantise, store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.kernels._gather_tir import gather_pixel
from codegen.kernels._parts import Part, parts
from codegen.kernels._tir import allocate, call, loops
from codegen.tvm_build import SCRATCH_SCOPE, annotate

if TYPE_CHECKING:
    import tvm

    from codegen.kernels._swar import SwarSpec

CONSTANTS = ("weights", "bias", "multiplier", "shift")


def swar_prim_func(spec: SwarSpec, block: int) -> tvm.tirx.PrimFunc:
    """The scheduled function ``x, weights, bias, multiplier, shift, y`` for blocks of ``block`` output channels."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    channel_parts = parts(spec.filters, block)
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        computation = _Computation(spec)
        with T.sblock("root"):
            computation.body(channel_parts)
    schedule = s_tir.Schedule(ib.get())
    for channels in channel_parts:
        _schedule(schedule, spec.window.packed_depth, channels)
    return annotate(schedule.mod["main"], CONSTANTS)


class _Computation:
    """The stages before scheduling, written into the function that is being built."""

    def __init__(self, spec: SwarSpec) -> None:
        from tvm.tirx.script import builder as T

        window = spec.window
        self.spec, self.depth = spec, window.packed_depth
        self.x = T.arg("x", T.buffer((window.height * window.width * window.channels,), "int8"))
        self.weights = T.arg("weights", T.buffer((spec.weight_words,), "int32"))
        self.bias = T.arg("bias", T.buffer((spec.filters,), "int32"))
        self.multiplier = T.arg("multiplier", T.buffer((spec.filters,), "int32"))
        self.shift = T.arg("shift", T.buffer((spec.filters,), "int8"))
        self.y = T.arg("y", T.buffer((window.pixels * spec.filters,), "int8"))

    def body(self, channel_parts: tuple[Part, ...]) -> None:
        """All loops."""
        spec = self.spec
        patch = allocate("patch", (self.depth,), "int32", SCRATCH_SCOPE)
        sums = {c: allocate("sums", (c.blocks, c.size), "int32") for c in channel_parts}
        with loops(pixel=spec.window.pixels) as (pixel,):
            gather_pixel(spec.window, spec.zero_point, self.x, patch, pixel)
            for channels in channel_parts:
                self._dot(patch, sums[channels], channels)
                self._store(pixel, sums[channels], channels)

    def _dot(self, patch: Any, sums: Any, channels: Part) -> None:
        from tvm.tirx.script import builder as T

        with (
            loops(group=channels.blocks, channel=channels.size, cell=self.depth) as inner,
            T.sblock(f"dot_{channels.size}"),
        ):
            g, c, k = T.axis.remap("SSR", list(inner))
            start = words(channels.start) * self.depth + g * (words(channels.size) * self.depth)
            channel = c if channels.size > 1 else 0
            word = self.weights[start + _word(channels.size, channel, k)]
            T.reads(patch[k], word)
            T.writes(sums[g, c])
            with T.init():
                T.buffer_store(sums, self.bias[channels.start + g * channels.size + c], [g, c])
            T.buffer_store(sums, sums[g, c] - patch[k] * _negated_weight(word, channel), [g, c])

    def _store(self, pixel: Any, sums: Any, channels: Part) -> None:
        from tvm.tirx.script import builder as T

        with loops(group=channels.blocks, channel=channels.size) as inner, T.sblock(f"store_{channels.size}"):
            p, g, c = T.axis.remap("SSS", [pixel, *inner])
            filter_ = channels.start + g * channels.size + c
            T.reads(sums[g, c])
            T.writes(self.y[p * self.spec.filters + filter_])
            result = self.spec.requantization.call(sums[g, c], self.multiplier[filter_], self.shift[filter_])
            T.buffer_store(self.y, result, [p * self.spec.filters + filter_])


def words(channels: int) -> int:
    """Words of weights for each input cell."""
    return (channels + 1) // 2


def _word(size: int, channel: Any, cell: Any) -> Any:
    """Which word of a block of ``size`` channels holds the weight of ``channel`` for ``cell``."""
    from tvm import tirx

    return tirx.floordiv(cell, 2) * (2 * words(size)) + tirx.floordiv(channel, 2) * 2 + tirx.floormod(cell, 2)


def _negated_weight(word: Any, channel: Any) -> Any:
    """The lower half of ``word`` for an even channel, for an odd one the upper half; a negative lower half has borrowed from it."""
    from tvm import tirx
    from tvm.tirx.script import builder as T

    odd = tirx.floormod(channel, 2)
    return T.cast(T.cast((word + odd * 32768) >> (odd * 16), "int16"), "int32")


def _schedule(schedule: Any, depth: int, channels: Part) -> None:
    """Dot products move into the loop over blocks of channels and become one micro-kernel call per block."""
    dot, store = f"dot_{channels.size}", f"store_{channels.size}"
    *_, group, channel = schedule.get_loops(store)
    schedule.compute_at(dot, group, preserve_unit_loops=True)
    schedule.decompose_reduction(dot, schedule.get_loops(dot)[-2])
    schedule.tensorize(schedule.get_loops(f"{dot}_update")[-2], _intrinsic(channels.size, depth))
    schedule.unroll(schedule.get_loops(f"{dot}_init")[-1])
    schedule.unroll(channel)


def _intrinsic(size: int, depth: int) -> str:
    """Name of the dot products of one block of channels as a tensor intrinsic, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.swar_dot_{size}x{depth}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _dot_function(size, depth, implementation=False)
        TensorIntrin.register(name, description, _dot_function(size, depth, implementation=True))
    return name


def _dot_function(size: int, depth: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("dot")
        patch = T.arg("patch", T.buffer((depth,), "int32", scope=SCRATCH_SCOPE, offset_factor=1))
        weights = T.arg("weights", T.buffer((words(size) * depth,), "int32", offset_factor=1))
        sums = T.arg("sums", T.buffer((1, size), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:1, 0:size], patch[0:depth], weights[0 : words(size) * depth])
            T.writes(sums[0:1, 0:size])
            if implementation:
                pointers = (T.address_of(sums[0, 0]), T.address_of(patch[0]), T.address_of(weights[0]))
                call(f"swar_dot_{size}", *pointers, depth)
            else:
                with loops(channel=size, cell=depth) as (channel, cell), T.sblock("dot"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    c = T.axis.spatial(size, channel) if size > 1 else 0
                    k = T.axis.reduce(depth, cell)
                    product = patch[k] * _negated_weight(weights[_word(size, c, k)], c)
                    T.buffer_store(sums, sums[0, c] - product, [0, c])
    return ib.get()
