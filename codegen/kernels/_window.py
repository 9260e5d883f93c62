"""The geometry of a window that slides over an image: which cells lie under it and when they are last needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Conv2D, FullyConnected, Graph
from codegen.kernels._parts import Part


@dataclass(frozen=True, slots=True)
class Window:
    """Input ``height x width x channels``, output ``out_height x out_width`` pixels, and the window that joins them.

    Padding below and to the right needs no field: it is all that lies outside the input.
    """

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad_top: int = 0
    pad_left: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels."""
        return self.out_height * self.out_width

    @property
    def depth(self) -> int:
        """Cells under one window, each a byte."""
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def packed_depth(self) -> int:
        """``depth``, filled up to whole groups of four."""
        return -(-self.depth // 4) * 4

    @property
    def clips_rows(self) -> bool:
        """Whether some window has rows outside the input."""
        reach = (self.out_height - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        return self.pad_top > 0 or reach > self.height

    @property
    def clips_columns(self) -> bool:
        """Whether some window has columns outside the input."""
        reach = (self.out_width - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
        return self.pad_left > 0 or reach > self.width

    @property
    def contiguous(self) -> bool:
        """Whether every window is one run of bytes inside the input."""
        if self.clips_rows or self.clips_columns:
            return False
        row_is_run = self.kernel[1] == 1 or self.dilation[1] == 1
        rows_touch = self.kernel[0] == 1 or (self.kernel[1] == self.width and self.dilation[0] == 1)
        return row_is_run and rows_touch

    @property
    def whole_groups(self) -> bool:
        """Whether every run of neighbouring cells, clipped or not, is a whole number of groups of four."""
        return self.channels % 4 == 0

    @property
    def runs(self) -> tuple[int, int, int]:
        """A window that is not contiguous as runs of neighbouring cells: rows, runs in a row, taps in a run."""
        return (self.kernel[0], 1, self.kernel[1]) if self.dilation[1] == 1 else (*self.kernel, 1)

    @property
    def pixel_step(self) -> int | None:
        """Bytes from one output pixel's window to the next one's, where that is the same for all pixels."""
        step, row = self.stride[1] * self.channels, self.stride[0] * self.width * self.channels
        if self.out_height == 1 or self.out_width * step == row:
            return step
        return row if self.out_width == 1 else None


def convolution_window(op: Conv2D, graph: Graph) -> Window:
    """The window of a convolution."""
    _, height, width, channels = graph[op.inputs[0]].shape
    _, out_height, out_width, _ = graph[op.output].shape
    _, *kernel, _ = graph[op.weight].shape
    size = (kernel[0], kernel[1])
    top, left = op.padding.top, op.padding.left
    return Window(height, width, channels, out_height, out_width, size, op.strides, op.dilation, top, left)


def rows_window(op: FullyConnected, graph: Graph) -> Window:
    """A matrix product as a 1x1 convolution: one pixel per row."""
    depth = graph[op.weight].shape[1]
    rows = graph[op.inputs[0]].size // depth
    return Window(1, rows, depth, 1, rows, (1, 1))


def first_needed(window: Window) -> NDArray[np.int64]:
    """For each output pixel, the offset in bytes of the first input cell that it or a later pixel reads; past the input if none."""

    def first_inside(size: int, outputs: int, axis: int, pad: int) -> NDArray[np.int64]:
        start = np.arange(outputs, dtype=np.int64)[:, None] * window.stride[axis] - pad
        taps = start + np.arange(window.kernel[axis], dtype=np.int64) * window.dilation[axis]
        inside: NDArray[np.int64] = np.where((taps >= 0) & (taps < size), taps, size).min(axis=1)
        return inside

    rows = first_inside(window.height, window.out_height, 0, window.pad_top)[:, None]
    columns = first_inside(window.width, window.out_width, 1, window.pad_left)[None, :]
    outside = (rows == window.height) | (columns == window.width)
    total = window.height * window.width * window.channels
    first = np.where(outside, total, (rows * window.width + columns) * window.channels).ravel()
    later: NDArray[np.int64] = np.minimum.accumulate(first[::-1])[::-1]
    return later


@lru_cache(maxsize=4096)
def run_counts(window: Window) -> tuple[int, int, int]:
    """Of all runs of all windows, how many lie inside the input as a whole, are cut by its side borders, or lie outside."""

    def starts(axis: int, outputs: int, taps: int, pad: int) -> NDArray[np.int64]:
        origin = np.arange(outputs, dtype=np.int64)[:, None] * window.stride[axis] - pad
        return (origin + np.arange(taps, dtype=np.int64) * window.dilation[axis]).ravel()

    taps = window.runs[2]
    rows = starts(0, window.out_height, window.runs[0], window.pad_top)
    columns = starts(1, window.out_width, window.runs[1], window.pad_left)
    rows_inside = int(((rows >= 0) & (rows < window.height)).sum())
    whole = int(((columns >= 0) & (columns + taps <= window.width)).sum())
    touching = int(((columns + taps > 0) & (columns < window.width)).sum())
    cut = touching - whole
    return rows_inside * whole, rows_inside * cut, rows.size * columns.size - rows_inside * touching


@lru_cache(maxsize=4096)
def overlap_lead(window: Window, filters: int, blocks: tuple[Part, ...]) -> int:
    """Least ``input_offset - output_offset`` at which the output may lie over the input, in bytes.

    A block of pixels is gathered before its outputs are written, so what has been written after a block must end before
    the first input cell that a later pixel reads. The last block has no later pixel and sets no limit.
    """
    needed = first_needed(window)
    ends = np.concatenate([part.start + part.size * np.arange(1, part.blocks + 1) for part in blocks])[:-1]
    disjoint = -window.height * window.width * window.channels
    return max(disjoint, int((ends * filters - needed[ends]).max())) if ends.size else disjoint
