"""The kernels, in order of preference, and how one is chosen for an operator."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from codegen.ir import Graph, Op
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._swar import SwarKernel
from codegen.kernels._winograd import WinogradKernel
from codegen.kernels.add import AddKernel
from codegen.kernels.arg_max import ArgMaxKernel
from codegen.kernels.average_pool2d import AveragePool2DKernel
from codegen.kernels.conv2d import Conv2DKernel
from codegen.kernels.depthwise_column import DepthwiseColumnKernel
from codegen.kernels.depthwise_conv2d import DepthwiseConv2DKernel
from codegen.kernels.extremum import ExtremumKernel
from codegen.kernels.float_border import FloatBorderKernel
from codegen.kernels.fully_connected import FullyConnectedKernel
from codegen.kernels.lookup_table import LookupTableKernel
from codegen.kernels.max_pool2d import MaxPool2DKernel
from codegen.kernels.movement import MovementKernel
from codegen.kernels.mul import MulKernel
from codegen.kernels.pointwise import PointwiseKernel
from codegen.kernels.reduction import ReductionKernel
from codegen.kernels.softmax import SoftmaxKernel

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.optimize import Optimize

__all__ = ["KERNELS", "MICRO", "Constant", "Kernel", "library_hash", "select"]

MICRO = Path(__file__).parent / "micro"
"""Folder of the micro-kernel headers."""

KERNELS: tuple[Kernel[Any], ...] = (
    SwarKernel(),
    WinogradKernel(),
    FullyConnectedKernel(),
    PointwiseKernel(),
    Conv2DKernel(),
    DepthwiseColumnKernel(),
    DepthwiseConv2DKernel(),
    AveragePool2DKernel(),
    MaxPool2DKernel(),
    AddKernel(),
    MulKernel(),
    ExtremumKernel(),
    LookupTableKernel(),
    FloatBorderKernel(),
    MovementKernel(),
    ReductionKernel(),
    SoftmaxKernel(),
    ArgMaxKernel(),
)
"""Every kernel, the first that can compute an operator is taken."""


def select(op: Op, graph: Graph, core: Core, optimize: Optimize) -> tuple[Kernel[Any], Hashable]:
    """The kernel for ``op`` on ``core`` and its spec.

    :raises UserError: where no kernel computes this operator.
    """
    for kernel in KERNELS:
        spec = kernel.specialize(op, graph, core, optimize)
        if spec is not None:
            return kernel, spec
    raise UserError(f"graph {graph.name!r}: no kernel computes operator {op.name!r} ({op.kind}) on {core.name}")


@cache
def library_hash() -> str:
    """Hash of all that decides what C comes of a spec: this package's sources and the lowering. 64 hexadecimal digits."""
    here = Path(__file__).parent
    files = sorted([*here.rglob("*.py"), *MICRO.glob("*.h"), here.parent / "tvm_build.py"])
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(here.parent).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
