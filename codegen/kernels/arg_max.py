"""Index of the first maximum over the last axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.ir import ArgMax, Graph, Op
from codegen.kernels._base import Constant, Kernel

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize


@dataclass(frozen=True, slots=True)
class ArgMaxSpec:
    """``rows`` of ``length`` elements."""

    rows: int
    length: int


class ArgMaxKernel(Kernel[ArgMaxSpec]):
    """Int8 to int32."""

    name = "arg_max"
    micro_kernels = ("arg_max",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> ArgMaxSpec | None:
        if not isinstance(op, ArgMax):
            return None
        x = graph[op.inputs[0]]
        length = x.shape[-1] if x.shape else 1
        return ArgMaxSpec(x.size // length, length)

    def constant_bytes(self, spec: ArgMaxSpec) -> int:
        return 0

    def pack(self, op: Op, graph: Graph, spec: ArgMaxSpec) -> tuple[Constant, ...]:
        return ()

    def overlap(self, spec: ArgMaxSpec) -> tuple[int | None, ...]:
        # The index of a row takes four bytes and is written when the row has been read.
        return (max(((row + 1) * (4 - spec.length) for row in range(spec.rows - 1)), default=-spec.length),)

    def work(self, spec: ArgMaxSpec) -> Mapping[str, int]:
        return {"calls": 1, "rows": spec.rows, "elements": spec.rows * spec.length}

    def prim_func(self, spec: ArgMaxSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import loops

        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            x = T.arg("x", T.buffer((spec.rows * spec.length,), "int8"))
            y = T.arg("y", T.buffer((spec.rows,), "int32"))
            with T.sblock("root"), loops(row=spec.rows) as (row,), T.sblock("index"):
                r = T.axis.spatial(spec.rows, row)
                T.reads(x[0 : spec.rows * spec.length])
                T.writes(y[r])
                index = T.call_extern("int32", "NN_arg_max", T.address_of(x[r * spec.length]), spec.length)
                T.buffer_store(y, index, [r])
        return s_tir.Schedule(ib.get()).mod["main"]
