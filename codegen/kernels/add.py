"""Addition and subtraction of two tensors, of which either may repeat or be constant.

With all factors known, an output is a function of two bytes. TFLite computes it in steps: both operands to twice the greater
scale, their sum to the output's, each with its own rounding. Nearly always one linear function, rounded once, gives the same
byte for every pair of bytes, which is tried out when the operator is specialized:

    y = clamp((base + (A * first >> 8) + (B * second >> 8)) >> shift)

Where sums fall on ties, which TFLite rounds away from zero, the sum is taken without the output's zero point and a negative one is
lowered by one before the rest is added (``symmetric``). What is left is computed in TFLite's steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from codegen.ir import Add, Graph, Op, Sub
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
from codegen.requantize import ADD_LEFT_SHIFT, Int64, multipliers, requantize

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

Form = Literal["linear", "symmetric", "stepwise"]
_SHIFTS = range(21, 9, -1)
_FACTOR_BITS = 8
"""Bits by which the factors are finer than the sum."""
_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class AddSpec:
    """See the module; ``zero_points`` (first, second, output) and ``subtract`` matter to the stepwise form only."""

    geometry: Broadcast
    clamp: tuple[int, int]
    form: Form
    shift: int = 0
    zero_points: tuple[int, int, int] = (0, 0, 0)
    subtract: bool = False

    @property
    def parameters(self) -> int:
        """Numbers that the function reads beside its operands."""
        return {"linear": 3, "symmetric": 4, "stepwise": 6}[self.form]


class AddKernel(Kernel[AddSpec]):
    """See the module."""

    name = "add"
    micro_kernels = (_requantize.MICRO_KERNEL, "add")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> AddSpec | None:
        if not isinstance(op, Add | Sub):
            return None
        geometry = broadcast(op, graph)
        if any(graph[name].quantization is None for name in (*op.inputs, op.output)):
            return AddSpec(geometry, op.clamp, "linear", _SHIFTS[0])
        found = _linear(op, graph)
        if found is not None:
            return AddSpec(geometry, op.clamp, *found[:2])
        first, second, y = (graph[name].zero_point for name in (*op.inputs, op.output))
        return AddSpec(geometry, op.clamp, "stepwise", 0, (first, second, y), isinstance(op, Sub))

    def constant_bytes(self, spec: AddSpec) -> int:
        return constant_operand_bytes(spec.geometry) + 4 * spec.parameters

    def pack(self, op: Op, graph: Graph, spec: AddSpec) -> tuple[Constant, ...]:
        assert isinstance(op, Add | Sub)
        found = _linear(op, graph)
        if found is not None:
            parameters = np.array(found[2], np.int32)
        else:
            parameters = np.stack(multipliers(op, graph), axis=1).reshape(-1).astype(np.int32)
        return (*constant_operands(op, graph), Constant("parameters", parameters))

    def overlap(self, spec: AddSpec) -> tuple[int | None, ...]:
        return broadcast_overlap(spec.geometry)

    def work(self, spec: AddSpec) -> Mapping[str, int]:
        slow = {form: spec.geometry.size * (spec.form == form) for form in ("symmetric", "stepwise")}
        return {**broadcast_work(spec.geometry), **slow}

    def prim_func(self, spec: AddSpec) -> tvm.tirx.PrimFunc:
        def arguments(parameters: Any) -> list[Any]:
            read = [parameters[i] for i in range(spec.parameters)]
            if spec.form == "stepwise":
                return [*spec.zero_points[:2], -1 if spec.subtract else 1, *read, spec.zero_points[2], *spec.clamp]
            return [*read, spec.shift, *spec.clamp]

        function = {"linear": "add", "symmetric": "add_symmetric", "stepwise": "add_stepwise"}[spec.form]
        return broadcast_prim_func(spec.geometry, function, spec.parameters, arguments)


def _linear(op: Add | Sub, graph: Graph) -> tuple[Form, int, tuple[int, ...]] | None:
    """Form, shift and parameters of a linear function that equals ``op`` for all operands; None if there is no such function."""
    first, second, y = (graph[name] for name in (*op.inputs, op.output))
    values = [_values(graph, name) for name in op.inputs]
    wanted = _outputs(op, graph, values)
    sign = -1 if isinstance(op, Sub) else 1
    factors = (first.scale / y.scale, sign * second.scale / y.scale)
    forms: tuple[Form, ...] = ("linear", "symmetric")
    for form in forms:
        for shift in _SHIFTS:
            if max(map(abs, factors)) * 2.0 ** (shift + _FACTOR_BITS) >= _INT32 - 1:
                continue
            a, b = (round(factor * 2.0 ** (shift + _FACTOR_BITS)) for factor in factors)
            terms = [factor * v >> _FACTOR_BITS for factor, v in zip((a, b), values, strict=True)]
            sums = terms[0][:, None] + terms[1][None, :]
            base: tuple[int, ...] = ()
            if form == "symmetric":
                base = (-(a * first.zero_point >> _FACTOR_BITS) - (b * second.zero_point >> _FACTOR_BITS),)
                sums = sums + base[0]
                sums = sums + (sums >> 31)
            addend = _addend(sums, wanted, op.clamp, shift)
            if addend is None:
                continue
            # Every partial sum stays in 32 bits: the terms are taken one after the other.
            if sum(int(np.abs(t).max()) for t in terms) + abs(addend) + sum(map(abs, base)) < _INT32 - 1:
                return form, shift, (a, b, *base, addend)
    return None


def _addend(sums: Int64, wanted: Int64, clamp: tuple[int, int], shift: int) -> int | None:
    """A number for which ``clamp((sums + number) >> shift)`` is ``wanted`` everywhere."""
    low, high = clamp
    least = np.where(wanted > low, (wanted << shift) - sums, -(2**62)).max()
    most = np.where(wanted < high, ((wanted + 1) << shift) - 1 - sums, 2**62).min()
    if least > most:
        return None
    return int(np.clip(0, least, most))


def _values(graph: Graph, name: str) -> Int64:
    """Bytes that an operand can hold."""
    data = graph[name].data
    return np.arange(-128, 128, dtype=np.int64) if data is None else np.unique(data).astype(np.int64)


def _outputs(op: Add | Sub, graph: Graph, values: list[Int64]) -> Int64:
    """What the operator is, for every pair of bytes."""
    q, e = multipliers(op, graph)
    first, second = (
        requantize(v - graph[name].zero_point << ADD_LEFT_SHIFT, q[i], e[i])
        for i, (name, v) in enumerate(zip(op.inputs, values, strict=True))
    )
    total = first[:, None] + (-1 if isinstance(op, Sub) else 1) * second[None, :]
    return np.clip(requantize(total, q[2], e[2]) + graph[op.output].zero_point, *op.clamp)
