"""Quantize from float32 and Dequantize to float32, one element after the other; compilers add the routines for floating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codegen.ir import Dequantize, Graph, Op, Quantize
from codegen.kernels._base import Constant, Kernel

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize


@dataclass(frozen=True, slots=True)
class FloatBorderSpec:
    """``length`` elements to int8 (``quantizes``) or to float32; ``zero_point`` is that of the int8 side."""

    length: int
    quantizes: bool
    zero_point: int


class FloatBorderKernel(Kernel[FloatBorderSpec]):
    """See the module."""

    name = "float_border"
    micro_kernels = ("float_border",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> FloatBorderSpec | None:
        x, y = graph[op.inputs[0]], graph[op.output]
        if isinstance(op, Quantize) and x.dtype == "float32":
            return FloatBorderSpec(x.size, True, y.zero_point)
        return FloatBorderSpec(x.size, False, x.zero_point) if isinstance(op, Dequantize) else None

    def constant_bytes(self, spec: FloatBorderSpec) -> int:
        return 4

    def pack(self, op: Op, graph: Graph, spec: FloatBorderSpec) -> tuple[Constant, ...]:
        int8_side = graph[op.output if spec.quantizes else op.inputs[0]]
        return (Constant("scale", np.array([int8_side.scale], np.float32)),)

    def overlap(self, spec: FloatBorderSpec) -> tuple[int | None, ...]:
        # After n elements as many bytes (four times as many) are written, and the next one to be read lies 4 n (n) bytes in.
        if spec.quantizes:
            return (-3 if spec.length > 1 else -4,)
        return (3 * (spec.length - 1) if spec.length > 1 else -1,)

    def work(self, spec: FloatBorderSpec) -> Mapping[str, int]:
        return {"calls": 1, "quantized" if spec.quantizes else "dequantized": spec.length}

    def prim_func(self, spec: FloatBorderSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import loops
        from codegen.tvm_build import annotate

        from_type, to_type = ("float32", "int8") if spec.quantizes else ("int8", "float32")
        function = "NN_quantize" if spec.quantizes else "NN_dequantize"
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            x = T.arg("x", T.buffer((spec.length,), from_type))
            scale = T.arg("scale", T.buffer((1,), "float32"))
            y = T.arg("y", T.buffer((spec.length,), to_type))
            with T.sblock("root"), loops(element=spec.length) as (element,), T.sblock("convert"):
                i = T.axis.spatial(spec.length, element)
                T.reads(x[i], scale[0])
                T.writes(y[i])
                T.buffer_store(y, T.call_extern(to_type, function, x[i], scale[0], T.int32(spec.zero_point)), [i])
        return annotate(s_tir.Schedule(ib.get()).mod["main"], ("scale",))
