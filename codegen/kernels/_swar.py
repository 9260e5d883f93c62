"""Products that take two output channels in one multiplication (SIMD within a register): for cores without the DSP extension.

Weights are stored in pairs of channels, 16 bits each (micro/swar_dot.h): twice the flash of int8, on Armv6-M less than half the
instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Conv2D, FullyConnected, Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import parts
from codegen.kernels._requantize import (
    BYTES_PER_CHANNEL,
    Requantization,
    bias_constant,
    requantization,
    requantization_constants,
)
from codegen.kernels._window import Window, convolution_window, overlap_lead, rows_window, run_counts

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

BLOCK = 4
"""Output channels that share a loaded cell: what eight registers hold."""


@dataclass(frozen=True, slots=True)
class SwarSpec:
    """All that the C depends on. ``zero_point`` is the input's."""

    window: Window
    filters: int
    zero_point: int
    requantization: Requantization

    @property
    def weight_words(self) -> int:
        """Words of packed weights."""
        return (self.filters + 1) // 2 * self.window.packed_depth


class SwarKernel(Kernel[SwarSpec]):
    """Convolutions of a single image and matrix products of several rows."""

    name: ClassVar[str] = "swar"
    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "swar_patch", "swar_dot")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> SwarSpec | None:
        if core.dsp or optimize != "speed":
            return None
        match op:
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case FullyConnected():
                window = rows_window(op, graph)
            case _:
                return None
        if window.pixels == 1:  # every weight is used once: no cell is worth being widened
            return None
        weights = graph[op.weight].data
        if weights is not None and weights.min() == -128:  # two such products do not fit into half a word
            return None
        return SwarSpec(window, graph[op.weight].shape[0], graph[op.inputs[0]].zero_point, requantization(op, graph))

    def constant_bytes(self, spec: SwarSpec) -> int:
        return 4 * spec.weight_words + spec.filters * BYTES_PER_CHANNEL

    def pack(self, op: Op, graph: Graph, spec: SwarSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        weights = data.reshape(spec.filters, -1)
        correction = -spec.zero_point * weights.astype(np.int64).sum(axis=1)
        packed = Constant("weights", pack_words(weights))
        constants = requantization_constants(op, graph, spec.requantization)
        return (packed, bias_constant(op, graph, correction), *constants)

    def scratch_bytes(self, spec: SwarSpec) -> int:
        return 4 * spec.window.packed_depth

    def overlap(self, spec: SwarSpec) -> tuple[int | None, ...]:
        return (overlap_lead(spec.window, spec.filters, parts(spec.window.pixels, 1)),)

    def work(self, spec: SwarSpec) -> Mapping[str, int]:
        """Features: pixels, their runs (whole, cut by a border, outside the input), cells gathered; per size of block of channels
        its calls and groups of four cells; results."""
        window = spec.window
        whole, cut, outside = (window.pixels, 0, 0) if window.contiguous else run_counts(window)
        features = {
            "calls": 1,
            "pixels": window.pixels,
            "runs_whole": whole,
            "runs_cut": cut,
            "runs_outside": outside,
            "gathered": window.pixels * window.depth,
            "stored": window.pixels * spec.filters,
        }
        for part in parts(spec.filters, BLOCK):
            features[f"dots_{part.size}"] = window.pixels * part.blocks
            features[f"groups_{part.size}"] = window.pixels * part.blocks * (window.packed_depth // 4)
        return features

    def prim_func(self, spec: SwarSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._swar_tir import swar_prim_func

        return swar_prim_func(spec, BLOCK)


def pack_words(weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """``(filters, depth)`` weights as micro/swar_dot.h reads them, one-dimensional: ``depth`` filled up to groups of four, the last
    channel to a pair, with zeros."""
    filters, depth = weights.shape
    padded = np.zeros((-(-filters // 2) * 2, -(-depth // 4) * 4), np.int64)
    padded[:filters, :depth] = weights
    words = -padded[0::2] - (padded[1::2] << 16)
    blocks = [words[start : start + BLOCK // 2] for start in range(0, len(words), BLOCK // 2)]
    cells = [block.reshape(len(block), -1, 2).transpose(1, 0, 2).ravel() for block in blocks]
    return np.concatenate(cells).astype(np.int32)
