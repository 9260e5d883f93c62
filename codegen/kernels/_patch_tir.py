"""The TIR of kernels that gather patches: what is computed, stage by stage, and the schedule that orders it.

For blocks of output pixels: gather their patches (scratch); for blocks of output channels: dot products, requantise, store, either
as one micro-kernel (a *fused* tile) or with the sums on the stack between two stages. Pixels and channels that do not fill a block
are computed by loop nests of their own with smaller blocks, so no work is wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.kernels._dot_tir import dot_intrinsic, weight_offset
from codegen.kernels._gather_tir import gather_block
from codegen.kernels._parts import Part, halving_parts, parts
from codegen.kernels._requantize import PARAMETERS, ChannelParameters, Requantization
from codegen.kernels._tir import allocate, call, loops
from codegen.kernels._window import Window
from codegen.tvm_build import SCRATCH_SCOPE, annotate

if TYPE_CHECKING:
    import tvm


@dataclass(frozen=True, slots=True)
class Tile:
    """The schedule: output pixels and channels of a block, and how it is computed.

    ``fused``: dot products, requantisation and storing are one micro-kernel, for 1, 2 or 4 pixels and an even number of channels.
    Otherwise a block is 1 to 3 pixels of 1 or 2 channels; ``unroll`` says whether its epilogue is unrolled.
    """

    pixels: int
    channels: int = 2
    unroll: bool = True
    fused: bool = False

    def pixel_parts(self, pixels: int) -> tuple[Part, ...]:
        """How the output pixels are cut into blocks."""
        return halving_parts(pixels, self.pixels) if self.fused else parts(pixels, self.pixels)

    def channel_parts(self, filters: int) -> tuple[Part, ...]:
        """How the output channels are cut into blocks; one that has no partner is a block of its own."""
        single = filters % 2 if self.fused else 0
        last = (Part(filters - 1, 1, 1),) if single else ()
        return (*parts(filters - single, self.channels), *last)


def patch_prim_func(window: Window, filters: int, input_zero: int, form: Requantization, tile: Tile) -> tvm.tirx.PrimFunc:
    """The scheduled function: ``x, weights, bias, multiplier, shift, y``, of a fused tile ``x, weights, parameters, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    pixel_parts, channel_parts = tile.pixel_parts(window.pixels), tile.channel_parts(filters)
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        computation = _Computation(window, filters, input_zero, form, tile)
        with T.sblock("root"):
            for pixels in pixel_parts:
                computation.nest(pixels, channel_parts)
    sch = s_tir.Schedule(ib.get())
    for pixels in pixel_parts:
        for channels in channel_parts:
            if not _is_fused(tile, channels):
                _schedule(sch, window.packed_depth, pixels, channels, tile)
    return annotate(sch.mod["main"], ("weights", *computation.parameters.names))


