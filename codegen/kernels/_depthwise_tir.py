"""The TIR of depthwise convolutions: rows enter the ring, tiles of pixels are summed kernel row by kernel row and requantised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.kernels._parts import Part, parts
from codegen.kernels._tir import allocate, call, loops
from codegen.tvm_build import SCRATCH_SCOPE, annotate

if TYPE_CHECKING:
    import tvm

    from codegen.kernels.depthwise_conv2d import DepthwiseSpec

_CONSTANTS = ("weights", "bias", "multiplier", "shift")
_UNROLLED_ROWS = 5
"""Up to this height the loop over kernel rows is unrolled; beyond, code would grow faster than time shrinks."""


def depthwise_prim_func(spec: DepthwiseSpec) -> tvm.tirx.PrimFunc:
    """The scheduled function ``x, weights, bias, multiplier, shift, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    window = spec.window
    tiles = parts(window.out_width, spec.tile)
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        computation = _Computation(spec)
        with T.sblock("root"):
            computation.body(tiles)
    schedule = s_tir.Schedule(ib.get())
    for tile in tiles:
        row, pixel, _ = schedule.get_loops(_stage("taps", tile))[-3:]
        intrinsic = _row_intrinsic(tile.size, window.stride[1], window.kernel[1], window.dilation[1])
        schedule.tensorize(pixel, intrinsic)
        for stage in ("start", "store"):
            schedule.unroll(schedule.get_loops(_stage(stage, tile))[-1])
        if window.kernel[0] <= _UNROLLED_ROWS:
            schedule.unroll(row)
    return annotate(schedule.mod["main"], _CONSTANTS)


class _Computation:
    """The stages before scheduling, written into the function that is being built."""

    def __init__(self, spec: DepthwiseSpec) -> None:
        from tvm.tirx.script import builder as T

        window = spec.window
        self.spec, self.window = spec, window
        self.x = T.arg("x", T.buffer((window.height * window.width * window.channels,), "int8"))
        self.weights = T.arg("weights", T.buffer((spec.weight_bytes,), "int8"))
        self.bias = T.arg("bias", T.buffer((spec.channels,), "int32"))
        self.multiplier = T.arg("multiplier", T.buffer((spec.channels,), "int32"))
        self.shift = T.arg("shift", T.buffer((spec.channels,), "int8"))
        self.y = T.arg("y", T.buffer((window.out_height, window.out_width, spec.channels), "int8"))

    def body(self, tiles: tuple[Part, ...]) -> None:
        """All loops."""
        spec, window = self.spec, self.window
        self.ring = allocate("ring", (spec.ring_bytes,), "int8", SCRATCH_SCOPE)
        sums = {tile: allocate("sums", (tile.size,), "int32") for tile in tiles}
        waiting = spec.slots - spec.fresh
        self._fill_columns("left_padding", 0, spec.padded_left)
        self._fill_columns("right_padding", spec.padded_left + spec.used_width, spec.padded_right)
        if waiting:
            with loops(row=waiting) as (row,):
                self._enter("first_rows", row)
        with loops(out_row=window.out_height) as (out_row,):
            with loops(row=spec.fresh) as (row,):
                self._enter("fresh_rows", out_row * window.stride[0] + waiting + row)
            with loops(channel=spec.channels) as (channel,):
                for tile in tiles:
                    with loops(tile=tile.blocks) as (block,):
                        self._start(tile, sums[tile], channel)
                        self._taps(tile, sums[tile], out_row, channel, block)
                        self._store(tile, sums[tile], out_row, channel, block)

    def _fill_columns(self, name: str, column: int, columns: int) -> None:
        from tvm.tirx.script import builder as T

        if columns:
            with T.sblock(name):
                self._touches_ring()
                rows = self.spec.slots * self.window.channels
                call("fill_cells", T.address_of(self.ring[column]), self.spec.zero_point, columns, rows, self.spec.pitch)

    def _enter(self, name: str, padded_row: Any) -> None:
        """Row ``padded_row`` of the padded input goes into its slot, channel by channel."""
        from tvm import tirx
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        used, channels, row_bytes = spec.used_width, window.channels, window.width * window.channels
        with T.sblock(name):
            self._touches_ring()
            to = T.address_of(self.ring[self._slot(padded_row) + spec.padded_left])
            row = padded_row - window.pad_top
            inside = tirx.all(row >= 0, row < window.height)
            with T.If(inside):
                with T.Then():
                    call("planar_row", to, T.address_of(self.x[row * row_bytes]), used, channels, spec.pitch)
                with T.Else():
                    call("fill_cells", to, spec.zero_point, used, channels, spec.pitch)

    def _touches_ring(self) -> None:
        from tvm.tirx.script import builder as T

        T.reads(self.x[0 : self.x.shape[0]])
        T.writes(self.ring[0 : self.spec.ring_bytes])

    def _slot(self, padded_row: Any) -> Any:
        """Where the ring holds a row of the padded input."""
        from tvm import tirx

        return tirx.floormod(padded_row, self.spec.slots) * (self.window.channels * self.spec.pitch)

    def _start(self, tile: Part, sums: Any, channel: Any) -> None:
        from tvm.tirx.script import builder as T

        with loops(pixel=tile.size) as (pixel,), T.sblock(_stage("start", tile)):
            c, p = T.axis.remap("SS", [channel, pixel])
            T.reads(self.bias[c])
            T.writes(sums[p])
            T.buffer_store(sums, self.bias[c], [p])

    def _taps(self, tile: Part, sums: Any, out_row: Any, channel: Any, block: Any) -> None:
        from tvm import tirx
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        rows, columns = window.kernel
        with loops(row=rows, pixel=tile.size, tap=columns) as (row, pixel, tap), T.sblock(_stage("taps", tile)):
            y, c, b, r, p, t = T.axis.remap("SSSRSR", [out_row, channel, block, row, pixel, tap])
            plane = self._slot(y * window.stride[0] + r * window.dilation[0]) + tirx.floordiv(c, spec.multiplier) * spec.pitch
            x = self.ring[plane + (tile.start + b * tile.size + p) * window.stride[1] + t * window.dilation[1]]
            weight = self.weights[c * (rows * columns) + r * columns + t]
            T.reads(sums[p], x, weight)
            T.writes(sums[p])
            T.buffer_store(sums, sums[p] + T.cast(x, "int32") * T.cast(weight, "int32"), [p])

    def _store(self, tile: Part, sums: Any, out_row: Any, channel: Any, block: Any) -> None:
        from tvm.tirx.script import builder as T

        with loops(pixel=tile.size) as (pixel,), T.sblock(_stage("store", tile)):
            y, c, b, p = T.axis.remap("SSSS", [out_row, channel, block, pixel])
            to = [y, tile.start + b * tile.size + p, c]
            T.reads(sums[p], self.multiplier[c], self.shift[c])
            T.writes(self.y[tuple(to)])
            T.buffer_store(self.y, self.spec.requantization.call(sums[p], self.multiplier[c], self.shift[c]), to)


