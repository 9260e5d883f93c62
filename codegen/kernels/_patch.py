"""Kernels that gather patches of the input and multiply them with packed weights: convolutions and products of several rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._patch_tir import Tile, patch_prim_func
from codegen.kernels._requantize import (
    BYTES_PER_CHANNEL,
    PARAMETERS,
    Requantization,
    bias_constant,
    packed_parameters,
    requantization,
    requantization_constants,
)
from codegen.kernels._window import Window, overlap_lead, run_counts

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core


@dataclass(frozen=True, slots=True)
class PatchSpec:
    """All that the C of a patch kernel depends on. ``zero_point`` is the input's."""

    window: Window
    filters: int
    zero_point: int
    requantization: Requantization
    tile: Tile


def tiles(pixels: int, filters: int, core: Core, form: Requantization) -> tuple[Tile, ...]:
    """The schedules for a core, the first being the best in most cases: as many pixels a block as its registers hold, unless that
    leaves most of a block empty."""
    if core.dsp and form.bounded and filters > 1:
        # The more channels a call computes, the less each pays for it.
        channels = sorted({min(n, filters - filters % 2) for n in (16, 8, 4)}, reverse=True)
        return tuple(Tile(p, c, fused=True) for p in (4, 2, 1) if p <= pixels for c in channels)
    if not core.thumb2:
        return (Tile(pixels=1, channels=min(2, filters)),)
    best = 2 if pixels in (2, 4) else min(3, pixels)
    blocks = (best, *(p for p in (3, 2, 1) if p <= pixels and p != best))
    return tuple(Tile(p, min(2, filters), unroll) for p in blocks for unroll in (True, False))


class PatchKernel(Kernel[PatchSpec]):
    """What all patch kernels share; they differ in which operators they take."""

    micro_kernels: ClassVar[tuple[str, ...]] = ("dsp", "requantize", "gather", "dot", "block", "clamp")

    def _spec(self, op: Weighted, graph: Graph, core: Core, window: Window) -> PatchSpec:
        filters = graph[op.weight].shape[0]
        form = requantization(op, graph)
        tile = tiles(window.pixels, filters, core, form)[0]
        return PatchSpec(window, filters, graph[op.inputs[0]].zero_point, form, tile)

    def schedules(self, spec: PatchSpec, core: Core) -> tuple[PatchSpec, ...]:
        alternatives = tiles(spec.window.pixels, spec.filters, core, spec.requantization)
        return tuple(dict.fromkeys((spec, *(replace(spec, tile=tile) for tile in alternatives))))

    def constant_bytes(self, spec: PatchSpec) -> int:
        return spec.filters * (spec.window.packed_depth + (4 * PARAMETERS if spec.tile.fused else BYTES_PER_CHANNEL))

    def pack(self, op: Op, graph: Graph, spec: PatchSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Weighted)
        data = graph[op.weight].data
        assert data is not None, "only a graph with data is packed"
        form, filters = spec.requantization, data.reshape(spec.filters, -1)
        if spec.tile.fused:
            return (Constant("weights", pack_weights(filters, 2)), packed_parameters(op, graph, form))
        weights = pack_weights(filters, spec.tile.channels)
        return (Constant("weights", weights), bias_constant(op, graph), *requantization_constants(op, graph, form))

    def scratch_bytes(self, spec: PatchSpec) -> int:
        depth = spec.window.packed_depth
        copied = 0 if spec.window.contiguous or spec.window.whole_groups else depth
        return spec.tile.pixel_parts(spec.window.pixels)[0].size * depth * 2 + copied

    def overlap(self, spec: PatchSpec) -> tuple[int | None, ...]:
        return (overlap_lead(spec.window, spec.filters, spec.tile.pixel_parts(spec.window.pixels)),)

    def work(self, spec: PatchSpec) -> Mapping[str, int]:
        """Features, each linear in cycles: pixels gathered, their runs (whole, cut by a border, outside the input), cells expanded
        and copied; then per shape of block (``3x2``: three pixels, two channels) its calls, groups of four cells and of these the
        ones outside the unrolled loop, of a fused block its calls, pairs of channels, groups and rounds of the unrolled loop; and
        the results stored."""
        window, depth = spec.window, spec.window.packed_depth
        whole, cut, outside = (window.pixels, 0, 0) if window.contiguous else run_counts(window)
        copied = 0 if window.contiguous or window.whole_groups else window.depth
        features = {
            "calls": 1,
            "blocks": sum(p.blocks for p in spec.tile.pixel_parts(window.pixels)),
            "pixels": window.pixels,
            "runs_whole": whole,
            "runs_cut": cut,
            "runs_outside": outside,
            "expanded": window.pixels * depth,
            "copied": window.pixels * copied,
            "stored": window.pixels * spec.filters,
        }
        for pixels in spec.tile.pixel_parts(window.pixels):
            for channels in spec.tile.channel_parts(spec.filters):
                shape, count = f"{pixels.size}x{channels.size}", pixels.blocks * channels.blocks
                if spec.tile.fused and channels.size > 1:
                    pairs = count * (channels.size // 2)
                    fused = {"fused": count, "pairs": pairs, "groups": pairs * (depth // 4), "rounds": pairs * -(-depth // 32)}
                    for feature, number in fused.items():
                        name = f"{feature}_{pixels.size}"
                        features[name] = features.get(name, 0) + number
                    continue
                features[f"dots_{shape}"] = count
                features[f"groups_{shape}"] = count * (depth // 4)
                if channels.size == 2 and pixels.size > 1:
                    features[f"rest_{shape}"] = count * (depth % 16 // 4)
        return features

    def prim_func(self, spec: PatchSpec) -> tvm.tirx.PrimFunc:
        return patch_prim_func(spec.window, spec.filters, spec.zero_point, spec.requantization, spec.tile)


def pack_weights(weights: NDArray[np.int8], block: int) -> NDArray[np.int8]:
    """``(filters, depth)`` weights as micro/dot.h reads them, one-dimensional: ``depth`` filled up to groups of four with zeros,
    then pairs of filters interleaved (``block`` 2; a last single one and ``block`` 1 in the order of the cells)."""
    filters, depth = weights.shape
    padded = np.zeros((filters, -(-depth // 4) * 4), np.int8)
    padded[:, :depth] = weights
    pairs = filters - filters % block if block == 2 else 0
    # A patch holds the cells of a group in the order 0, 2, 1, 3.
    groups = padded[:pairs].reshape(pairs // 2, 2, padded.shape[1] // 4, 4)[..., [0, 2, 1, 3]]
    return np.concatenate([groups.transpose(0, 2, 3, 1).ravel(), padded[pairs:].ravel()])
