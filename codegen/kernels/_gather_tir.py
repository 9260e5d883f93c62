"""The stage that gathers the patches of a block of output pixels, as TIR over micro/gather.h.

Three forms: a window that is one run of bytes is expanded straight from the input; windows whose runs are whole groups of four
cells are expanded run by run; all others are first copied together as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.kernels._tir import allocate, call, choose, loops
from codegen.kernels._window import Window
from codegen.tvm_build import SCRATCH_SCOPE

if TYPE_CHECKING:
    from codegen.kernels._parts import Part


def gather_block(window: Window, input_zero: int, x: Any, patch: Any, pixels: Part, block: Any) -> None:
    """Write the patches of the pixels in ``block`` into ``patch[block, pair, pixel, half]``."""
    from tvm.tirx.script import builder as T

    depth = window.packed_depth
    copies = None
    if not window.contiguous and not window.whole_groups:
        copies = allocate("window", (pixels.blocks, pixels.size, depth), "int8", SCRATCH_SCOPE)
    with loops(pixel=pixels.size) as (pixel,):
        if window.contiguous:
            with T.sblock(f"gather_{pixels.size}"):
                b, i = T.axis.remap("SS", [block, pixel])
                start = _pixel_start(window, pixels.start + b * pixels.size + i)
                T.reads(x[start : start + window.depth])
                T.writes(patch[b, 0 : depth // 2, i, 0:2])
                call("expand", T.address_of(patch[b, 0, i, 0]), T.address_of(x[start]), window.depth, pixels.size, input_zero)
            return
        rows, runs, taps = window.runs
        cells = taps * window.channels
        with loops(row=rows, run=runs) as inner, T.sblock(f"gather_{pixels.size}"):
            b, i, row, run = T.axis.remap("SSSS", [block, pixel, *inner])
            number, y_in, x_in = _run_position(window, pixels.start + b * pixels.size + i, row, run)
            T.reads(x[0 : window.height * window.width * window.channels])
            if copies is None:
                T.writes(patch[b, 0 : depth // 2, i, 0:2])
                target = T.address_of(patch[b, number * (cells // 2), i, 0])
                _run(window, x, y_in, x_in, _Calls("expand", "clear", target, (pixels.size, input_zero), (pixels.size,)))
            else:
                T.writes(copies[b, i, 0:depth])
                target = T.address_of(copies[b, i, number * cells])
                _run(window, x, y_in, x_in, _Calls("copy", "fill", target, (), (input_zero,)))
        if copies is not None:
            with T.sblock(f"expand_{pixels.size}"):
                b, i = T.axis.remap("SS", [block, pixel])
                T.reads(copies[b, i, 0:depth])
                T.writes(patch[b, 0 : depth // 2, i, 0:2])
                # Bound to a buffer of its own, or TVM would shrink the copies to the bytes whose addresses are taken.
                copied = T.match_buffer(copies[b, i, 0:depth], (1, 1, depth), "int8", scope=SCRATCH_SCOPE, offset_factor=1)
                target = T.address_of(patch[b, 0, i, 0])
                call("expand", target, T.address_of(copied[0, 0, 0]), window.depth, pixels.size, input_zero)


def gather_pixel(window: Window, input_zero: int, x: Any, patch: Any, pixel: Any) -> None:
    """Write the cells of ``pixel``'s window into ``patch[cell]``, int8 or int32; those outside the input become ``input_zero``."""
    from tvm.tirx.script import builder as T

    take, outside = ("copy", "fill") if patch.dtype == "int8" else ("widen", "widen_zero_point")
    if window.contiguous:
        with T.sblock("gather"):
            p = T.axis.spatial(window.pixels, pixel)
            start = _pixel_start(window, p)
            T.reads(x[start : start + window.depth])
            T.writes(patch[0 : patch.shape[0]])
            call(take, T.address_of(patch[0]), T.address_of(x[start]), window.depth)
        return
    rows, runs, taps = window.runs
    with loops(row=rows, run=runs) as inner, T.sblock("gather"):
        p, row, run = T.axis.remap("SSS", [pixel, *inner])
        number, y_in, x_in = _run_position(window, p, row, run)
        T.reads(x[0 : window.height * window.width * window.channels])
        T.writes(patch[0 : patch.shape[0]])
        target = T.address_of(patch[number * (taps * window.channels)])
        _run(window, x, y_in, x_in, _Calls(take, outside, target, (), (input_zero,)))


