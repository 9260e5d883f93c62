"""The TIR of depthwise convolutions, in two functions.

The layer's own function owns rows and groups of input channels: new rows become planes, the planes that the next output row needs
are kept. What it calls for each group, :func:`group_prim_func`, owns channels, tiles of pixels and kernel rows, and depends on the
window, the tile and the form of requantisation only: layers of any size share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.kernels._requantize import ChannelParameters, Requantization
from codegen.kernels._tir import allocate, call, choose, loops, unknown_extent
from codegen.tvm_build import SCRATCH_SCOPE, annotate

if TYPE_CHECKING:
    import tvm

    from codegen.kernels.depthwise_conv2d import DepthwiseSpec

_CONSTANTS = ("weights", "bias", "multiplier", "shift")
_UNROLLED_ROWS = 5
"""Up to this height the loop over kernel rows is unrolled; beyond, code would grow faster than time shrinks."""


@dataclass(frozen=True, slots=True)
class Group:
    """What the shared function of a few channels depends on: kernel, horizontal stride and dilation, output channels per input
    channel, the layout of the cells, pixels of a tile and of the narrower one behind the last, and how sums become int8.

    ``fused``: the function is one of micro/depthwise_row.h, which has tiles of its own; ``narrow``: that for rows of 3 to 6 pixels.
    """

    kernel: tuple[int, int]
    stride: int
    dilation: int
    multiplier: int
    paired: bool
    tile: int
    rest: int
    bounded: bool
    clamps: bool
    fused: bool
    narrow: bool

    @property
    def name(self) -> str:
        """Of the C function, without its prefix: ``depthwise_3x3_s2_tile4``."""
        parts = [f"depthwise_{self.kernel[0]}x{self.kernel[1]}_s{self.stride}"]
        if self.fused:
            return parts[0] + "_narrow" * self.narrow
        parts += [f"d{self.dilation}"] if self.dilation > 1 else []
        parts += [f"x{self.multiplier}"] if self.multiplier > 1 else []
        parts += [f"tile{self.tile}"]
        parts += [f"rest{self.rest}"] if self.rest else []
        forms = {"cells": not self.paired, "exact": not self.bounded, "clamped": self.clamps}
        return "_".join([*parts, *(form for form, taken in forms.items() if taken)])

    @property
    def weight_pitch(self) -> int:
        """Weights from one kernel row to the next."""
        columns = self.kernel[1]
        return -(-columns // 4) * 4 if self.paired else columns

    @property
    def rows_on_stack(self) -> bool:
        """Whether the table of kernel rows is small enough for the stack."""
        return self.kernel[0] <= _UNROLLED_ROWS


@dataclass(frozen=True, slots=True)
class EightCells:
    """What the shared function depends on that makes planes of eight cells: cells of padding on the left, cells of the input."""

    before: int
    width: int

    @property
    def name(self) -> str:
        """Of the C function, without its prefix."""
        return f"planes_{self.before}_{self.width}"


def eight_prim_func(cells: EightCells) -> tvm.tirx.PrimFunc:
    """Planes of a few channels, ``to, from, channels to copy, channels of a cell, zero point`` (the last three int32)."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        planes, x = T.arg("planes", unknown_extent("int8")), T.arg("x", unknown_extent("int8"))
        count, channels, zero_point = (T.arg(name, T.int32()) for name in ("count", "channels", "zero_point"))
        with T.sblock("root"), T.sblock("planes"):
            T.reads(x[0])
            T.writes(planes[0])
            pointers = (T.address_of(planes[0]), T.address_of(x[0]))
            call("paired_eight", *pointers, count, channels, cells.before, cells.width, zero_point)
    return ib.get()


