"""Mean, Sum and ReduceMax over any axes, four neighbouring channels at a time where the last axis stays.

Up to two groups of reduced axes, with axes that stay between them, are the rows and columns of a window, as a pool has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import Graph, Mean, Op, ReduceMax, Reduction, Sum
from codegen.kernels import _requantize
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._parts import Part, parts
from codegen.kernels._requantize import Requantization
from codegen.requantize import multipliers

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_GROUP = 4
"""Channels of a group: the bytes of a word."""
_BOUND = 2**30
_LARGEST_SHIFT = 22

Axes = tuple[tuple[int, int], ...]
"""Length and stride in bytes of each axis, outermost first."""


@dataclass(frozen=True, slots=True)
class ReductionSpec:
    """``kept`` and ``reduced`` axes (two: rows, columns); ``requantization`` is None for a maximum, which needs no zero point."""

    kept: Axes
    reduced: Axes
    input_zero: int
    requantization: Requantization | None

    @property
    def cells(self) -> int:
        """Elements that become one."""
        return math.prod(n for n, _ in self.reduced)

    @property
    def outputs(self) -> int:
        """Elements that remain."""
        return math.prod(n for n, _ in self.kept)

    @property
    def channel_parts(self) -> tuple[Part, ...]:
        """The last kept axis in groups, or one by one where its elements are no neighbours."""
        length, stride = self.kept[-1]
        return parts(length, _GROUP) if stride == 1 else (Part(0, length, 1),)


class ReductionKernel(Kernel[ReductionSpec]):
    """See the module."""

    name = "reduction"
    micro_kernels = (_requantize.MICRO_KERNEL, "pool", "reduction")

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> ReductionSpec | None:
        if not isinstance(op, Reduction):
            return None
        x, y = graph[op.inputs[0]], graph[op.output]
        kept, reduced = _axes(x.shape, op.axes)
        if len(reduced) > 2:
            return None
        rows_and_columns = ((1, 0),) * (2 - len(reduced)) + reduced
        if isinstance(op, ReduceMax):
            return ReductionSpec(kept, rows_and_columns, 0, None)
        bounded = True
        if x.quantization is not None and y.quantization is not None:
            q, e = multipliers(op, graph)
            bounded = 255 * (x.size // y.size) < _BOUND and (q[0] == 0 or 1 <= -int(e[0]) <= _LARGEST_SHIFT)
        return ReductionSpec(kept, rows_and_columns, x.zero_point, Requantization(bool(bounded), y.zero_point, -128, 127))

    def constant_bytes(self, spec: ReductionSpec) -> int:
        return 0 if spec.requantization is None else 8

    def pack(self, op: Op, graph: Graph, spec: ReductionSpec) -> tuple[Constant, ...]:
        if spec.requantization is None:
            return ()
        assert isinstance(op, Mean | Sum)
        (q,), (e,) = multipliers(op, graph)
        shift = (1 if q == 0 else -e) if spec.requantization.bounded else e
        return (Constant("scale", np.array([q, shift], np.int32)),)

    def overlap(self, spec: ReductionSpec) -> tuple[int | None, ...]:
        starts = np.zeros(1, np.int64)
        for length, stride in spec.kept:
            starts = (starts[:, None] + np.arange(length) * stride).ravel()
        # What was written when an element is read: its predecessors; channels of a group may be taken one by one.
        needed = np.minimum.accumulate(starts[::-1])[::-1]
        later = np.arange(1, spec.outputs) - needed[1:]
        return (int(later.max()) if later.size else -spec.cells,)

    def work(self, spec: ReductionSpec) -> Mapping[str, int]:
        groups = spec.outputs // spec.kept[-1][0] * sum(p.blocks for p in spec.channel_parts if p.size == _GROUP)
        single = spec.outputs - _GROUP * groups
        rows = spec.reduced[0][0]
        return {
            "calls": 1,
            "groups": groups,
            "group_rows": groups * rows,
            "group_cells": groups * spec.cells,
            "single": single,
            "single_rows": single * rows,
            "single_cells": single * spec.cells,
        }

    def prim_func(self, spec: ReductionSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.kernels._tir import call, loops
        from codegen.tvm_build import annotate

        *outer, (channels, stride) = spec.kept
        (rows, row_bytes), (columns, cell_bytes) = spec.reduced
        form = spec.requantization
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            x = T.arg("x", T.buffer((spec.outputs * spec.cells,), "int8"))
            scale = None if form is None else T.arg("scale", T.buffer((2,), "int32"))
            y = T.arg("y", T.buffer((spec.outputs,), "int8"))
            with T.sblock("root"), loops(**{f"axis_{i}": n for i, (n, _) in enumerate(outer)}, last=1) as (*indices, _):
                start: Any = T.int32(0)
                to: Any = T.int32(0)
                for index, (length, step) in zip(indices, outer, strict=True):
                    start, to = start + index * step, to * length + index
                for part in spec.channel_parts:
                    with loops(group=part.blocks) as (group,), T.sblock(f"reduce_{part.size}"):
                        T.reads(x[0 : x.shape[0]], *([] if scale is None else [scale[0:2]]))
                        T.writes(y[0 : y.shape[0]])
                        channel = part.start + group * part.size
                        pointers = (T.address_of(y[to * channels + channel]), T.address_of(x[start + channel * stride]))
                        window = (part.size, rows, columns, row_bytes, cell_bytes)
                        if form is None or scale is None:
                            call("max_pool", *pointers, *window, -128, 127)
                        else:
                            sums = (spec.cells, -spec.cells * spec.input_zero, scale[0], scale[1])
                            name = "reduce_sum_bounded" if form.bounded else "reduce_sum"
                            call(name, *pointers, *window, *sums, form.zero_point)
        return annotate(s_tir.Schedule(ib.get()).mod["main"], () if scale is None else ("scale",))


def _axes(shape: tuple[int, ...], reduced: tuple[int, ...]) -> tuple[Axes, Axes]:
    """Kept and reduced axes; neighbours of one kind are merged, and there is at least one that stays."""
    merged: list[tuple[bool, int, int]] = []  # whether reduced, length, stride
    for axis, length in enumerate(shape):
        if length == 1:
            continue
        stride = math.prod(shape[axis + 1 :])
        gone = axis in reduced
        if merged and merged[-1][0] == gone:
            merged[-1] = (gone, merged[-1][1] * length, stride)
        else:
            merged.append((gone, length, stride))
    kept, away = (tuple((n, stride) for gone, n, stride in merged if gone == which) for which in (False, True))
    return kept or ((1, 1),), away
