"""What average and maximum pooling share: the spec, the trip counts, and TIR loops over pixels and groups of four channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.ir import Graph, Pool2D
from codegen.kernels._parts import parts
from codegen.kernels._tir import loops
from codegen.kernels._window import Window, first_needed, overlap_lead

if TYPE_CHECKING:
    import tvm

GROUP = 4
"""Channels of a group: the bytes of a word."""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A window over an image whose cells outside the input are left out, and the range of the output."""

    window: Window
    clamp: tuple[int, int]

    @property
    def clipped(self) -> bool:
        """Whether some window lies outside the input in part."""
        return self.window.clips_rows or self.window.clips_columns

    @property
    def most(self) -> int:
        """Cells of a window that is not clipped."""
        return self.window.kernel[0] * self.window.kernel[1]


def pool_spec(op: Pool2D, graph: Graph) -> PoolSpec | None:
    """The spec of ``op``, or None for more than one image or rescaled values."""
    x, y = graph[op.inputs[0]], graph[op.output]
    batch, height, width, channels = x.shape
    if batch != 1 or x.quantization != y.quantization:
        return None
    _, out_height, out_width, _ = y.shape
    pad = op.padding
    return PoolSpec(
        Window(height, width, channels, out_height, out_width, op.window, op.strides, (1, 1), pad.top, pad.left), op.clamp
    )


def pool_overlap(spec: PoolSpec) -> int:
    """Least ``input_offset - output_offset``. A pixel's channels may be written one by one, while others are still read."""
    window = spec.window
    lead = overlap_lead(window, window.channels, parts(window.pixels, 1))
    return lead if window.channels == 1 else max(lead, -int(first_needed(window)[0]))


def pool_work(spec: PoolSpec) -> Mapping[str, int]:
    """Trip counts; the cells are those inside the input."""
    w = spec.window

    def inside(size: int, outputs: int, axis: int, pad: int) -> list[int]:
        starts = [i * w.stride[axis] - pad for i in range(outputs)]
        return [min(start + w.kernel[axis], size) - max(start, 0) for start in starts]

    rows, columns = inside(w.height, w.out_height, 0, w.pad_top), inside(w.width, w.out_width, 1, w.pad_left)
    groups, rest = divmod(w.channels, GROUP)
    return {
        "calls": 1,
        "pixels": w.pixels,
        "groups": w.pixels * groups,
        "rest_channels": w.pixels * rest,
        "group_rows": sum(rows) * w.out_width * groups,
        "group_cells": sum(rows) * sum(columns) * groups,
        "rest_cells": sum(rows) * sum(columns) * rest,
        "outputs": w.pixels * w.channels,
    }


Call = Callable[[Any, Any, int, Any, Any], None]
"""Writes the micro-kernel call of one window: addresses in the output and the input, channels, rows and columns of cells."""


def pool_prim_func(spec: PoolSpec, prepare: Callable[[], Call]) -> tvm.tirx.PrimFunc:
    """The function ``x, [constants], y``: one micro-kernel call for each pixel and group of channels.

    ``prepare`` adds the parameters between input and output and returns the writer of calls.
    """
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    w = spec.window
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x = T.arg("x", T.buffer((w.height * w.width * w.channels,), "int8"))
        call = prepare()
        y = T.arg("y", T.buffer((w.pixels * w.channels,), "int8"))
        with T.sblock("root"), loops(out_row=w.out_height, out_column=w.out_width) as (out_row, out_column):
            top, rows = _clip(out_row, 0, w.height, w.pad_top, w)
            left, columns = _clip(out_column, 1, w.width, w.pad_left, w)
            if w.contiguous:  # rows of cells that follow each other are one row
                rows, columns = 1, spec.most
            for part in parts(w.channels, GROUP):
                with loops(group=part.blocks) as (group,), T.sblock(f"pool_{part.size}"):
                    T.reads(x[0 : x.shape[0]])
                    T.writes(y[0 : y.shape[0]])
                    channel = part.start + group * part.size
                    to = T.address_of(y[(out_row * w.out_width + out_column) * w.channels + channel])
                    start = T.address_of(x[(top * w.width + left) * w.channels + channel])
                    call(to, start, part.size, rows, columns)
    return s_tir.Schedule(ib.get()).mod["main"]


def _clip(position: Any, axis: int, size: int, pad: int, window: Window) -> tuple[Any, Any]:
    """First row (column) of the window inside the input, and how many there are."""
    from tvm import tirx

    start = position * window.stride[axis] - pad
    if not (window.clips_rows, window.clips_columns)[axis]:
        return start, window.kernel[axis]
    first = tirx.max(start, 0)
    return first, tirx.min(start + window.kernel[axis], size) - first
