"""The TIR of depthwise convolutions: for each output row and group of input channels, new rows become planes, tiles of pixels are
summed kernel row by kernel row and requantised, and the planes that the next output row needs are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.kernels._parts import Part, parts
from codegen.kernels._tir import allocate, call, choose, loops
from codegen.kernels.depthwise_conv2d import GROUP
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
        for kernel_rows in _kernel_rows(spec):
            row, pixel, _ = schedule.get_loops(_taps_stage(kernel_rows, tile))[-3:]
            schedule.tensorize(pixel, _row_intrinsic(spec, tile.size))
            if window.kernel[0] <= _UNROLLED_ROWS:
                schedule.unroll(row)
        for stage in ("start", "store"):
            schedule.unroll(schedule.get_loops(_stage(stage, tile))[-1])
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
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        self.planes = allocate("planes", (spec.plane_bytes,), "int8", SCRATCH_SCOPE)
        sums = {tile: allocate("sums", (tile.size,), "int32") for tile in tiles}
        kernel_rows = _kernel_rows(spec)
        if spec.margin:
            with T.sblock("margin"):
                self._touches_planes()
                call("fill_cells", T.address_of(self.planes[0]), spec.zero_point, spec.margin)
        if spec.kept:
            with loops(row=spec.kept) as (row,), T.sblock("first_rows"):
                self._touches_planes()
                self._enter(window.channels, 0, row, self._kept(row, 0))
        # One loop over channels, not two of groups and their channels: a rest that fills no group needs no code of its own.
        with loops(out_row=window.out_height, channel=window.channels) as (out_row, channel):
            with loops(row=spec.fresh) as (row,), T.sblock("fresh_rows"):
                self._touches_planes()
                with T.If(self._place_in_group(channel) == 0), T.Then():
                    self._enter_group(channel, out_row * window.stride[0] + spec.kept + row, self._fresh(row, 0))
            with loops(filter=spec.multiplier) as (filter_,):
                for tile in tiles:
                    with loops(tile=tile.blocks) as (step,):
                        at = (out_row, channel, filter_, step)
                        self._start(tile, sums[tile], at)
                        for rows in kernel_rows:
                            self._taps(tile, sums[tile], at, rows)
                        self._store(tile, sums[tile], at)
            if spec.kept:
                self._keep(channel, out_row)

    def _place_in_group(self, channel: Any) -> Any:
        """Which of its group's channels ``channel`` is."""
        from tvm import tirx

        return tirx.floormod(channel, self.spec.group)

    def _enter_group(self, channel: Any, padded_row: Any, to: Any) -> None:
        """:meth:`_enter` for the group that begins with ``channel``, which may be the rest that fills none."""
        whole, rest = divmod(self.window.channels, self.spec.group)
        choose(
            [channel < whole * self.spec.group] if rest else [],
            lambda: self._enter(self.spec.group, channel, padded_row, to),
            lambda: self._enter(rest, channel, padded_row, to),
        )

    def _enter(self, count: int, channel: Any, padded_row: Any, to: Any) -> None:
        """Row ``padded_row`` of the padded input becomes planes from ``to`` on, one for each of ``count`` channels."""
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        row = padded_row - window.pad_top
        first = T.address_of(self.x[row * (window.width * window.channels) + channel])
        planes = T.address_of(self.planes[to])
        stride_and_pitch = (window.channels, spec.pitch, spec.zero_point)

        def copy() -> None:
            if spec.paired and count == GROUP:
                call("paired_four_planes", planes, first, spec.used_width, *stride_and_pitch)
            else:
                planar = "paired_planes" if spec.paired else "planes"
                call(planar, planes, first, spec.used_width, count, *stride_and_pitch)

        choose([row >= 0, row < window.height], copy, lambda: call("fill_cells", planes, spec.zero_point, count * spec.pitch))

    def _keep(self, channel: Any, out_row: Any) -> None:
        """Behind the last channel of a group, its new rows that the next output row needs too take the places of those that it
        does not."""
        from tvm import tirx
        from tvm.tirx.script import builder as T

        spec, channels = self.spec, self.window.channels
        skipped = max(0, spec.fresh - spec.kept)
        place = self._place_in_group(channel)
        last = place == spec.group - 1
        if channels % spec.group:
            last = tirx.any(last, channel == channels - 1)
        with loops(row=spec.fresh - skipped) as (row,), T.sblock("keep"):
            self._touches_planes()
            with T.If(last), T.Then():
                padded_row = out_row * self.window.stride[0] + spec.kept + skipped + row
                to = T.address_of(self.planes[self._kept(padded_row, channel - place)])
                copy = "copy_words" if spec.paired or channels % GROUP == 0 else "copy_cells"
                count = spec.group if channels % spec.group == 0 else place + 1
                call(copy, to, T.address_of(self.planes[self._fresh(skipped + row, 0)]), count * spec.pitch)

    def _touches_planes(self) -> None:
        from tvm.tirx.script import builder as T

        T.reads(self.x[0 : self.x.shape[0]])
        T.writes(self.planes[0 : self.spec.plane_bytes])

    def _fresh(self, row: Any, channel: Any) -> Any:
        """Where the plane of a channel of the group begins in a new row."""
        return self.spec.margin + (row * self.spec.group + channel) * self.spec.pitch

    def _kept(self, padded_row: Any, channel: Any) -> Any:
        """Where the plane of an input channel begins in a kept row of the padded input."""
        from tvm import tirx

        spec = self.spec
        return spec.kept_cells + (tirx.floormod(padded_row, spec.kept) * self.window.channels + channel) * spec.pitch

    def _start(self, tile: Part, sums: Any, at: tuple[Any, ...]) -> None:
        from tvm.tirx.script import builder as T

        with loops(pixel=tile.size) as (pixel,), T.sblock(_stage("start", tile)):
            c, f, p = T.axis.remap("SSS", [*at[1:3], pixel])
            channel = c * self.spec.multiplier + f
            T.reads(self.bias[channel])
            T.writes(sums[p])
            T.buffer_store(sums, self.bias[channel], [p])

    def _taps(self, tile: Part, sums: Any, at: tuple[Any, ...], kernel_rows: range) -> None:
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        rows, columns = window.kernel
        stage = _taps_stage(kernel_rows, tile)
        with loops(row=len(kernel_rows), pixel=tile.size, tap=columns) as inner, T.sblock(stage):
            y, c, f, b, i, p, t = T.axis.remap("SSSSRSR", [*at, *inner])
            r = kernel_rows.start + i
            slot = r * window.dilation[0]
            if kernel_rows.start * window.dilation[0] < spec.kept:
                row = self._kept(y * window.stride[0] + slot, c)
            else:
                row = self._fresh(slot - spec.kept, self._place_in_group(c))
            plane = row - spec.padded_left
            x = self.planes[plane + (tile.start + b * tile.size + p) * window.stride[1] + t * window.dilation[1]]
            kernel_row = ((c * spec.multiplier + f) * rows + r) * spec.weight_pitch
            weight = self.weights[kernel_row + (_place(t, spec.paired) if columns > 1 else 0)]
            T.reads(sums[p], x, self.weights[kernel_row : kernel_row + spec.weight_pitch])
            T.writes(sums[p])
            T.buffer_store(sums, sums[p] + T.cast(x, "int32") * T.cast(weight, "int32"), [p])

    def _store(self, tile: Part, sums: Any, at: tuple[Any, ...]) -> None:
        from tvm.tirx.script import builder as T

        with loops(pixel=tile.size) as (pixel,), T.sblock(_stage("store", tile)):
            y, c, f, b, p = T.axis.remap("SSSSS", [*at, pixel])
            channel = c * self.spec.multiplier + f
            to = [y, tile.start + b * tile.size + p, channel]
            T.reads(sums[p], self.multiplier[channel], self.shift[channel])
            T.writes(self.y[tuple(to)])
            T.buffer_store(self.y, self.spec.requantization.call(sums[p], self.multiplier[channel], self.shift[channel]), to)