def _stage(name: str, tile: Part) -> str:
    return f"{name}_{tile.size}"


def _row_intrinsic(pixels: int, stride: int, taps: int, dilation: int) -> str:
    """Name of the tensor intrinsic for one kernel row of a tile, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.depthwise_row_{pixels}x{taps}_{stride}_{dilation}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _row_function(pixels, stride, taps, dilation, implementation=False)
        TensorIntrin.register(name, description, _row_function(pixels, stride, taps, dilation, implementation=True))
    return name


def _row_function(pixels: int, stride: int, taps: int, dilation: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    extent = (pixels - 1) * stride + (taps - 1) * dilation + 1
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("row")
        x = T.arg("x", T.buffer((extent,), "int8", scope=SCRATCH_SCOPE, offset_factor=1))
        weights = T.arg("weights", T.buffer((taps,), "int8", offset_factor=1))
        sums = T.arg("sums", T.buffer((pixels,), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:pixels], x[0:extent], weights[0:taps])
            T.writes(sums[0:pixels])
            if implementation:
                pointers = (T.address_of(sums[0]), T.address_of(x[0]), T.address_of(weights[0]))
                if dilation == 1:
                    call("depthwise_taps", *pointers, pixels, stride, taps)
                else:
                    call("depthwise_dilated_taps", *pointers, pixels, stride, taps, dilation)
            else:
                with loops(pixel=pixels, tap=taps) as (pixel, tap), T.sblock("row"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    p = T.axis.spatial(pixels, pixel) if pixels > 1 else 0
                    t = T.axis.reduce(taps, tap) if taps > 1 else 0
                    product = T.cast(x[p * stride + t * dilation], "int32") * T.cast(weights[t], "int32")
                    T.buffer_store(sums, sums[p] + product, [p])
    return ib.get()
