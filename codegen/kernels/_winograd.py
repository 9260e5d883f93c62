"""Products by Winograd's inner product: for cores without the DSP extension.

For each pair of cells, ``(x[a] + v[b]) * (x[b] + v[a])`` takes one multiplication and leaves its operands intact. Its surplus over
``x[a] * v[a] + x[b] * v[b]`` is a product within the input, summed once for all channels, and one within the weights, part of the
bias (S. Winograd, "A new algorithm for inner product", IEEE Transactions on Computers, 1968). All sums are exact modulo 2**32.
Weights and gathered cells stay bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Conv2D, FullyConnected, Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import Part, parts
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

_BLOCK = 4
"""Output channels that share a loaded pair of cells."""
_OFFSET = 128
"""What makes a weight an unsigned byte; a cell is raised by it where its surplus is summed."""


@dataclass(frozen=True, slots=True)
class WinogradSpec:
    """All that the C depends on. ``zero_point`` is the input's."""

    window: Window
    filters: int
    zero_point: int
    requantization: Requantization

    @property
    def depth(self) -> int:
        """Cells under a window, filled up to pairs."""
        return self.window.depth + self.window.depth % 2

    @property
    def direct(self) -> bool:
        """Whether the input itself is the only patch."""
        return self.window.pixels == 1 and self.window.contiguous and self.window.depth % 2 == 0

    @property
    def channel_parts(self) -> tuple[Part, ...]:
        """Blocks of output channels."""
        return parts(self.filters, _BLOCK)


class WinogradKernel(Kernel[WinogradSpec]):
    """Convolutions of a single image and matrix products."""

    name: ClassVar[str] = "winograd"
    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "gather", "winograd_dot")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> WinogradSpec | None:
        if core.dsp:
            return None
        match op:
            case FullyConnected():
                window = rows_window(op, graph)
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case _:
                return None
        return WinogradSpec(window, graph[op.weight].shape[0], graph[op.inputs[0]].zero_point, requantization(op, graph))

    def constant_bytes(self, spec: WinogradSpec) -> int:
        return spec.filters * (spec.depth + BYTES_PER_CHANNEL)

    def pack(self, op: Op, graph: Graph, spec: WinogradSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        weights = np.zeros((spec.filters, spec.depth), np.int64)
        weights[:, : spec.window.depth] = data.reshape(spec.filters, -1)
        shifted = weights + _OFFSET
        surplus = (shifted[:, 0::2] * shifted[:, 1::2]).sum(axis=1) - spec.depth // 2 * _OFFSET**2
        correction = -spec.zero_point * weights.sum(axis=1) - surplus
        packed = Constant("weights", pack_pairs(shifted.astype(np.uint8)))
        return (packed, bias_constant(op, graph, correction), *requantization_constants(op, graph, spec.requantization))

    def scratch_bytes(self, spec: WinogradSpec) -> int:
        return 0 if spec.direct else spec.depth

    def overlap(self, spec: WinogradSpec) -> tuple[int | None, ...]:
        if not spec.direct:
            return (overlap_lead(spec.window, spec.filters, parts(spec.window.pixels, 1)),)
        # Every output needs the whole input; only the last block, whose sums are taken before it is stored, may overwrite it.
        last = spec.channel_parts[-1]
        before_last = last.start + (last.blocks - 1) * last.size
        return (before_last,) if before_last else (-spec.depth,)

    def work(self, spec: WinogradSpec) -> Mapping[str, int]:
        """Features: pixels, their runs (whole, cut by a border, outside the input), cells gathered, pairs whose surplus is summed;
        per size of block of channels its calls and pairs of cells, and those outside the unrolled loop; results."""
        window, pixels, pairs = spec.window, spec.window.pixels, spec.depth // 2
        whole, cut, outside = (pixels, 0, 0) if window.contiguous else run_counts(window)
        features = {
            "calls": 1,
            "pixels": pixels,
            "runs_whole": 0 if spec.direct else whole,
            "runs_cut": cut,
            "runs_outside": outside,
            "gathered": 0 if spec.direct else pixels * window.depth,
            "surplus": pixels * pairs,
            "stored": pixels * spec.filters,
        }
        for part in spec.channel_parts:
            features[f"dots_{part.size}"] = pixels * part.blocks
            features[f"pairs_{part.size}"] = pixels * part.blocks * pairs
        features["rest"] = pixels * (spec.filters // _BLOCK) * (pairs if pairs % 4 else 0)
        return features

    def prim_func(self, spec: WinogradSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._winograd_tir import winograd_prim_func

        return winograd_prim_func(spec)


def pack_pairs(weights: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(filters, depth)`` bytes as micro/winograd_dot.h reads them, one-dimensional."""
    blocks = [weights[start : start + _BLOCK] for start in range(0, len(weights), _BLOCK)]
    return np.concatenate([block.reshape(len(block), -1, 2).transpose(1, 0, 2).ravel() for block in blocks])
