"""The TIR of the product of a single row: for blocks of channels dot products (micro/row_dot.h), requantise, store, or all three in
one micro-kernel (micro/row_block.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.kernels._requantize import PARAMETERS, ChannelParameters
from codegen.kernels._tir import allocate, call, loops

if TYPE_CHECKING:
    import tvm

    from codegen.kernels._parts import Part
    from codegen.kernels.fully_connected import RowSpec


def row_prim_func(spec: RowSpec) -> tvm.tirx.PrimFunc:
    """The scheduled function: ``x, weights, bias, multiplier, shift, y``; fused ``x, weights, parameters, y``."""
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    from codegen.tvm_build import annotate

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        x = T.arg("x", T.buffer((spec.depth,), "int8"))
        weights = T.arg("weights", T.buffer((spec.filters * spec.packed_depth,), "int8"))
        parameters = ChannelParameters(spec.filters, packed=bool(spec.fused))
        y = T.arg("y", T.buffer((spec.filters,), "int8"))
        with T.sblock("root"):
            for part in spec.channel_parts:
                if _is_fused(spec, part):
                    _blocks(spec, part, x, weights, parameters.packed, y)
                    continue
                sums = allocate("sums", (part.blocks, part.size), "int32")
                with loops(group=part.blocks, channel=part.size, cell=spec.depth) as inner, T.sblock(f"dot_{part.size}"):
                    g, c, k = T.axis.remap("SSR", list(inner))
                    start = part.start * spec.packed_depth + g * (part.size * spec.packed_depth)
                    weight = weights[start + _weight_offset(part.size, k, c)]
                    T.reads(x[k], weight)
                    T.writes(sums[g, c])
                    with T.init():
                        T.buffer_store(sums, parameters.bias(part.start + g * part.size + c), [g, c])
                    T.buffer_store(sums, sums[g, c] + T.cast(x[k], "int32") * T.cast(weight, "int32"), [g, c])
                with loops(group=part.blocks, channel=part.size) as inner, T.sblock(f"store_{part.size}"):
                    g, c = T.axis.remap("SS", list(inner))
                    to = part.start + g * part.size + c
                    T.reads(sums[g, c])
                    T.writes(y[to])
                    T.buffer_store(y, spec.requantization.call(sums[g, c], *parameters.scale(to)), [to])
    sch = s_tir.Schedule(ib.get())
    for part in spec.channel_parts:
        if _is_fused(spec, part):
            continue
        dot = f"dot_{part.size}"
        group, channel = sch.get_loops(f"store_{part.size}")
        sch.compute_at(dot, group, preserve_unit_loops=True)
        sch.decompose_reduction(dot, sch.get_loops(dot)[-2])
        sch.tensorize(sch.get_loops(f"{dot}_update")[-2], _row_intrinsic(part.size, spec.depth))
        sch.unroll(sch.get_loops(f"{dot}_init")[-1])
        sch.unroll(channel)
    return annotate(sch.mod["main"], ("weights", *parameters.names))


def _is_fused(spec: RowSpec, part: Part) -> bool:
    return bool(spec.fused) and part.size > 1


def _blocks(spec: RowSpec, part: Part, x: Any, weights: Any, parameters: Any, y: Any) -> None:
    """Finished outputs by micro/row_block.h."""
    from tvm.tirx.script import builder as T

    with loops(group=part.blocks) as (group,), T.sblock(f"block_{part.size}"):
        g = T.axis.spatial(part.blocks, group)
        to = part.start + g * part.size
        T.reads(
            x[0 : spec.depth],
            weights[to * spec.packed_depth : (to + part.size) * spec.packed_depth],
            parameters[to * PARAMETERS : (to + part.size) * PARAMETERS],
        )
        T.writes(y[to : to + part.size])
        pointers = (
            T.address_of(b[start])
            for b, start in ((y, to), (x, 0), (weights, to * spec.packed_depth), (parameters, to * PARAMETERS))
        )
        call("row_block", *pointers, spec.depth, part.size, 2 * spec.requantization.zero_point + 1)
        if spec.requantization.clamps:
            limits = (spec.requantization.low, spec.requantization.high)
            call("clamp_block", T.address_of(y[to]), 1, part.size, spec.filters, *limits)


def _weight_offset(size: int, cell: Any, channel: Any) -> Any:
    """Where the weight of ``channel`` for ``cell`` lies inside a block of ``size`` channels."""
    from tvm import tirx

    return cell if size == 1 else tirx.floordiv(cell, 4) * (4 * size) + channel * 4 + tirx.floormod(cell, 4)


def _row_intrinsic(size: int, depth: int) -> str:
    """Name of the dot products of one block of channels as a tensor intrinsic, registered if it is not yet."""
    from tvm.s_tir import TensorIntrin
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    name = f"codegen.row_dot_{size}x{depth}"
    if TensorIntrin.get(name, allow_missing=True) is not None:
        return name
    packed = -(-depth // 4) * 4 * size if size > 1 else depth

    def function(*, implementation: bool) -> Any:
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("row_dot")
            x = T.arg("x", T.buffer((depth,), "int8", offset_factor=1))
            weights = T.arg("weights", T.buffer((packed,), "int8", offset_factor=1))
            sums = T.arg("sums", T.buffer((1, size), "int32", offset_factor=1))
            with T.sblock("root"):
                T.reads(sums[0:1, 0:size], x[0:depth], weights[0:packed])
                T.writes(sums[0:1, 0:size])
                if implementation:
                    call(f"row_dot_{size}", T.address_of(sums[0, 0]), T.address_of(x[0]), T.address_of(weights[0]), depth)
                else:
                    with loops(channel=size, cell=depth) as (channel, cell), T.sblock("dot"):
                        # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                        c = T.axis.spatial(size, channel) if size > 1 else 0
                        k = T.axis.reduce(depth, cell) if depth > 1 else 0
                        weight = weights[_weight_offset(size, k, c)]
                        T.buffer_store(sums, sums[0, c] + T.cast(x[k], "int32") * T.cast(weight, "int32"), [0, c])
        return ib.get()

    TensorIntrin.register(name, function(implementation=False), function(implementation=True))
    return name
