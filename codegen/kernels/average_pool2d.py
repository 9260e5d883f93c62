"""Average pooling, global average pooling included: a window that is one run of cells is summed as a single row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.ir import AveragePool2D, Graph, Op
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._pool import Call, PoolSpec, pool_overlap, pool_prim_func, pool_spec, pool_work

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

_NARROW = 361
"""Cells up to which a mean by 2**24 / count is exact in 32 bits; see ``NN_mean``."""
_MOST = 92_000
"""Cells up to which a mean by 2**40 / count is exact: 128.5 * count**2 < 2**40."""


def reciprocal(count: int, most: int) -> int:
    """The factor of ``NN_mean`` for ``count`` of at most ``most`` cells, as int32."""
    factor = -(-(1 << (24 if most <= _NARROW else 40)) // count)
    return factor - (1 << 32) if factor >= 1 << 31 else factor


class AveragePool2DKernel(Kernel[PoolSpec]):
    """Any window, stride and padding. Where windows are clipped, the reciprocals of all counts are a table of up to 361 entries."""

    name = "average_pool2d"
    micro_kernels = ("pool",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> PoolSpec | None:
        return pool_spec(op, graph) if isinstance(op, AveragePool2D) else None

    def constant_bytes(self, spec: PoolSpec) -> int:
        return 4 * spec.most if _has_table(spec) else 0

    def pack(self, op: Op, graph: Graph, spec: PoolSpec) -> tuple[Constant, ...]:
        if not _has_table(spec):
            return ()
        rows, columns = spec.window.kernel
        table = [reciprocal((r + 1) * (c + 1), spec.most) for r in range(rows) for c in range(columns)]
        return (Constant("reciprocals", np.array(table, np.int32)),)

    def overlap(self, spec: PoolSpec) -> tuple[int | None, ...]:
        return (pool_overlap(spec),)

    def work(self, spec: PoolSpec) -> Mapping[str, int]:
        return pool_work(spec)

    def prim_func(self, spec: PoolSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._tir import call
        from codegen.tvm_build import annotate

        w = spec.window
        cell, row = w.channels, w.channels * w.width

        def prepare() -> Call:
            from tvm.tirx.script import builder as T

            table = T.arg("reciprocals", T.buffer((spec.most,), "int32")) if _has_table(spec) else None
            # Counts that differ and go beyond the table are divided by; so are sums beyond the factors' range.
            divides = (spec.clipped and table is None) or spec.most > _MOST

            def write(to: Any, start: Any, channels: int, rows: Any, columns: Any) -> None:
                if table is not None:
                    factor = table[(rows - 1) * w.kernel[1] + columns - 1]
                else:
                    factor = 0 if divides else reciprocal(spec.most, spec.most)
                call("average_pool", to, start, channels, rows, columns, row, cell, spec.most, factor, *spec.clamp)

            return write

        return annotate(pool_prim_func(spec, prepare), ("reciprocals",) if _has_table(spec) else ())


def _has_table(spec: PoolSpec) -> bool:
    return spec.clipped and spec.most <= _NARROW