def depthwise_prim_func(spec: DepthwiseSpec) -> tvm.tirx.PrimFunc:
    """The function of a layer: ``x, weights, bias, multiplier, shift, y``; ``x, weights, parameters, y`` where groups are fused."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        layer = _Layer(spec)
        with T.sblock("root"):
            layer.body()
    return annotate(ib.get(), ("weights", *layer.parameters.names))


class _Layer:
    """The stages of a layer, written into the function that is being built."""

    def __init__(self, spec: DepthwiseSpec) -> None:
        from tvm.tirx.script import builder as T

        window = spec.window
        self.spec, self.window = spec, window
        self.x = T.arg("x", T.buffer((window.height * window.width * window.channels,), "int8"))
        self.weights = T.arg("weights", T.buffer((spec.weight_bytes,), "int8"))
        self.parameters = ChannelParameters(spec.channels, packed=spec.fused)
        self.y = T.arg("y", T.buffer((window.out_height, window.out_width, spec.channels), "int8"))

    def body(self) -> None:
        """All loops."""
        spec, window = self.spec, self.window
        self.planes = allocate("planes", (spec.plane_bytes,), "int8", SCRATCH_SCOPE)
        scope = "global" if spec.shared.rows_on_stack else SCRATCH_SCOPE
        self.rows = allocate("rows", (window.kernel[0],), "int32", scope)
        if spec.kept:
            with loops(row=spec.kept) as (row,):
                self._enter("first_rows", window.channels, 0, row, self._kept(row, 0))
        with loops(out_row=window.out_height, group=-(-window.channels // spec.group)) as (out_row, group):
            channel = group * spec.group
            count = self._count(channel)
            with loops(row=spec.fresh) as (row,):
                padded_row = out_row * window.stride[0] + spec.kept + row
                self._enter("fresh_rows", count, channel, padded_row, self._fresh(row))
            self._name_rows(out_row, group)
            self._compute(out_row, channel, count)
            self._keep(out_row, channel, count)

    def _count(self, channel: Any) -> Any:
        """Channels of the group that begins with ``channel``."""
        from tvm import tirx

        channels, group = self.window.channels, self.spec.group
        return group if channels % group == 0 else tirx.min(group, channels - channel)

    def _enter(self, stage: str, count: Any, channel: Any, padded_row: Any, to: Any) -> None:
        """Row ``padded_row`` of the padded input becomes planes from ``to`` on, one for each of ``count`` channels."""
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        row = padded_row - window.pad_top
        with T.sblock(stage):
            self._touches_planes()
            planes = T.address_of(self.planes[to])
            first = T.address_of(self.x[row * (window.width * window.channels) + channel])

            def copy() -> None:
                if spec.eight is not None:
                    call(spec.eight.name, planes, first, count, window.channels, spec.zero_point)
                    return
                sizes = (count, window.channels, spec.padded_left, spec.used_width, spec.pitch, spec.zero_point)
                call("paired_planes" if spec.paired else "planes", planes, first, *sizes)

            choose([row >= 0, row < window.height], copy, lambda: call("fill_cells", planes, spec.zero_point, count * spec.pitch))

    def _name_rows(self, out_row: Any, group: Any) -> None:
        """Where the planes of each kernel row begin."""
        from tvm.tirx.script import builder as T

        spec, window = self.spec, self.window
        dilation = window.dilation[0]
        kept = -(-spec.kept // dilation)
        for first, last in ((0, kept), (kept, window.kernel[0])):
            if first == last:
                continue
            with loops(row=last - first) as (row,), T.sblock("rows"):
                y, g, r = T.axis.remap("SSS", [out_row, group, row])
                slot = (first + r) * dilation
                T.writes(self.rows[first + r])
                start = self._kept(y * window.stride[0] + slot, g * spec.group) if first < kept else self._fresh(slot - spec.kept)
                T.buffer_store(self.rows, start, [first + r])

    def _compute(self, out_row: Any, channel: Any, count: Any) -> None:
        """One output row of a group of channels."""
        from tvm.tirx.script import builder as T

        spec, shared = self.spec, self.spec.shared
        form = spec.requantization
        out_channel = channel * spec.multiplier
        with T.sblock("compute"):
            T.reads(self.planes[0 : spec.plane_bytes], self.rows[0 : self.window.kernel[0]], self.weights[0 : spec.weight_bytes])
            T.writes(self.y[out_row, 0 : self.window.out_width, 0 : spec.channels])
            # Bound to a buffer of its own, or TVM would shrink the planes to the cells whose addresses are taken.
            whole = (spec.plane_bytes,)
            planes = T.match_buffer(self.planes[0 : spec.plane_bytes], whole, "int8", scope=SCRATCH_SCOPE, offset_factor=1)
            to = T.address_of(self.y[out_row, 0, out_channel])
            if shared.fused:
                numbers = (self.window.out_width, 2 * form.zero_point + 1)
            else:
                limits = (form.low, form.high) if shared.clamps else ()
                numbers = (self.window.out_width // shared.tile, form.zero_point, *limits)
            call(
                shared.name,
                to,
                T.address_of(planes[0]),
                T.address_of(self.rows[0]),
                T.address_of(self.weights[out_channel * (shared.kernel[0] * shared.weight_pitch)]),
                *self.parameters.addresses(out_channel),
                *(count, spec.channels, spec.pitch, *numbers),
            )
            if shared.fused and form.clamps:
                call("clamp_block", to, self.window.out_width, count, spec.channels, form.low, form.high)

    def _keep(self, out_row: Any, channel: Any, count: Any) -> None:
        """New rows that the next output row needs too take the places of those that it does not."""
        from tvm.tirx.script import builder as T

        spec = self.spec
        skipped = max(0, spec.fresh - spec.kept)
        if not spec.kept:
            return
        with loops(row=spec.fresh - skipped) as (row,), T.sblock("keep"):
            self._touches_planes()
            to = self._kept(out_row * self.window.stride[0] + spec.kept + skipped + row, channel)
            source = T.address_of(self.planes[self._fresh(skipped + row)])
            copy = "copy_words" if spec.pitch % 4 == 0 else "copy_cells"
            call(copy, T.address_of(self.planes[to]), source, count * spec.pitch)

    def _touches_planes(self) -> None:
        from tvm.tirx.script import builder as T

        T.reads(self.x[0 : self.x.shape[0]])
        T.writes(self.planes[0 : self.spec.plane_bytes])

    def _fresh(self, row: Any) -> Any:
        """Where the planes of a group begin in a new row."""
        return row * (self.spec.group * self.spec.pitch)

    def _kept(self, padded_row: Any, channel: Any) -> Any:
        """Where the plane of an input channel begins in a kept row of the padded input."""
        from tvm import tirx

        spec = self.spec
        return spec.kept_cells + (tirx.floormod(padded_row, spec.kept) * self.window.channels + channel) * spec.pitch


def group_prim_func(group: Group) -> tvm.tirx.PrimFunc:
    """One output row of the channels of a group, scheduled.

    Takes the group's first output; the planes and, from there, the beginning of each kernel row's first plane (int32); the
    group's weights, biases, multipliers and shifts; then as int32 the number of input channels, the bytes from one output pixel to
    the next, the cells from one plane to the next, the number of whole tiles, the output's zero point and, where results are
    clamped, their limits.
    """
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        computation = _GroupComputation(group)
        with T.sblock("root"):
            computation.body()
    schedule = s_tir.Schedule(ib.get())
    for pixels in computation.sums:
        row, pixel, _ = schedule.get_loops(_stage("taps", pixels))[-3:]
        schedule.tensorize(pixel, _row_intrinsic(group, pixels))
        if group.kernel[0] <= _UNROLLED_ROWS:
            schedule.unroll(row)
        for stage in ("start", "store"):
            schedule.unroll(schedule.get_loops(_stage(stage, pixels))[-1])
    return annotate(schedule.mod["main"], (*_CONSTANTS, "rows"))


class _GroupComputation:
    """The stages before scheduling, written into the function that is being built."""

    def __init__(self, group: Group) -> None:
        from tvm.tirx.script import builder as T

        self.group = group
        self.sums: dict[int, Any] = {}
        self.y = T.arg("y", unknown_extent("int8"))
        self.planes = T.arg("planes", unknown_extent("int8"))
        self.rows = T.arg("rows", T.buffer((group.kernel[0],), "int32"))
        self.weights = T.arg("weights", unknown_extent("int8"))
        self.bias = T.arg("bias", unknown_extent("int32"))
        self.multiplier = T.arg("multiplier", unknown_extent("int32"))
        self.shift = T.arg("shift", unknown_extent("int8"))
        names = ("channels", "step", "pitch", "tiles", "zero_point", *(("low", "high") if group.clamps else ()))
        self.numbers = {name: T.arg(name, T.int32()) for name in names}

    def body(self) -> None:
        """All loops."""
        group, numbers = self.group, self.numbers
        widths = [(group.tile, 0, numbers["tiles"]), *([(group.rest, numbers["tiles"] * group.tile, 1)] if group.rest else [])]
        self.sums = {pixels: allocate("sums", (pixels,), "int32") for pixels, *_ in widths}
        with loops(channel=numbers["channels"], filter=group.multiplier) as (channel, filter_):
            for pixels, start, tiles in widths:
                with loops(tile=tiles) as (step,):
                    at = (channel, filter_, step)
                    self._start(pixels, at)
                    self._taps(pixels, start, at)
                    self._store(pixels, start, at)

    def _start(self, pixels: int, at: tuple[Any, ...]) -> None:
        from tvm.tirx.script import builder as T

        sums = self.sums[pixels]
        with loops(pixel=pixels) as (pixel,), T.sblock(_stage("start", pixels)):
            c, f, p = T.axis.remap("SSS", [*at[:2], pixel])
            channel = c * self.group.multiplier + f
            T.reads(self.bias[channel])
            T.writes(sums[p])
            T.buffer_store(sums, self.bias[channel], [p])

    def _taps(self, pixels: int, start: Any, at: tuple[Any, ...]) -> None:
        from tvm.tirx.script import builder as T

        group, sums = self.group, self.sums[pixels]
        rows, columns = group.kernel
        with loops(row=rows, pixel=pixels, tap=columns) as inner, T.sblock(_stage("taps", pixels)):
            c, f, b, r, p, t = T.axis.remap("SSSRSR", [*at, *inner])
            first = self.rows[r] + c * self.numbers["pitch"] + (start + b * pixels) * group.stride
            x = self.planes[first + p * group.stride + t * group.dilation]
            kernel_row = ((c * group.multiplier + f) * rows + r) * group.weight_pitch
            weight = self.weights[kernel_row + (_place(t, group.paired) if columns > 1 else 0)]
            # The table of rows is left out: what replaces these loops takes the row itself.
            T.reads(sums[p], x, self.weights[kernel_row : kernel_row + group.weight_pitch])
            T.writes(sums[p])
            T.buffer_store(sums, sums[p] + T.cast(x, "int32") * T.cast(weight, "int32"), [p])

    def _store(self, pixels: int, start: Any, at: tuple[Any, ...]) -> None:
        from tvm.tirx.script import builder as T

        group, numbers, sums = self.group, self.numbers, self.sums[pixels]
        form = Requantization(group.bounded, 0, -128, 127)
        with loops(pixel=pixels) as (pixel,), T.sblock(_stage("store", pixels)):
            c, f, b, p = T.axis.remap("SSSS", [*at, pixel])
            channel = c * group.multiplier + f
            to = (start + b * pixels + p) * numbers["step"] + channel
            T.reads(sums[p], self.multiplier[channel], self.shift[channel])
            T.writes(self.y[to])
            offsets = (numbers["zero_point"], numbers.get("low", -128), numbers.get("high", 127))
            T.buffer_store(self.y, form.call(sums[p], self.multiplier[channel], self.shift[channel], offsets), [to])


def _stage(name: str, pixels: int) -> str:
    return f"{name}_{pixels}"


def _place(tap: Any, paired: bool) -> Any:
    """Where a kernel row holds a weight."""
    from tvm import tirx

    if not paired:
        return tap
    four = tirx.floormod(tap, 4)
    return tap - four + tirx.floormod(four, 2) * 2 + tirx.floordiv(four, 2)


def _row_intrinsic(group: Group, pixels: int) -> str:
    """Name of the tensor intrinsic for one kernel row of a tile, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.depthwise_row_{pixels}x{group.kernel[1]}_{group.stride}_{group.dilation}{'_paired' * group.paired}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _row_function(group, pixels, implementation=False)
        TensorIntrin.register(name, description, _row_function(group, pixels, implementation=True))
    return name


