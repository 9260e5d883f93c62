"""Operators that map each byte on its own: a clamp where that is all they do, else a table of 256 bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph, HardSwish, LeakyRelu, Logistic, Op, Quantize, Relu, Relu6, Tanh
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import parts
from codegen.reference.activations import lookup_table

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_GROUP = 4
"""Elements of a group: the bytes of a word."""


@dataclass(frozen=True, slots=True)
class LookupTableSpec:
    """``length`` bytes; ``clamp`` where the operator does no more than that."""

    length: int
    clamp: tuple[int, int] | None


class LookupTableKernel(Kernel[LookupTableSpec]):
    """See the module. The output may replace the input."""

    name = "lookup_table"
    micro_kernels = ("lookup_table",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> LookupTableSpec | None:
        if not isinstance(op, HardSwish | LeakyRelu | Logistic | Quantize | Relu | Relu6 | Tanh):
            return None
        x, y = graph[op.inputs[0]], graph[op.output]
        if x.dtype != "int8":
            return None
        if x.quantization is None or y.quantization is None:
            return LookupTableSpec(x.size, (0, 127) if isinstance(op, Relu | Relu6) else None)
        return LookupTableSpec(x.size, _clamp(lookup_table(op, graph)))

    def constant_bytes(self, spec: LookupTableSpec) -> int:
        return 256 if spec.clamp is None else 0

    def pack(self, op: Op, graph: Graph, spec: LookupTableSpec) -> tuple[Constant, ...]:
        if spec.clamp is not None:
            return ()
        # In the order of the bytes taken as unsigned.
        return (Constant("table", np.roll(lookup_table(op, graph), 128)),)

    def overlap(self, spec: LookupTableSpec) -> tuple[int | None, ...]:
        return (0 if spec.length > _GROUP else -spec.length,)

    def work(self, spec: LookupTableSpec) -> Mapping[str, int]:
        whole, rest = divmod(spec.length, _GROUP)
        kind = "groups" if spec.clamp is None else "clamped_groups"
        return {"calls": 1, kind: whole, "rest": rest}

    def prim_func(self, spec: LookupTableSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import call, loops
        from codegen.tvm_build import annotate

        n = spec.length
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            x = T.arg("x", T.buffer((n,), "int8"))
            table = T.arg("table", T.buffer((256,), "int8")) if spec.clamp is None else None
            y = T.arg("y", T.buffer((n,), "int8"))
            with T.sblock("root"):
                for part in parts(n, _GROUP):
                    with loops(group=part.blocks) as (group,), T.sblock(f"elements_{part.size}"):
                        T.reads(x[0:n], *([table[0:256]] if table is not None else []))
                        T.writes(y[0:n])
                        at = part.start + group * part.size
                        pointers = (T.address_of(y[at]), T.address_of(x[at]), part.size)
                        if table is None:
                            call("clamp_bytes", *pointers, *(spec.clamp or ()))
                        else:
                            call("look_up", *pointers, T.address_of(table[0]))
        return annotate(s_tir.Schedule(ib.get()).mod["main"], ("table",) if table is not None else ())


def _clamp(table: NDArray[Any]) -> tuple[int, int] | None:
    """The range that ``table`` limits its argument to; None where it does something else."""
    low, high = int(table[0]), int(table[-1])
    return (low, high) if low <= high and np.array_equal(table, np.arange(-128, 128).clip(low, high)) else None
