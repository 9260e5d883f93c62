"""Greater or lesser of two tensors of one quantization, of which either may repeat or be constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.ir import Graph, Maximum, Minimum, Op
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._broadcast import (
    Broadcast,
    broadcast,
    broadcast_overlap,
    broadcast_prim_func,
    broadcast_work,
    constant_operand_bytes,
    constant_operands,
)

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize


@dataclass(frozen=True, slots=True)
class ExtremumSpec:
    """The greater byte, or the lesser one."""

    geometry: Broadcast
    greater: bool


class ExtremumKernel(Kernel[ExtremumSpec]):
    """Maximum and Minimum."""

    name = "extremum"
    micro_kernels = ("extremum",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> ExtremumSpec | None:
        if not isinstance(op, Maximum | Minimum):
            return None
        return ExtremumSpec(broadcast(op, graph), isinstance(op, Maximum))

    def constant_bytes(self, spec: ExtremumSpec) -> int:
        return constant_operand_bytes(spec.geometry)

    def pack(self, op: Op, graph: Graph, spec: ExtremumSpec) -> tuple[Constant, ...]:
        return constant_operands(op, graph)

    def overlap(self, spec: ExtremumSpec) -> tuple[int | None, ...]:
        return broadcast_overlap(spec.geometry)

    def work(self, spec: ExtremumSpec) -> Mapping[str, int]:
        return broadcast_work(spec.geometry)

    def prim_func(self, spec: ExtremumSpec) -> tvm.tirx.PrimFunc:
        return broadcast_prim_func(spec.geometry, "maximum" if spec.greater else "minimum", 0, lambda _: ())
