"""Depthwise convolution by windows one column wide, as streaming networks use them: four neighbouring channels at a time.

The cells of a window lie a row apart and its four channels side by side, so a word of input and a word of weights give four
products without any copy of the input. Weights are ``[channel / 4][row][channel % 4]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import DepthwiseConv2D, Graph, Op
from codegen.kernels import _requantize
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import parts
from codegen.kernels._requantize import Requantization
from codegen.kernels._tir import call, loops
from codegen.kernels._window import Window, first_needed, overlap_lead

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

GROUP = 4
"""Channels of a group: the bytes of a word."""
_CONSTANTS = ("weights", "bias", "multiplier", "shift")


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A window of one column that never leaves the input, over a multiple of four channels."""

    window: Window
    requantization: Requantization

    @property
    def taps(self) -> int:
        """Rows of the window."""
        return self.window.kernel[0]

    @property
    def pitch(self) -> int:
        """Bytes from one tap to the next."""
        return self.window.dilation[0] * self.window.width * self.window.channels


class DepthwiseColumnKernel(Kernel[ColumnSpec]):
    """Depthwise convolution of windows that are one column wide and not padded, on cores with DSP instructions."""

    name = "depthwise_column"
    micro_kernels = (_requantize.MICRO_KERNEL, "column")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> ColumnSpec | None:
        if not isinstance(op, DepthwiseConv2D) or not core.dsp or graph[op.inputs[0]].shape[0] != 1:
            return None
        _, height, width, channels = graph[op.inputs[0]].shape
        _, out_height, out_width, out_channels = graph[op.output].shape
        _, rows, columns, _ = graph[op.weight].shape
        kernel, dilation, pad = (rows, columns), (op.dilation[0], 1), op.padding
        window = Window(height, width, channels, out_height, out_width, kernel, op.strides, dilation, pad.top, pad.left)
        if rows == 1 or columns > 1 or channels % GROUP or channels != out_channels or window.clips_rows or window.clips_columns:
            return None
        return ColumnSpec(window, _requantize.requantization(op, graph))

    def constant_bytes(self, spec: ColumnSpec) -> int:
        return spec.window.channels * (spec.taps + _requantize.BYTES_PER_CHANNEL)

    def pack(self, op: Op, graph: Graph, spec: ColumnSpec) -> tuple[Constant, ...]:
        assert isinstance(op, DepthwiseConv2D)
        weight = graph[op.weight].data
        assert weight is not None, "only a graph with data is packed"
        groups = weight.reshape(spec.taps, -1, GROUP).swapaxes(0, 1)
        correction: np.ndarray = -graph[op.inputs[0]].zero_point * groups.sum(axis=1, dtype=np.int64).ravel()
        return (
            Constant("weights", groups.ravel()),
            _requantize.bias_constant(op, graph, correction),
            *_requantize.requantization_constants(op, graph, spec.requantization),
        )

    def overlap(self, spec: ColumnSpec) -> tuple[int | None, ...]:
        lead = overlap_lead(spec.window, spec.window.channels, parts(spec.window.pixels, 1))
        # A group of channels is written while the others of its pixel are still to be read.
        return (lead if spec.window.channels == GROUP else max(lead, -int(first_needed(spec.window)[0])),)

    def work(self, spec: ColumnSpec) -> Mapping[str, int]:
        groups = spec.window.pixels * spec.window.channels // GROUP
        return {
            "calls": 1,
            "pixels": spec.window.pixels,
            "groups": groups,
            "group_taps": groups * spec.taps,
            "requantisations": groups * GROUP,
        }

    def prim_func(self, spec: ColumnSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.tvm_build import annotate

        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            _computation(spec)
        schedule = s_tir.Schedule(ib.get())
        schedule.tensorize(schedule.get_loops("taps")[-2], _intrinsic(spec.taps, spec.pitch))
        for stage in ("start", "store"):
            schedule.unroll(schedule.get_loops(stage)[-1])
        return annotate(schedule.mod["main"], _CONSTANTS)


def _computation(spec: ColumnSpec) -> None:
    """The stages before scheduling, written into the function that is being built."""
    from tvm.tirx.script import builder as T

    from codegen.kernels._tir import allocate

    window, channels = spec.window, spec.window.channels
    x = T.arg("x", T.buffer((window.height * window.width * channels,), "int8"))
    weights = T.arg("weights", T.buffer((spec.taps * channels,), "int8"))
    bias = T.arg("bias", T.buffer((channels,), "int32"))
    multiplier = T.arg("multiplier", T.buffer((channels,), "int32"))
    shift = T.arg("shift", T.buffer((channels,), "int8"))
    y = T.arg("y", T.buffer((window.out_height, window.out_width, channels), "int8"))
    with T.sblock("root"):
        sums = allocate("sums", (GROUP,), "int32")
        with loops(out_row=window.out_height, out_column=window.out_width, group=channels // GROUP) as at:
            with loops(channel=GROUP) as (channel,), T.sblock("start"):
                g, c = T.axis.remap("SS", [at[2], channel])
                T.reads(bias[g * GROUP + c])
                T.writes(sums[c])
                T.buffer_store(sums, bias[g * GROUP + c], [c])
            with loops(tap=spec.taps, channel=GROUP) as inner, T.sblock("taps"):
                row, column, g, t, c = T.axis.remap("SSSRS", [*at, *inner])
                pixel = row * (window.stride[0] * window.width) + column * window.stride[1]
                cell = x[pixel * channels + g * GROUP + t * spec.pitch + c]
                weight = weights[(g * spec.taps + t) * GROUP + c]
                T.reads(sums[c], cell, weight)
                T.writes(sums[c])
                T.buffer_store(sums, sums[c] + T.cast(cell, "int32") * T.cast(weight, "int32"), [c])
            with loops(channel=GROUP) as (channel,), T.sblock("store"):
                row, column, g, c = T.axis.remap("SSSS", [*at, channel])
                to = g * GROUP + c
                T.reads(sums[c], multiplier[to], shift[to])
                T.writes(y[row, column, to])
                T.buffer_store(y, spec.requantization.call(sums[c], multiplier[to], shift[to]), [row, column, to])


def _intrinsic(taps: int, pitch: int) -> str:
    """Name of one group's window as a tensor intrinsic, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.depthwise_column_{taps}_{pitch}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _column_function(taps, pitch, implementation=False)
        TensorIntrin.register(name, description, _column_function(taps, pitch, implementation=True))
    return name


def _column_function(taps: int, pitch: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    extent = (taps - 1) * pitch + GROUP
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("column")
        x = T.arg("x", T.buffer((extent,), "int8", offset_factor=1))
        weights = T.arg("weights", T.buffer((taps * GROUP,), "int8", offset_factor=1))
        sums = T.arg("sums", T.buffer((GROUP,), "int32", offset_factor=1))
        with T.sblock("root"):
            T.reads(sums[0:GROUP], x[0:extent], weights[0 : taps * GROUP])
            T.writes(sums[0:GROUP])
            if implementation:
                call("depthwise_column", T.address_of(sums[0]), T.address_of(x[0]), T.address_of(weights[0]), taps, pitch)
            else:
                with loops(tap=taps, channel=GROUP) as (tap, channel), T.sblock("column"):
                    t, c = T.axis.remap("RS", [tap, channel])
                    product = T.cast(x[t * pitch + c], "int32") * T.cast(weights[t * GROUP + c], "int32")
                    T.buffer_store(sums, sums[c] + product, [c])
    return ib.get()
