"""The stage that gathers the patches of a block of output pixels, as TIR over micro/gather.h.

Three forms: a window that is one run of bytes is expanded straight from the input; windows whose runs are whole groups of four
cells are expanded run by run; all others are first copied together as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codegen.kernels._tir import allocate, call, loops
from codegen.kernels._window import Window
from codegen.tvm_build import SCRATCH_SCOPE

if TYPE_CHECKING:
    from codegen.kernels._parts import Part


def gather_block(window: Window, input_zero: int, x: Any, patch: Any, pixels: Part, block: Any) -> None:
    """Write the patches of the pixels in ``block`` into ``patch[block, pair, pixel, half]``."""
    from tvm.tirx.script import builder as T  # noqa: N812  the name it has in all of TVM

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
            column, y_in, x_in = _run_position(window, pixels.start + b * pixels.size + i, row, run)
            before, inside = _clip(window, x_in, taps)
            source = T.address_of(x[(y_in * window.width + x_in + before) * window.channels])
            lengths = (before * window.channels, inside * window.channels, (taps - before - inside) * window.channels)
            T.reads(x[0 : window.height * window.width * window.channels])
            to = column * cells
            if copies is None:
                T.writes(patch[b, 0 : depth // 2, i, 0:2])
                target = T.address_of(patch[b, to // 2, i, 0])
                with _inside(window, y_in, x_in, taps, ("clear", target, cells, pixels.size)):
                    call("gather", target, source, *lengths, pixels.size, input_zero)
            else:
                T.writes(copies[b, i, 0:depth])
                target = T.address_of(copies[b, i, to])
                with _inside(window, y_in, x_in, taps, ("fill", target, cells, input_zero)):
                    call("copy", target, source, *lengths, input_zero)
        if copies is not None:
            with T.sblock(f"expand_{pixels.size}"):
                b, i = T.axis.remap("SS", [block, pixel])
                T.reads(copies[b, i, 0:depth])
                T.writes(patch[b, 0 : depth // 2, i, 0:2])
                # Bound to a buffer of its own, or TVM would shrink the copies to the bytes whose addresses are taken.
                copied = T.match_buffer(copies[b, i, 0:depth], (1, 1, depth), "int8", scope=SCRATCH_SCOPE, offset_factor=1)
                target = T.address_of(patch[b, 0, i, 0])
                call("expand", target, T.address_of(copied[0, 0, 0]), window.depth, pixels.size, input_zero)


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


def _clip(window: Window, x_in: Any, taps: int) -> tuple[Any, Any]:
    """How many taps of a run, one of which at least is inside the input, lie left of it and inside."""
    from tvm import tirx

    if taps == 1:
        return 0, 1
    first, last = _columns(window)
    before: Any = tirx.max(0, -x_in) if first < 0 else 0
    end: Any = tirx.min(taps, window.width - x_in) if last + taps > window.width else taps
    return before, end - before


@contextmanager
def _inside(window: Window, y_in: Any, x_in: Any, taps: int, otherwise: tuple[Any, ...]) -> Iterator[None]:
    """What is built inside happens where the run touches the input; elsewhere the micro-kernel call ``otherwise``."""
    from tvm import tirx
    from tvm.tirx.script import builder as T  # noqa: N812

    first, last = _columns(window)
    conditions = []
    if window.pad_top > 0:
        conditions.append(y_in >= 0)
    if (window.out_height - 1) * window.stride[0] - window.pad_top + (window.kernel[0] - 1) * window.dilation[0] >= window.height:
        conditions.append(y_in < window.height)
    if first + taps <= 0:
        conditions.append(x_in + taps > 0)
    if last >= window.width:
        conditions.append(x_in < window.width)
    if not conditions:
        yield
        return
    with T.If(conditions[0] if len(conditions) == 1 else tirx.all(*conditions)):
        with T.Then():
            yield
        with T.Else():
            call(*otherwise)