def _row_function(group: Group, pixels: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    stride, taps, dilation, weight_pitch = group.stride, group.kernel[1], group.dilation, group.weight_pitch
    extent = (pixels - 1) * stride + (taps - 1) * dilation + 1
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("row")
        x = T.arg("x", T.buffer((extent,), "int8", offset_factor=1))
        weights = T.arg("weights", T.buffer((weight_pitch,), "int8", offset_factor=1))
        sums = T.arg("sums", T.buffer((pixels,), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:pixels], x[0:extent], weights[0:weight_pitch])
            T.writes(sums[0:pixels])
            if implementation:
                pointers = (T.address_of(sums[0]), T.address_of(x[0]), T.address_of(weights[0]))
                function = "paired_taps" if group.paired else "depthwise_taps" if dilation == 1 else "depthwise_dilated_taps"
                call(function, *pointers, pixels, stride, taps, *([dilation] if dilation > 1 else []))
            else:
                with loops(pixel=pixels, tap=taps) as (pixel, tap), T.sblock("row"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    p = T.axis.spatial(pixels, pixel) if pixels > 1 else 0
                    t = T.axis.reduce(taps, tap) if taps > 1 else 0
                    cell, weight = x[p * stride + t * dilation], weights[_place(t, group.paired)]
                    T.reads(sums[p], cell, weights[0:weight_pitch])
                    T.writes(sums[p])
                    T.buffer_store(sums, sums[p] + T.cast(cell, "int32") * T.cast(weight, "int32"), [p])
    return ib.get()