def _pixel_position(window: Window, pixel: Any) -> tuple[Any, Any]:
    """Row and column of the input cell under the window's upper left corner; either may lie in the padding."""
    from tvm import tirx

    if window.out_height == 1:
        row, column = 0, pixel
    elif window.out_width == 1:
        row, column = pixel, 0
    else:
        row, column = tirx.floordiv(pixel, window.out_width), tirx.floormod(pixel, window.out_width)
    return row * window.stride[0] - window.pad_top, column * window.stride[1] - window.pad_left


def _pixel_start(window: Window, pixel: Any) -> Any:
    if window.pixel_step is not None:
        return pixel * window.pixel_step
    row, column = _pixel_position(window, pixel)
    return (row * window.width + column) * window.channels


def _run_position(window: Window, pixel: Any, row: Any, run: Any) -> tuple[Any, Any, Any]:
    """Number of the run inside its window, and row and column of its first cell in the input."""
    y, x = _pixel_position(window, pixel)
    return row * window.runs[1] + run, y + row * window.dilation[0], x + run * window.dilation[1]


def _columns(window: Window) -> tuple[int, int]:
    """Least and greatest column at which a run begins."""
    last = (window.out_width - 1) * window.stride[1] - window.pad_left + (window.runs[1] - 1) * window.dilation[1]
    return -window.pad_left, last


@dataclass(frozen=True)
class _Calls:
    """The micro-kernels that write a run to ``target``: ``take`` (``take_clipped`` at a border) and ``outside``, with the arguments
    that follow the numbers of cells."""

    take: str
    outside: str
    target: Any
    taking: tuple[int, ...]
    filling: tuple[int, ...]

    def whole(self, source: Any, cells: int) -> None:
        call(self.take, self.target, source, cells, *self.taking)

    def clipped(self, source: Any, lengths: tuple[Any, Any, Any]) -> None:
        call(f"{self.take}_clipped", self.target, source, *lengths, *(self.taking or self.filling))

    def none(self, cells: int) -> None:
        call(self.outside, self.target, cells, *self.filling)


def _run(window: Window, x: Any, y_in: Any, x_in: Any, calls: _Calls) -> None:
    """Take a run of cells that begins at row ``y_in`` and column ``x_in``: whole, clipped by a side border, or not at all."""
    from tvm import tirx

    taps = window.runs[2]
    first, last = _columns(window)
    y_last = (window.out_height - 1) * window.stride[0] - window.pad_top + (window.kernel[0] - 1) * window.dilation[0]
    touching = [
        *([y_in >= 0] if window.pad_top > 0 else []),
        *([y_in < window.height] if y_last >= window.height else []),
        *([x_in + taps > 0] if first + taps <= 0 else []),
        *([x_in < window.width] if last >= window.width else []),
    ]
    contained = [
        *([x_in >= 0] if first < 0 and taps > 1 else []),
        *([x_in + taps <= window.width] if last + taps > window.width and taps > 1 else []),
    ]

    def source(column: Any) -> Any:
        from tvm.tirx.script import builder as T

        return T.address_of(x[(y_in * window.width + column) * window.channels])

    def clipped() -> None:
        before: Any = tirx.max(0, -x_in) if first < 0 else 0
        inside = (tirx.min(taps, window.width - x_in) if last + taps > window.width else taps) - before
        lengths = (before * window.channels, inside * window.channels, (taps - before - inside) * window.channels)
        calls.clipped(source(x_in + before), lengths)

    def whole() -> None:
        calls.whole(source(x_in), taps * window.channels)

    choose(touching, lambda: choose(contained, whole, clipped), lambda: calls.none(taps * window.channels))
