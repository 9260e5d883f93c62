"""Maximum pooling, four channels at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codegen.ir import Graph, MaxPool2D, Op
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._pool import Call, PoolSpec, pool_overlap, pool_prim_func, pool_spec, pool_work

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize


class MaxPool2DKernel(Kernel[PoolSpec]):
    """Any window, stride and padding."""

    name = "max_pool2d"
    micro_kernels = ("pool",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> PoolSpec | None:
        return pool_spec(op, graph) if isinstance(op, MaxPool2D) else None

    def constant_bytes(self, spec: PoolSpec) -> int:
        return 0

    def pack(self, op: Op, graph: Graph, spec: PoolSpec) -> tuple[Constant, ...]:
        return ()

    def overlap(self, spec: PoolSpec) -> tuple[int | None, ...]:
        return (pool_overlap(spec),)

    def work(self, spec: PoolSpec) -> Mapping[str, int]:
        return pool_work(spec)

    def prim_func(self, spec: PoolSpec) -> tvm.tirx.PrimFunc:
        from codegen.kernels._tir import call

        w = spec.window

        def prepare() -> Call:
            def write(to: Any, start: Any, channels: int, rows: Any, columns: Any) -> None:
                call("max_pool", to, start, channels, rows, columns, w.channels * w.width, w.channels, *spec.clamp)

            return write

        return pool_prim_func(spec, prepare)
