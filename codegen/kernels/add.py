"""Addition of two tensors, of which one may repeat: a scalar, a vector of channels, any trailing part of the shape, also constant.

The operand with the greater scale has the factor one half (TFLite doubles the greater scale to get the common one), which is a
shift; the other one is multiplied. Four elements are read before their sums are written, and the sum may replace either operand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import Add, Graph, Op, Tensor
from codegen.kernels import _requantize
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import Part, parts
from codegen.kernels._requantize import Requantization
from codegen.requantize import multipliers

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_UNROLL = 4
_LARGEST_SHIFT = 22


@dataclass(frozen=True, slots=True)
class Operand:
    """``length`` elements that repeat until the output is full; ``halved`` marks the factor one half."""

    length: int
    constant: bool
    zero_point: int
    halved: bool


@dataclass(frozen=True, slots=True)
class AddSpec:
    """An output of ``length`` elements; the shorter operand, if any, is as long as one row of the loops."""

    length: int
    operands: tuple[Operand, Operand]
    requantization: Requantization

    @property
    def row(self) -> int:
        """Elements after which an operand repeats."""
        return min(operand.length for operand in self.operands)


class AddKernel(Kernel[AddSpec]):
    """See the module."""

    name = "add"
    micro_kernels = (_requantize.MICRO_KERNEL, "add")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> AddSpec | None:
        if not isinstance(op, Add):
            return None
        y = graph[op.output]
        operands = [graph[name] for name in op.inputs]
        if not all(_repeats(x, y) for x in operands) or all(x.size < y.size or x.constant for x in operands):
            return None
        halved, bounded = (True, False), True
        if all(t.quantization is not None for t in (*operands, y)):
            q, e = multipliers(op, graph)
            halved = (bool(q[0] == 2**30 and e[0] == 0), bool(q[1] == 2**30 and e[1] == 0))
            bounded = 1 <= -int(e[2]) <= _LARGEST_SHIFT
        first, second = (Operand(x.size, x.constant, x.zero_point, h) for x, h in zip(operands, halved, strict=True))
        return AddSpec(y.size, (first, second), Requantization(bounded, y.zero_point, *op.clamp))

    def constant_bytes(self, spec: AddSpec) -> int:
        return sum(o.length for o in spec.operands if o.constant) + 4 * 6

    def pack(self, op: Op, graph: Graph, spec: AddSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Add)
        q, e = multipliers(op, graph)
        shifts = np.where(q == 0, 1, -e)
        shifts[2] = shifts[2] if spec.requantization.bounded else e[2]
        parameters = np.stack([q, shifts], axis=1).reshape(-1).astype(np.int32)
        constants = []
        for name, number in zip(op.inputs, ("first", "second"), strict=True):
            data = graph[name].data
            if graph[name].constant and data is not None:
                constants.append(Constant(number, data.reshape(-1)))
        return (*constants, Constant("scales", parameters))

    def overlap(self, spec: AddSpec) -> tuple[int | None, ...]:
        return tuple(0 if o.length == spec.length else None for o in spec.operands if not o.constant)

    def work(self, spec: AddSpec) -> Mapping[str, int]:
        rows = spec.length // spec.row
        return {
            "calls": 1,
            "rows": rows,
            "groups": rows * sum(part.blocks for part in parts(spec.row, _UNROLL)),
            "scaled_operands": spec.length * sum(not o.halved for o in spec.operands),
            "requantisations": spec.length,
        }

    def prim_func(self, spec: AddSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import allocate, loops
        from codegen.tvm_build import annotate

        names = ("first", "second")
        row_parts = parts(spec.row, _UNROLL)
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            order = sorted(range(2), key=lambda i: spec.operands[i].constant)
            buffers = {i: T.arg(names[i], T.buffer((spec.operands[i].length,), "int8")) for i in order}
            scales = T.arg("scales", T.buffer((6,), "int32"))
            y = T.arg("y", T.buffer((spec.length,), "int8"))
            with T.sblock("root"):
                results = {part: allocate("sums", (part.size,), "int8") for part in row_parts}
                with loops(row=spec.length // spec.row) as (row,):
                    for part in row_parts:
                        with loops(group=part.blocks) as (group,):
                            _sum(spec, part, row, group, [buffers[0], buffers[1]], scales, results[part])
                            _store(spec, part, row, group, results[part], y)
        schedule = s_tir.Schedule(ib.get())
        for part in row_parts:
            for stage in ("sum", "store"):
                schedule.unroll(schedule.get_loops(f"{stage}_{part.size}")[-1])
        return annotate(schedule.mod["main"], ("scales", *(names[i] for i in order if spec.operands[i].constant)))


def _sum(spec: AddSpec, part: Part, row: Any, group: Any, operands: list[Any], scales: Any, sums: Any) -> None:
    from tvm.tirx.script import builder as T

    from codegen.kernels._tir import loops

    with loops(element=part.size) as (element,), T.sblock(f"sum_{part.size}"):
        r, g, i = T.axis.remap("SSS", [row, group, element])
        inside = part.start + g * part.size + i
        values = [
            x[r * spec.row + inside if o.length == spec.length else inside] for x, o in zip(operands, spec.operands, strict=True)
        ]
        T.reads(*values, scales[0:6])
        T.writes(sums[i])
        terms = []
        for number, (value, operand) in enumerate(zip(values, spec.operands, strict=True)):
            difference = T.cast(value, "int32") - operand.zero_point
            if operand.halved:
                terms.append(T.call_extern("int32", "NN_add_halved", difference))
            else:
                terms.append(T.call_extern("int32", "NN_add_scaled", difference, scales[2 * number], scales[2 * number + 1]))
        T.buffer_store(sums, spec.requantization.call(terms[0] + terms[1], scales[4], scales[5]), [i])


def _store(spec: AddSpec, part: Part, row: Any, group: Any, sums: Any, y: Any) -> None:
    from tvm.tirx.script import builder as T

    from codegen.kernels._tir import loops

    with loops(element=part.size) as (element,), T.sblock(f"store_{part.size}"):
        r, g, i = T.axis.remap("SSS", [row, group, element])
        to = r * spec.row + part.start + g * part.size + i
        T.reads(sums[i])
        T.writes(y[to])
        T.buffer_store(y, sums[i], [to])


def _repeats(x: Tensor, y: Tensor) -> bool:
    """Whether ``x`` is ``y``'s shape, or its trailing part behind axes of length 1."""
    trailing = x.shape
    while trailing and trailing[0] == 1:
        trailing = trailing[1:]
    return trailing == y.shape[len(y.shape) - len(trailing) :] and math.prod(trailing) == x.size
