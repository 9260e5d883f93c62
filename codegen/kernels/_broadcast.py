"""What the operators of two operands share: how operands repeat under an output, and TIR loops over groups of four elements.

A group is read before its results are written, so the output may replace an operand that has an element for each of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import Graph, Op
from codegen.kernels._base import Constant
from codegen.kernels._parts import parts
from codegen.kernels._tir import call, loops

if TYPE_CHECKING:
    import tvm

GROUP = 4
"""Elements of a group: the bytes of a word."""
_NAMES = ("first", "second")


@dataclass(frozen=True, slots=True)
class Operand:
    """``length`` elements, found with one stride for each axis of the output: 0 where the operand repeats."""

    length: int
    strides: tuple[int, ...]
    constant: bool


@dataclass(frozen=True, slots=True)
class Broadcast:
    """An output of ``extents``, outermost first, with as few axes as tell the operands apart."""

    extents: tuple[int, ...]
    operands: tuple[Operand, Operand]

    @property
    def size(self) -> int:
        """Elements of the output."""
        return math.prod(self.extents)


def broadcast(op: Op, graph: Graph) -> Broadcast:
    """The geometry of ``op``. Axes along which both operands advance, or both repeat, as one are merged."""
    shape = graph[op.output].shape
    strides = [_strides(graph[name].shape, len(shape)) for name in op.inputs]
    axes: list[tuple[int, tuple[int, ...]]] = []  # length, stride of each operand
    for extent, *pair in zip(shape, *strides, strict=True):
        if extent == 1:
            continue
        inner = tuple(pair)
        if axes and axes[-1][1] == tuple(extent * stride for stride in inner):
            axes[-1] = (axes[-1][0] * extent, inner)
        else:
            axes.append((extent, inner))
    axes = axes or [(1, (0, 0))]
    first, second = (
        Operand(graph[name].size, tuple(pair[number] for _, pair in axes), graph[name].constant)
        for number, name in enumerate(op.inputs)
    )
    return Broadcast(tuple(extent for extent, _ in axes), (first, second))


def _strides(shape: Sequence[int], rank: int) -> list[int]:
    padded = (*(1,) * (rank - len(shape)), *shape)
    return [0 if extent == 1 else math.prod(padded[axis + 1 :]) for axis, extent in enumerate(padded)]


def broadcast_overlap(geometry: Broadcast) -> tuple[int | None, ...]:
    """Leads of the activations: an operand that repeats is needed until the end."""
    return tuple(0 if o.length == geometry.size else None for o in geometry.operands if not o.constant)


def broadcast_work(geometry: Broadcast) -> Mapping[str, int]:
    """Trip counts: rows of the innermost axis, whole groups, and elements that fill no group."""
    *outer, inner = geometry.extents
    rows = math.prod(outer)
    return {"calls": 1, "rows": rows, "groups": rows * (inner // GROUP), "rest": rows * (inner % GROUP)}


def constant_operand_bytes(geometry: Broadcast) -> int:
    """Bytes of the operands that are constants."""
    return sum(o.length for o in geometry.operands if o.constant)


def constant_operands(op: Op, graph: Graph) -> tuple[Constant, ...]:
    """The operands that are constants, as they are."""
    found = []
    for name, number in zip(op.inputs, _NAMES, strict=True):
        data = graph[name].data
        if data is not None:
            found.append(Constant(number, np.ascontiguousarray(data).reshape(-1)))
    return tuple(found)


def broadcast_prim_func(
    geometry: Broadcast, function: str, parameters: int, arguments: Callable[[Any], Sequence[Any]]
) -> tvm.tirx.PrimFunc:
    """The function ``activations, constant operands, [parameters], y``: one micro-kernel call for each group.

    ``parameters`` is the length of an int32 array, 0 for none; ``arguments`` makes of it what the micro-kernel takes behind
    ``y, first, its step, second, its step, count``.
    """
    from tvm import s_tir
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    from codegen.tvm_build import annotate

    operands, size = geometry.operands, geometry.size
    *outer, inner = geometry.extents
    order = sorted(range(2), key=lambda i: operands[i].constant)
    with IRBuilder() as ib, T.prim_func(s_tir=True):
        T.func_name("main")
        buffers = {i: T.arg(_NAMES[i], T.buffer((operands[i].length,), "int8")) for i in order}
        constants = [T.arg("parameters", T.buffer((parameters,), "int32"))] if parameters else []
        y = T.arg("y", T.buffer((size,), "int8"))
        values = arguments(constants[0]) if constants else arguments(None)
        with T.sblock("root"), loops(**{f"axis_{i}": extent for i, extent in enumerate(outer)}, row=1) as (*indices, _):
            for part in parts(inner, GROUP):
                with loops(group=part.blocks) as (group,), T.sblock(f"{function}_{part.size}"):
                    T.reads(*(buffer[0 : buffer.shape[0]] for buffer in (*buffers.values(), *constants)))
                    T.writes(y[0:size])
                    position = [*indices, part.start + group * part.size]
                    pointers = [_address(y, position, _strides(geometry.extents, len(geometry.extents)))]
                    for number, operand in enumerate(operands):
                        pointers += [_address(buffers[number], position, operand.strides), operand.strides[-1]]
                    call(function, *pointers, part.size, *values)
    restrict = (*(_NAMES[i] for i in order if operands[i].constant), *(["parameters"] if parameters else []))
    return annotate(s_tir.Schedule(ib.get()).mod["main"], restrict)


def _address(buffer: Any, position: Sequence[Any], strides: Sequence[int]) -> Any:
    from tvm.tirx.script import builder as T

    return T.address_of(buffer[sum((at * stride for at, stride in zip(position, strides, strict=True)), start=T.int32(0))])
