"""Convolution with a window: patches are gathered run by run, clipped at the borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from codegen.ir import Conv2D, Graph, Op
from codegen.kernels._patch import PatchKernel, PatchSpec
from codegen.kernels._window import convolution_window

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.optimize import Optimize


class Conv2DKernel(PatchKernel):
    """Any convolution of a single image."""

    name: ClassVar[str] = "conv2d"

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> PatchSpec | None:
        if not isinstance(op, Conv2D) or graph[op.inputs[0]].shape[0] != 1:
            return None
        return self._spec(op, graph, core, convolution_window(op, graph))