def _kernel_rows(spec: DepthwiseSpec) -> tuple[range, ...]:
    """The kernel rows over kept rows of the input and those over new ones."""
    rows = spec.window.kernel[0]
    kept = -(-spec.kept // spec.window.dilation[0])
    return tuple(r for r in (range(kept), range(kept, rows)) if r)


def _taps_stage(kernel_rows: range, tile: Part) -> str:
    return _stage(f"taps_from_{kernel_rows.start}", tile)


def _stage(name: str, tile: Part) -> str:
    return f"{name}_{tile.size}"


def _place(tap: Any, paired: bool) -> Any:
    """Where a kernel row holds a weight."""
    from tvm import tirx

    if not paired:
        return tap
    four = tirx.floormod(tap, 4)
    return tap - four + tirx.floormod(four, 2) * 2 + tirx.floordiv(four, 2)


def _row_intrinsic(spec: DepthwiseSpec, pixels: int) -> str:
    """Name of the tensor intrinsic for one kernel row of a tile, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    window = spec.window
    name = f"codegen.depthwise_row_{pixels}x{window.kernel[1]}_{window.stride[1]}_{window.dilation[1]}"
    if spec.paired:
        name += f"_paired_{spec.padded_left}"
    if spec.whole_rows:
        name += f"_{spec.pitch}_{spec.zero_point}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _row_function(spec, pixels, implementation=False)
        TensorIntrin.register(name, description, _row_function(spec, pixels, implementation=True))
    return name


def _row_function(spec: DepthwiseSpec, pixels: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    window = spec.window
    stride, taps, dilation = window.stride[1], window.kernel[1], window.dilation[1]
    extent = (pixels - 1) * stride + (taps - 1) * dilation + 1
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("row")
        x = T.arg("x", T.buffer((extent,), "int8", scope=SCRATCH_SCOPE, offset_factor=1))
        weights = T.arg("weights", T.buffer((spec.weight_pitch,), "int8", offset_factor=1))
        sums = T.arg("sums", T.buffer((pixels,), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:pixels], x[0:extent], weights[0 : spec.weight_pitch])
            T.writes(sums[0:pixels])
            if implementation:
                pointers = (T.address_of(sums[0]), T.address_of(x[0]), T.address_of(weights[0]))
                if spec.paired:
                    padding = (spec.padded_left, spec.pitch if spec.whole_rows else 0, spec.zero_point)
                    call("paired_taps", *pointers, pixels, stride, taps, *padding)
                elif dilation == 1:
                    call("depthwise_taps", *pointers, pixels, stride, taps)
                else:
                    call("depthwise_dilated_taps", *pointers, pixels, stride, taps, dilation)
            else:
                with loops(pixel=pixels, tap=taps) as (pixel, tap), T.sblock("row"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    p = T.axis.spatial(pixels, pixel) if pixels > 1 else 0
                    t = T.axis.reduce(taps, tap) if taps > 1 else 0
                    cell, weight = x[p * stride + t * dilation], weights[_place(t, spec.paired)]
                    T.reads(sums[p], cell, weights[0 : spec.weight_pitch])
                    T.writes(sums[p])
                    T.buffer_store(sums, sums[p] + T.cast(cell, "int32") * T.cast(weight, "int32"), [p])
    return ib.get()
