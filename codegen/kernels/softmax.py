"""Softmax over the last axis: exponentials into scratch, their sum, its reciprocal, products.

Exponentials are computed where a table of all 256 differences would be faster: code of some 300 bytes against a table of 1 KB, for
a layer that is a thousandth of a network's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.ir import Graph, Op, Softmax
from codegen.kernels._base import Constant, Kernel
from codegen.reference.softmax import softmax_parameters

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_LONGEST = 4095
"""Length up to which the sum of exponentials, each at most 2**19, stays below 2**31."""


@dataclass(frozen=True, slots=True)
class SoftmaxSpec:
    """``rows`` of ``length`` elements; differences from ``least`` on count and become Q5.26 by (multiplier, left)."""

    rows: int
    length: int
    multiplier: int
    left: int
    least: int


class SoftmaxKernel(Kernel[SoftmaxSpec]):
    """See the module."""

    name = "softmax"
    micro_kernels = ("requantize", "softmax")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> SoftmaxSpec | None:
        if not isinstance(op, Softmax):
            return None
        x = graph[op.inputs[0]]
        length = x.shape[-1] if x.shape else 1
        if length > _LONGEST:
            return None
        # Any scale will do for shapes alone: no trip count depends on it.
        scaling = (1 << 30, 23, -248) if x.quantization is None else softmax_parameters(op, graph)
        return SoftmaxSpec(x.size // length, length, *scaling)

    def constant_bytes(self, spec: SoftmaxSpec) -> int:
        return 0

    def pack(self, op: Op, graph: Graph, spec: SoftmaxSpec) -> tuple[Constant, ...]:
        return ()

    def scratch_bytes(self, spec: SoftmaxSpec) -> int:
        return 4 * spec.length

    def overlap(self, spec: SoftmaxSpec) -> tuple[int | None, ...]:
        # A row is written when it has been read.
        return (0 if spec.rows > 1 else -spec.length,)

    def work(self, spec: SoftmaxSpec) -> Mapping[str, int]:
        return {"calls": 1, "rows": spec.rows, "elements": spec.rows * spec.length}

    def prim_func(self, spec: SoftmaxSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir, tirx
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import allocate, loops
        from codegen.tvm_build import SCRATCH_SCOPE

        n = spec.length
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            x = T.arg("x", T.buffer((spec.rows * n,), "int8"))
            y = T.arg("y", T.buffer((spec.rows * n,), "int8"))
            with T.sblock("root"):
                exponentials = allocate("exponentials", (n,), "int32", SCRATCH_SCOPE)
                greatest, total, headroom, reciprocal = (
                    allocate(name, (1,), "int32") for name in ("greatest", "total", "headroom", "reciprocal")
                )
                with loops(row=spec.rows) as (row,):
                    with T.sblock("start"):
                        T.reads()
                        T.writes(greatest[0], total[0])
                        T.buffer_store(greatest, -128, [0])
                        T.buffer_store(total, 0, [0])
                    with loops(element=n) as (element,), T.sblock("greatest"):
                        r, i = T.axis.remap("SR", [row, element])
                        T.reads(greatest[0], x[r * n + i])
                        T.writes(greatest[0])
                        T.buffer_store(greatest, tirx.max(greatest[0], T.cast(x[r * n + i], "int32")), [0])
                    with loops(element=n) as (element,), T.sblock("exponentials"):
                        r, i = T.axis.remap("SS", [row, element])
                        T.reads(greatest[0], x[r * n + i], total[0])
                        T.writes(exponentials[i], total[0])
                        difference = T.cast(x[r * n + i], "int32") - greatest[0]
                        exponential = T.call_extern("int32", "NN_softmax_exp", difference, spec.multiplier, spec.left, spec.least)
                        T.buffer_store(exponentials, exponential, [i])
                        T.buffer_store(total, total[0] + T.call_extern("int32", "NN_rounding_shift", exponentials[i], 12), [0])
                    with T.sblock("reciprocal"):
                        T.reads(total[0])
                        T.writes(headroom[0], reciprocal[0])
                        T.buffer_store(headroom, T.call_extern("int32", "NN_softmax_headroom", total[0]), [0])
                        T.buffer_store(reciprocal, T.call_extern("int32", "NN_softmax_reciprocal", total[0], headroom[0]), [0])
                    with loops(element=n) as (element,), T.sblock("shares"):
                        r, i = T.axis.remap("SS", [row, element])
                        T.reads(exponentials[i], reciprocal[0], headroom[0])
                        T.writes(y[r * n + i])
                        share = T.call_extern("int8", "NN_softmax_share", exponentials[i], reciprocal[0], headroom[0])
                        T.buffer_store(y, share, [r * n + i])
        return s_tir.Schedule(ib.get()).mod["main"]
