"""Matrix product of a single row: the weights are read once, the input as it lies in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Conv2D, FullyConnected, Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import Part, parts
from codegen.kernels._requantize import (
    BYTES_PER_CHANNEL,
    PARAMETERS,
    Requantization,
    bias_constant,
    packed_parameters,
    requantization,
    requantization_constants,
)
from codegen.kernels._window import convolution_window, rows_window

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

BLOCK = 4
"""Output channels that share a loaded input word."""


FUSED = (32, 16, 8)
"""Output channels that one call of the micro-kernel computes."""


@dataclass(frozen=True, slots=True)
class RowSpec:
    """``depth`` inputs, ``filters`` outputs.

    ``fused``: output channels that one call of a micro-kernel takes from dot product to store; 0 where the sums of a block lie
    on the stack in between.
    """

    depth: int
    filters: int
    requantization: Requantization
    fused: int = 0

    @property
    def packed_depth(self) -> int:
        """``depth``, filled up to whole groups of four."""
        return -(-self.depth // 4) * 4

    @property
    def blocked(self) -> int:
        """Output channels that are computed in blocks of four: none where there is not even one group of four inputs."""
        return self.filters - self.filters % BLOCK if self.depth >= 4 else 0

    @property
    def channel_parts(self) -> tuple[Part, ...]:
        """Blocks of four channels, or the calls of a fused micro-kernel, then the rest one by one."""
        rest = self.filters - self.blocked
        return (*parts(self.blocked, self.fused or BLOCK), *((Part(self.blocked, rest, 1),) if rest else ()))


class FullyConnectedKernel(Kernel[RowSpec]):
    """A fully connected layer on one row, or a convolution with a single output pixel whose window is one run of bytes."""

    name: ClassVar[str] = "fully_connected"
    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "row_dot", "row_block", "clamp")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> RowSpec | None:
        match op:
            case FullyConnected():
                window = rows_window(op, graph)
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case _:
                return None
        # The output pixel's window begins at the first byte: without padding nothing can precede it.
        if window.pixels != 1 or not window.contiguous:
            return None
        form = requantization(op, graph)
        return RowSpec(window.depth, graph[op.weight].shape[0], form, FUSED[0] if core.dsp and form.bounded else 0)

    def schedules(self, spec: RowSpec, core: Core) -> tuple[RowSpec, ...]:
        return (spec, *(replace(spec, fused=n) for n in FUSED if n < spec.fused and n <= spec.blocked))

    def constant_bytes(self, spec: RowSpec) -> int:
        return spec.filters * (spec.packed_depth + (4 * PARAMETERS if spec.fused else BYTES_PER_CHANNEL))

    def pack(self, op: Op, graph: Graph, spec: RowSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        weights = data.reshape(spec.filters, spec.depth)
        correction = -graph[op.inputs[0]].zero_point * weights.astype(np.int64).sum(axis=1)
        form = spec.requantization
        packed = Constant("weights", pack_rows(weights, spec.blocked))
        if spec.fused:
            return (packed, packed_parameters(op, graph, form, correction))
        return (packed, bias_constant(op, graph, correction), *requantization_constants(op, graph, form))

    def overlap(self, spec: RowSpec) -> tuple[int | None, ...]:
        # Every output needs the whole input; only the last block, whose sums are taken before it is stored, may overwrite it.
        before_last = spec.filters - (1 if spec.blocked < spec.filters else BLOCK)
        return (before_last,) if before_last else (-spec.depth,)

    def work(self, spec: RowSpec) -> Mapping[str, int]:
        """Features: per size of block its calls, groups of four cells and of these the ones outside the unrolled loop, or of a
        fused micro-kernel its calls, blocks, groups and rounds of the unrolled loop; results."""
        features = {"calls": 1, "stored": spec.filters}
        groups, blocks = spec.packed_depth // 4, spec.blocked // BLOCK
        if spec.fused:
            calls, singles = -(-spec.blocked // spec.fused), spec.filters - spec.blocked
            fused = {"fused": calls, "blocks": blocks, "groups": blocks * groups, "rounds": blocks * -(-groups // 8)}
            return {**features, **fused, "rows_1": singles, "groups_1": singles * groups}
        for part in spec.channel_parts:
            features[f"rows_{part.size}"] = part.blocks
            features[f"groups_{part.size}"] = part.blocks * (spec.packed_depth // 4)
        features["rest"] = spec.blocked // BLOCK * (spec.packed_depth % 16 // 4)
        return features

    def prim_func(self, spec: RowSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._row_tir import row_prim_func

        return row_prim_func(spec)


def pack_rows(weights: NDArray[np.int8], blocked: int) -> NDArray[np.int8]:
    """``(filters, depth)`` weights as micro/row_dot.h reads them, one-dimensional; the first ``blocked`` filters by fours."""
    filters, depth = weights.shape
    padded = np.zeros((filters, -(-depth // 4) * 4), np.int8)
    padded[:, :depth] = weights
    groups = padded[:blocked].reshape(blocked // BLOCK, BLOCK, padded.shape[1] // 4, 4)
    return np.concatenate([groups.transpose(0, 2, 1, 3).ravel(), padded[blocked:].ravel()])
