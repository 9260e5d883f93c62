"""Depthwise convolution over planes: a ring of input rows, one contiguous row per channel, feeds tiles of neighbouring pixels.

Before output row ``y`` is computed, the input rows it needs and has not seen yet are copied into the ring (slot = padded row modulo
the window's height), channel by channel, with the padding as cells that hold the input's zero point. In that layout the taps of a
kernel row lie side by side for every stride, so one word load feeds four of them, neighbouring pixels share words, and a channel
multiplier costs nothing. Each input row is copied exactly once and is dead afterwards, hence the output may overwrite it.

TIR owns the loops over rows, channels, tiles and kernel rows; one kernel row of a tile is the tensor intrinsic
``NN_depthwise_taps``. Weights stay int8, ``[channel][row][column]`` without gaps, for both paths: int16 pairs would save six of
about 110 instructions per tile of 36 multiply-accumulates and double the flash of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codegen.ir import DepthwiseConv2D, Graph, Op
from codegen.kernels import _requantize
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._requantize import Requantization
from codegen.kernels._window import Window

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_OVERREAD = 3
"""Bytes that a word load may take from behind the last tap."""


@dataclass(frozen=True, slots=True)
class DepthwiseSpec:
    """Each of the window's channels gives ``multiplier`` output channels. ``tile`` is the schedule: the pixels, 1 to 6, that are
    summed together; where they leave a rest of a row, a narrower tile follows."""

    window: Window
    multiplier: int
    zero_point: int
    requantization: Requantization
    tile: int

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.window.channels * self.multiplier

    @property
    def slots(self) -> int:
        """Rows of the ring: the height of a window."""
        return (self.window.kernel[0] - 1) * self.window.dilation[0] + 1

    @property
    def fresh(self) -> int:
        """Rows that enter the ring for each output row."""
        return min(self.window.stride[0], self.slots)

    @property
    def pitch(self) -> int:
        """Cells of a plane's row, padding included."""
        w = self.window
        return (w.out_width - 1) * w.stride[1] + (w.kernel[1] - 1) * w.dilation[1] + 1

    @property
    def used_width(self) -> int:
        """Cells of an input row that some window reads."""
        return max(0, min(self.window.width, self.pitch - self.window.pad_left))

    @property
    def padded_left(self) -> int:
        """Cells of a plane's row before the input's."""
        return min(self.window.pad_left, self.pitch)

    @property
    def padded_right(self) -> int:
        """Cells of a plane's row behind the input's."""
        return self.pitch - self.padded_left - self.used_width

    @property
    def ring_bytes(self) -> int:
        """Size of the ring, a multiple of 4."""
        return -(-(self.slots * self.window.channels * self.pitch + _OVERREAD) // 4) * 4

    @property
    def weight_bytes(self) -> int:
        """Size of the packed weights."""
        rows, columns = self.window.kernel
        overread = columns % 4 == 3  # three weights are taken as a word
        return self.channels * rows * columns + overread

    def input_row(self, y: int, row: int) -> int:
        """Input row behind row ``row`` of the window of output row ``y``; outside 0..height-1 it is padding."""
        return y * self.window.stride[0] + row - self.window.pad_top


class DepthwiseConv2DKernel(Kernel[DepthwiseSpec]):
    """Depthwise convolution of any kernel, stride, dilation, padding and channel multiplier; see the module."""

    name = "depthwise_conv2d"
    micro_kernels = (_requantize.MICRO_KERNEL, "planes", "depthwise")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> DepthwiseSpec | None:
        if not isinstance(op, DepthwiseConv2D) or graph[op.inputs[0]].shape[0] != 1:
            return None
        _, height, width, channels = graph[op.inputs[0]].shape
        _, out_height, out_width, out_channels = graph[op.output].shape
        _, rows, columns, _ = graph[op.weight].shape
        # A tap that stands alone has no distance to another: one spec for what is one computation.
        dilation = (op.dilation[0] if rows > 1 else 1, op.dilation[1] if columns > 1 else 1)
        pad = op.padding
        return DepthwiseSpec(
            Window(height, width, channels, out_height, out_width, (rows, columns), op.strides, dilation, pad.top, pad.left),
            out_channels // channels,
            graph[op.inputs[0]].zero_point,
            _requantize.requantization(op, graph),
            # Four sums and what they need fill the registers; a width that leaves no rest is worth one more or less.
            next((pixels for pixels in (4, 5, 6, 3) if out_width % pixels == 0), min(out_width, 4)),
        )

    def constant_bytes(self, spec: DepthwiseSpec) -> int:
        return spec.weight_bytes + spec.channels * _requantize.BYTES_PER_CHANNEL

    def pack(self, op: Op, graph: Graph, spec: DepthwiseSpec) -> tuple[Constant, ...]:
        assert isinstance(op, DepthwiseConv2D)
        weight = graph[op.weight].data
        assert weight is not None, "only a graph with data is packed"
        planes = np.moveaxis(weight[0], -1, 0).reshape(spec.channels, -1)
        packed = np.zeros(spec.weight_bytes, np.int8)
        packed[: planes.size] = planes.reshape(-1)
        correction: np.ndarray = -spec.zero_point * planes.sum(axis=1, dtype=np.int64)
        return (
            Constant("weights", packed),
            _requantize.bias_constant(op, graph, correction),
            *_requantize.requantization_constants(op, graph, spec.requantization),
        )

    def scratch_bytes(self, spec: DepthwiseSpec) -> int:
        return spec.ring_bytes

    def overlap(self, spec: DepthwiseSpec) -> tuple[int | None, ...]:
        window = spec.window
        row_in, row_out = window.width * window.channels, window.out_width * spec.channels
        lead = -window.height * row_in
        for y in range(window.out_height - 1):
            # Row y has been written; the next row to enter the ring, and all behind it, must be intact.
            unread = max(0, spec.input_row(y + 1, spec.slots - spec.fresh))
            if unread < window.height:
                lead = max(lead, (y + 1) * row_out - unread * row_in)
        return (lead,)

    def work(self, spec: DepthwiseSpec) -> Mapping[str, int]:
        """Features: rows that enter the ring, as blocks of 4x4 cells and what these leave, and cells of padding (micro/planes.h);
        per number of pixels (``2``) the tiles and their kernel rows; taps and results."""
        w = spec.window
        entering = [
            0 <= spec.input_row(y, row) < w.height
            for y in range(w.out_height)
            for row in range(0 if y == 0 else spec.slots - spec.fresh, spec.slots)
        ]
        copied, clipped = sum(entering), len(entering) - sum(entering)
        groups, singles = divmod(w.channels, 4)
        blocks, columns = divmod(spec.used_width, 4)
        channel_rows = w.out_height * spec.channels
        features = {
            "calls": 1,
            "rows": w.out_height,
            "copied_rows": copied,
            "copied_groups": copied * groups,
            "copied_blocks": copied * groups * blocks,
            "copied_columns": copied * groups * columns,
            "copied_singles": copied * singles * spec.used_width,
            "clipped_rows": clipped,
            "filled_words": clipped * w.channels * blocks,
            "filled_cells": w.channels * (clipped * columns + spec.slots * (spec.padded_left + spec.padded_right)),
            "channel_rows": channel_rows,
            "taps": channel_rows * w.out_width * w.kernel[0] * w.kernel[1],
            "requantisations": channel_rows * w.out_width,
        }
        for pixels, tiles in ((spec.tile, w.out_width // spec.tile), (w.out_width % spec.tile, 1)):
            if pixels:
                features[f"tiles_{pixels}"] = channel_rows * tiles
                features[f"kernel_rows_{pixels}"] = channel_rows * tiles * w.kernel[0]
        return features

    def prim_func(self, spec: DepthwiseSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._depthwise_tir import depthwise_prim_func

        return depthwise_prim_func(spec)
