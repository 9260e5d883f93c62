"""Convolution and matrix product whose windows are plain runs of bytes: patches are expanded straight from the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from codegen.ir import Conv2D, FullyConnected, Graph, Op
from codegen.kernels._patch import PatchKernel, PatchSpec
from codegen.kernels._window import convolution_window, rows_window

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.optimize import Optimize


class PointwiseKernel(PatchKernel):
    """1x1 convolutions, convolutions along one axis without padding, matrix products of several rows."""

    name: ClassVar[str] = "pointwise"

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> PatchSpec | None:
        match op:
            case Conv2D() if graph[op.inputs[0]].shape[0] == 1:
                window = convolution_window(op, graph)
            case FullyConnected():
                window = rows_window(op, graph)
            case _:
                return None
        return self._spec(op, graph, core, window) if window.contiguous else None
