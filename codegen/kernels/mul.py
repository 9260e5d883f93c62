"""Product of two tensors, of which either may repeat or be constant, in TFLite's two roundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import Graph, Mul, Op
from codegen.kernels import _requantize
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
from codegen.requantize import multipliers

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_VANISHED = 18
"""Right shift from which on every product, below 2**16, becomes 0."""
_USUAL_SHIFT = 8


@dataclass(frozen=True, slots=True)
class MulSpec:
    """``shift`` is the right shift behind the multiplication, at least 1; or TFLite's exponent where it is not (``stepwise``)."""

    geometry: Broadcast
    zero_points: tuple[int, int, int]
    clamp: tuple[int, int]
    stepwise: bool
    shift: int


class MulKernel(Kernel[MulSpec]):
    """See the module."""

    name = "mul"
    micro_kernels = (_requantize.MICRO_KERNEL, "mul")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> MulSpec | None:
        if not isinstance(op, Mul):
            return None
        first, second, y = (graph[name] for name in (*op.inputs, op.output))
        shift = _USUAL_SHIFT
        if all(t.quantization is not None for t in (first, second, y)):
            q, e = multipliers(op, graph)
            shift = _VANISHED if q[0] == 0 else min(-int(e[0]), _VANISHED)
        stepwise = shift < 1
        zero_points = (first.zero_point, second.zero_point, y.zero_point)
        return MulSpec(broadcast(op, graph), zero_points, op.clamp, stepwise, -shift if stepwise else shift)

    def constant_bytes(self, spec: MulSpec) -> int:
        return constant_operand_bytes(spec.geometry) + 4

    def pack(self, op: Op, graph: Graph, spec: MulSpec) -> tuple[Constant, ...]:
        return (*constant_operands(op, graph), Constant("parameters", multipliers(op, graph)[0].astype(np.int32)))

    def overlap(self, spec: MulSpec) -> tuple[int | None, ...]:
        return broadcast_overlap(spec.geometry)

    def work(self, spec: MulSpec) -> Mapping[str, int]:
        return {**broadcast_work(spec.geometry), "stepwise": spec.geometry.size * spec.stepwise}

    def prim_func(self, spec: MulSpec) -> tvm.tirx.PrimFunc:
        first, second, y = spec.zero_points

        def arguments(parameters: Any) -> list[Any]:
            return [first, second, parameters[0], spec.shift, y, *spec.clamp]

        return broadcast_prim_func(spec.geometry, "mul_stepwise" if spec.stepwise else "mul", 1, arguments)