class _Computation:
    """The stages before scheduling, written into the function that is being built."""

    def __init__(self, window: Window, filters: int, input_zero: int, form: Requantization, tile: Tile) -> None:
        from tvm.tirx.script import builder as T

        self.window, self.filters, self.input_zero, self.form, self.tile = window, filters, input_zero, form, tile
        cells = window.height * window.width * window.channels
        self.x = T.arg("x", T.buffer((cells,), "int8"))
        self.weights = T.arg("weights", T.buffer((filters * window.packed_depth,), "int8"))
        self.parameters = ChannelParameters(filters, packed=tile.fused)
        self.y = T.arg("y", T.buffer((window.pixels * filters,), "int8"))

    def nest(self, pixels: Part, channel_parts: tuple[Part, ...]) -> None:
        """All stages of one range of pixels."""
        depth = self.window.packed_depth
        patch = allocate("patch", (pixels.blocks, depth // 2, pixels.size, 2), "int16", SCRATCH_SCOPE)
        separate = [c for c in channel_parts if not _is_fused(self.tile, c)]
        sums = {c: allocate("sums", (pixels.blocks, pixels.size, c.blocks, c.size), "int32") for c in separate}
        with loops(block=pixels.blocks) as (block,):
            gather_block(self.window, self.input_zero, self.x, patch, pixels, block)
            for channels in channel_parts:
                if channels in sums:
                    self._dot(block, patch, sums[channels], pixels, channels)
                    self._store(block, sums[channels], pixels, channels)
                else:
                    self._block(block, patch, pixels, channels)

    def _block(self, block: Any, patch: Any, pixels: Part, channels: Part) -> None:
        """Finished outputs by micro/block.h."""
        from tvm.tirx.script import builder as T

        depth = self.window.packed_depth
        with loops(group=channels.blocks) as (group,), T.sblock(_stage("block", pixels, channels)):
            b, g = T.axis.remap("SS", [block, group])
            first = channels.start + g * channels.size
            weights, parameters = first * depth, first * PARAMETERS
            to = (pixels.start + b * pixels.size) * self.filters + first
            T.reads(
                patch[b, 0 : depth // 2, 0 : pixels.size, 0:2],
                self.weights[weights : weights + channels.size * depth],
                self.parameters.packed[parameters : parameters + channels.size * PARAMETERS],
            )
            T.writes(self.y[to : to + (pixels.size - 1) * self.filters + channels.size])
            # Bound to a buffer of its own, or TVM would shrink the patch to the numbers whose addresses are taken.
            shape = (1, depth // 2, pixels.size, 2)
            cells = T.match_buffer(
                patch[b, 0 : depth // 2, 0 : pixels.size, 0:2], shape, "int16", scope=SCRATCH_SCOPE, offset_factor=1
            )
            call(
                f"block_{pixels.size}",
                T.address_of(self.y[to]),
                T.address_of(cells[0, 0, 0, 0]),
                T.address_of(self.weights[weights]),
                T.address_of(self.parameters.packed[parameters]),
                *(depth, channels.size, self.filters, 2 * self.form.zero_point + 1),
            )
            if self.form.clamps:
                size = (pixels.size, channels.size, self.filters)
                call("clamp_block", T.address_of(self.y[to]), *size, self.form.low, self.form.high)

    def _dot(self, block: Any, patch: Any, sums: Any, pixels: Part, channels: Part) -> None:
        from tvm.tirx.script import builder as T

        depth = self.window.packed_depth
        extents = {"group": channels.blocks, "pixel": pixels.size, "channel": channels.size, "pair": depth // 2, "half": 2}
        with loops(**extents) as inner, T.sblock(_stage("dot", pixels, channels)):
            b, g, i, c, k, h = T.axis.remap("SSSSRR", [block, *inner])
            start = channels.start * depth + g * (channels.size * depth)
            weight = self.weights[start + weight_offset(channels.size, k, h, c)]
            T.reads(patch[b, k, i, h], weight)
            T.writes(sums[b, i, g, c])
            with T.init():
                T.buffer_store(sums, self.parameters.bias(channels.start + g * channels.size + c), [b, i, g, c])
            product = T.cast(patch[b, k, i, h], "int32") * T.cast(weight, "int32")
            T.buffer_store(sums, sums[b, i, g, c] + product, [b, i, g, c])

    def _store(self, block: Any, sums: Any, pixels: Part, channels: Part) -> None:
        from tvm.tirx.script import builder as T

        extents = {"group": channels.blocks, "pixel": pixels.size, "channel": channels.size}
        with loops(**extents) as inner, T.sblock(_stage("store", pixels, channels)):
            b, g, i, c = T.axis.remap("SSSS", [block, *inner])
            filter_ = channels.start + g * channels.size + c
            to = (pixels.start + b * pixels.size + i) * self.filters + filter_
            T.reads(sums[b, i, g, c])
            T.writes(self.y[to])
            T.buffer_store(self.y, self.form.call(sums[b, i, g, c], *self.parameters.scale(filter_)), [to])


def _is_fused(tile: Tile, channels: Part) -> bool:
    return tile.fused and channels.size > 1


def _stage(name: str, pixels: Part, channels: Part) -> str:
    return f"{name}_{pixels.size}x{channels.size}"


def _schedule(sch: Any, depth: int, pixels: Part, channels: Part, tile: Tile) -> None:
    """Dot products move into the loop over channel blocks and become one micro-kernel call per block."""
    dot, store = _stage("dot", pixels, channels), _stage("store", pixels, channels)
    *_, group, pixel, channel = sch.get_loops(store)
    sch.compute_at(dot, group, preserve_unit_loops=True)
    sch.decompose_reduction(dot, sch.get_loops(dot)[-4])
    sch.tensorize(sch.get_loops(f"{dot}_update")[-4], dot_intrinsic(pixels.size, channels.size, depth))
    # Channel by channel: the requantisation parameters of one channel then stay in registers for all its pixels.
    sch.reorder(channel, pixel)
    if tile.unroll:
        for loop in (*sch.get_loops(f"{dot}_init")[-2:], pixel, channel):
            sch.unroll(loop)
