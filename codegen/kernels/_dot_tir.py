"""The dot products of one block of pixels and channels as a tensor intrinsic over micro/dot.h."""

from __future__ import annotations

from typing import Any

from codegen.kernels._tir import call, loops
from codegen.tvm_build import SCRATCH_SCOPE


def weight_offset(size: int, pair: Any, half: Any, channel: Any) -> Any:
    """Where the weight of ``channel`` for the patch's cell (``pair``, ``half``) lies inside a block of ``size`` channels."""
    if size == 2:
        return pair * 4 + half * 2 + channel
    from tvm import tirx

    return tirx.floordiv(pair, 2) * 4 + tirx.floormod(pair, 2) + half * 2


def dot_intrinsic(pixels: int, channels: int, depth: int) -> str:
    """Name of the tensor intrinsic, registered if it is not yet: TVM checks that the computation it replaces is this one."""
    from tvm.s_tir import TensorIntrin

    name = f"codegen.dot_{pixels}x{channels}x{depth}"
    if TensorIntrin.get(name, allow_missing=True) is None:
        description = _dot_function(pixels, channels, depth, implementation=False)
        TensorIntrin.register(name, description, _dot_function(pixels, channels, depth, implementation=True))
    return name


def _dot_function(pixels: int, channels: int, depth: int, *, implementation: bool) -> Any:
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("dot")
        patch = T.arg("patch", T.buffer((1, depth // 2, pixels, 2), "int16", scope=SCRATCH_SCOPE, offset_factor=1))
        weights = T.arg("weights", T.buffer((channels * depth,), "int8", offset_factor=1))
        sums = T.arg("sums", T.buffer((1, pixels, 1, channels), "int32", offset_factor=1))
        with T.sblock("root"):
            whole = sums[0:1, 0:pixels, 0:1, 0:channels]
            T.reads(whole, patch[0:1, 0 : depth // 2, 0:pixels, 0:2], weights[0 : channels * depth])
            T.writes(whole)
            if implementation:
                pointers = (T.address_of(sums[0, 0, 0, 0]), T.address_of(patch[0, 0, 0, 0]), T.address_of(weights[0]))
                call(f"dot_{pixels}x{channels}", *pointers, depth)
            else:
                extents = {"pixel": pixels, "channel": channels, "pair": depth // 2, "half": 2}
                with loops(**extents) as inner, T.sblock("dot"):
                    # TVM drops the block's axes of extent 1 from the computation before it compares the two.
                    bound = {name: loop for (name, extent), loop in zip(extents.items(), inner, strict=True) if extent > 1}
                    kinds = "".join("S" if name in ("pixel", "channel") else "R" for name in bound)
                    axes = T.axis.remap(kinds, list(bound.values()))
                    index = {"pixel": 0, "channel": 0, **dict(zip(bound, axes, strict=True))}
                    i, c, k, h = (index[name] for name in extents)
                    product = T.cast(patch[0, k, i, h], "int32") * T.cast(weights[weight_offset(channels, k, h, c)], "int32")
                    T.buffer_store(sums, sums[0, i, 0, c] + product, [0, i, 0, c])
    return ib.get()
