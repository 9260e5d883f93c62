"""Depthwise convolution over planes: rows of one contiguous run of cells per channel feed tiles of neighbouring pixels.

Output rows are computed one after the other, four input channels at a time. The input rows that are new to a window are copied
into planes, one row per channel; the older ones are kept from the output row before (slot = padded row modulo the rows kept). In
that layout the taps of a kernel row lie side by side for every stride, so one word load feeds four of them, neighbouring pixels
share words, and a channel multiplier costs nothing. A plane begins with the cells of padding on the left, so that the window of
every tile begins with a whole word. Each input row is copied exactly once and is dead afterwards, hence the output may overwrite
it.

TIR owns the loops over rows and groups of channels. What a group computes is a function that layers share: of TIR too (channels,
tiles, kernel rows), with one kernel row of a tile as a tensor intrinsic, ``NN_paired_taps`` where the core has DSP instructions and
else ``NN_depthwise_taps``; or, for 3x3 windows, the assembly of micro/depthwise_row.h. Weights stay int8,
``[channel][row][column]``: int16 would save two of 17 instructions per kernel row of a tile and double the flash of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codegen.ir import DepthwiseConv2D, Graph, Op
from codegen.kernels import _requantize
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._depthwise_tir import EightCells, Group, depthwise_prim_func, eight_prim_func, group_prim_func
from codegen.kernels._requantize import Requantization
from codegen.kernels._window import Window

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

GROUP = 8
"""Channels whose new rows are in planes at a time."""
_MOST_PAIRED = 16
"""Most columns of a window whose weights fit micro/pairs.h."""
_TILES = (4, 6, 5, 3, 2, 1)
"""Numbers of pixels, best first: four sums and what they need fill the registers."""


@dataclass(frozen=True, slots=True)
class DepthwiseSpec:
    """Each of the window's channels gives ``multiplier`` output channels. ``paired`` is the layout of micro/pairs.h.

    ``fused`` and ``tile`` are the schedule: micro/depthwise_row.h, or tiles of 1 to 6 pixels that are summed together; where they
    leave a rest of a row, a narrower tile follows. Where cells are paired every tile but the first must begin with a word of them.
    """

    window: Window
    multiplier: int
    zero_point: int
    requantization: Requantization
    paired: bool
    fused: bool
    tile: int

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.window.channels * self.multiplier

    @property
    def shared(self) -> Group:
        """The function that computes the channels of a group."""
        window, form = self.window, self.requantization
        return Group(
            kernel=window.kernel,
            stride=window.stride[1],
            dilation=window.dilation[1],
            multiplier=self.multiplier,
            paired=self.paired,
            tile=self.tile,
            rest=window.out_width % self.tile,
            bounded=form.bounded,
            clamps=form.clamps or not form.bounded,
            fused=self.fused,
            narrow=self.eight is not None and window.stride[1] == 1 and window.out_width > 2,
        )

    @property
    def eight(self) -> EightCells | None:
        """The function that fills planes of eight cells, where they are."""
        return EightCells(self.padded_left, self.used_width) if self.paired and self.pitch == 8 else None

    @property
    def slots(self) -> int:
        """Input rows under a window, the gaps of a dilation included."""
        return (self.window.kernel[0] - 1) * self.window.dilation[0] + 1

    @property
    def fresh(self) -> int:
        """Rows that are new to a window of the next output row."""
        return min(self.window.stride[0], self.slots)

    @property
    def kept(self) -> int:
        """Rows that are not."""
        return self.slots - self.fresh

    @property
    def reach(self) -> int:
        """Cells of a row that some window covers, padding included."""
        w = self.window
        return (w.out_width - 1) * w.stride[1] + (w.kernel[1] - 1) * w.dilation[1] + 1

    @property
    def padded_left(self) -> int:
        """Cells of padding before a row."""
        return min(self.window.pad_left, self.reach)

    @property
    def used_width(self) -> int:
        """Cells of an input row that some window reads."""
        return max(0, min(self.window.width, self.reach - self.padded_left))

    @property
    def pitch(self) -> int:
        """Cells from one plane to the next."""
        return -(-self.reach // 4) * 4 if self.paired else self.reach

    @property
    def group(self) -> int:
        """Channels whose new rows are in planes at a time."""
        return min(GROUP, self.window.channels)

    @property
    def kept_cells(self) -> int:
        """Where the kept rows begin: behind the new ones."""
        return self.fresh * self.group * self.pitch

    @property
    def plane_bytes(self) -> int:
        """Size of all planes and of what is read behind them, a multiple of 4."""
        behind = 4 if self.fused and self.window.stride[1] == 2 and self.window.out_width % 2 else 0
        return -(-(self.kept_cells + self.kept * self.window.channels * self.pitch) // 4) * 4 + behind

    @property
    def weight_bytes(self) -> int:
        """Size of the packed weights."""
        return self.channels * self.window.kernel[0] * self.shared.weight_pitch

    def input_row(self, y: int, row: int) -> int:
        """Input row behind row ``row`` of the window of output row ``y``; outside 0..height-1 it is padding."""
        return y * self.window.stride[0] + row - self.window.pad_top


class DepthwiseConv2DKernel(Kernel[DepthwiseSpec]):
    """Depthwise convolution of any kernel, stride, dilation, padding and channel multiplier; see the module."""

    name = "depthwise_conv2d"
    micro_kernels = (_requantize.MICRO_KERNEL, "planes", "pairs", "paired_planes", "depthwise", "depthwise_row", "clamp")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> DepthwiseSpec | None:
        if not isinstance(op, DepthwiseConv2D) or graph[op.inputs[0]].shape[0] != 1:
            return None
        _, height, width, channels = graph[op.inputs[0]].shape
        _, out_height, out_width, out_channels = graph[op.output].shape
        _, rows, columns, _ = graph[op.weight].shape
        # A tap that stands alone has no distance to another: one spec for what is one computation.
        dilation = (op.dilation[0] if rows > 1 else 1, op.dilation[1] if columns > 1 else 1)
        pad = op.padding
        paired = core.dsp and 1 < columns <= _MOST_PAIRED and dilation[1] == 1
        window = Window(height, width, channels, out_height, out_width, (rows, columns), op.strides, dilation, pad.top, pad.left)
        form = _requantize.requantization(op, graph)
        spec = DepthwiseSpec(window, out_channels // channels, graph[op.inputs[0]].zero_point, form, paired, fused=False, tile=1)
        return self.schedules(spec, core)[0]

    def schedules(self, spec: DepthwiseSpec, core: Core) -> tuple[DepthwiseSpec, ...]:
        window = spec.window
        tiles = _tiles(window.out_width, window.stride[1], spec.paired)
        found = [replace(spec, fused=False, tile=tile) for tile in tiles]
        if (
            spec.paired
            and spec.multiplier == 1
            and window.kernel == (3, 3)
            and window.stride[1] <= 2
            and spec.requantization.bounded
        ):
            found.insert(0, replace(spec, fused=True, tile=min(4, window.out_width)))
        return tuple(found)

    def constant_bytes(self, spec: DepthwiseSpec) -> int:
        return spec.weight_bytes + spec.channels * (4 * _requantize.PARAMETERS if spec.fused else _requantize.BYTES_PER_CHANNEL)

    def pack(self, op: Op, graph: Graph, spec: DepthwiseSpec) -> tuple[Constant, ...]:
        assert isinstance(op, DepthwiseConv2D)
        weight = graph[op.weight].data
        assert weight is not None, "only a graph with data is packed"
        planes = np.moveaxis(weight[0], -1, 0)
        packed = pair_weights(planes) if spec.paired else planes
        correction: np.ndarray = -spec.zero_point * planes.sum(axis=(1, 2), dtype=np.int64)
        if spec.fused:
            parameters = _requantize.packed_parameters(op, graph, spec.requantization, correction)
            return (Constant("weights", packed.reshape(-1)), parameters)
        return (
            Constant("weights", packed.reshape(-1)),
            _requantize.bias_constant(op, graph, correction),
            *_requantize.requantization_constants(op, graph, spec.requantization),
        )

    def scratch_bytes(self, spec: DepthwiseSpec) -> int:
        return spec.plane_bytes + (0 if spec.shared.rows_on_stack else 4 * spec.window.kernel[0])

    def overlap(self, spec: DepthwiseSpec) -> tuple[int | None, ...]:
        window = spec.window
        row_in, row_out = window.width * window.channels, window.out_width * spec.channels
        lead = -window.height * row_in
        # Channels of the last group less those of the output that are written before it is read.
        last = (spec.multiplier - 1) * GROUP * ((window.channels - 1) // GROUP)
        for y in range(window.out_height):
            written = y * row_out
            unread = max(0, spec.input_row(y, spec.kept))
            if window.channels > GROUP and unread < min(window.height, spec.input_row(y, spec.slots)):
                lead = max(lead, written + row_out - spec.channels + last - unread * row_in)
            later = max(0, spec.input_row(y + 1, spec.kept))
            if y + 1 < window.out_height and later < window.height:
                lead = max(lead, written + row_out - later * row_in)
        return (lead,)

    def work(self, spec: DepthwiseSpec) -> Mapping[str, int]:
        """Features: calls of the shared function; rows that enter planes, by groups of channels, their words and what single
        channels leave, rows of padding (micro/pairs.h, micro/planes.h); cells that are kept; per number of pixels (``2``) the tiles
        and their kernel rows; taps and results."""
        w = spec.window
        entering = [
            0 <= spec.input_row(y, row) < w.height
            for y in range(w.out_height)
            for row in range(0 if y == 0 else spec.kept, spec.slots)
        ]
        copied, clipped = sum(entering), len(entering) - sum(entering)
        groups, singles = divmod(w.channels, 4)
        channel_rows = w.out_height * spec.channels
        features = {
            "calls": 1,
            "rows": w.out_height,
            "row_groups": w.out_height * -(-w.channels // GROUP),
            "copied_groups": copied * groups,
            "copied_words": copied * groups * spec.pitch if spec.paired else 0,
            "copied_cells": copied * (singles if spec.paired else w.channels) * spec.pitch,
            "clipped_groups": clipped * -(-w.channels // GROUP),
            "filled_cells": clipped * w.channels * spec.pitch,
            "kept_cells": w.out_height * min(spec.kept, spec.fresh) * w.channels * spec.pitch,
            "channel_rows": channel_rows,
            "taps": channel_rows * w.out_width * w.kernel[0] * w.kernel[1],
            "requantisations": channel_rows * w.out_width,
        }
        if spec.fused:
            fours, left = divmod(w.out_width, 4)
            fused = {"narrow": 1} if spec.shared.narrow else {"fused_4": fours + (left == 3), "fused_2": int(left in (1, 2))}
            return {**features, **{name: channel_rows * count for name, count in fused.items()}}
        for pixels, tiles in ((spec.tile, w.out_width // spec.tile), (w.out_width % spec.tile, 1)):
            if pixels:
                features[f"tiles_{pixels}"] = channel_rows * tiles
                features[f"kernel_rows_{pixels}"] = channel_rows * tiles * w.kernel[0]
        return features

    def prim_func(self, spec: DepthwiseSpec) -> tvm.tirx.PrimFunc:
        return depthwise_prim_func(spec)

    def shared_functions(self, spec: DepthwiseSpec) -> Mapping[str, Callable[[], tvm.tirx.PrimFunc]]:
        found: dict[str, Callable[[], tvm.tirx.PrimFunc]] = {}
        if spec.eight is not None:
            found[spec.eight.name] = partial(eight_prim_func, spec.eight)
        if not spec.fused:
            found[spec.shared.name] = partial(group_prim_func, spec.shared)
        return found


def pair_weights(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Kernel rows (last axis) in whole words of four in the order 0, 2, 1, 3, see micro/pairs.h."""
    columns = rows.shape[-1]
    words = np.zeros((*rows.shape[:-1], -(-columns // 4) * 4), np.int8)
    words[..., :columns] = rows
    if columns % 2 and columns > 1:
        words[..., columns] = rows[..., columns - 2]
    return words.reshape(*rows.shape[:-1], -1, 2, 2).swapaxes(-1, -2).reshape(words.shape)


def _tiles(width: int, stride: int, paired: bool) -> tuple[int, ...]:
    """Tiles for rows of ``width`` pixels, best first."""
    fit = [t for t in _TILES if t == width or (t < width and not (paired and t * stride % 4))]
    whole = [t for t in fit if width % t == 0]
    if paired and width <= max(_TILES):
        return tuple(dict.fromkeys((width, *whole, *fit)))
    return tuple(dict.fromkeys((*(t for t in whole if t > 2), *fit)))
