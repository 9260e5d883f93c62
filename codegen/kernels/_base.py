"""What a kernel is: one way to turn an operator of the IR into a C function, and everything a plan must know of it beforehand.

A kernel first *specializes* an operator into a **spec**: a small frozen dataclass of integers that holds all that the C code
depends on (shapes, strides, zero points, clamp range), but no weights. Whatever is asked before the build (scratch, overlap,
size of constants, work for the cost models) and the schedule itself are functions of the spec alone, so two layers with equal
specs share one C function, and a shape-only graph can be planned and costed exactly like a trained one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from codegen.ir import Graph, Op

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

Spec = TypeVar("Spec", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that the kernel's function takes as an argument and that lives in flash. ``name`` is the C parameter's name."""

    name: str
    data: NDArray[Any]


class Kernel(ABC, Generic[Spec]):
    """One way to compute an operator.

    The C function that comes of :meth:`prim_func` takes, in this order: the activation inputs of the operator, the constants of
    :meth:`pack` in their order, ``scratch`` (only where :meth:`scratch_bytes` is not 0), and the output.
    """

    name: ClassVar[str]
    """Identifies the kernel in reports and cost-model files; lower case with underscores."""
    micro_kernels: ClassVar[tuple[str, ...]] = ()
    """Headers of ``codegen/kernels/micro/`` that the printed C calls, without their ending."""

    @abstractmethod
    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> Spec | None:
        """The spec for ``op`` on ``core``, its schedule fit for ``optimize``; None where this kernel cannot compute it."""

    def schedules(self, spec: Spec, core: Core) -> tuple[Spec, ...]:
        """Specs that compute the same as ``spec`` with other schedules (tiles, unrolling, form of the weights), ``spec`` first."""
        return (spec,)

    @abstractmethod
    def constant_bytes(self, spec: Spec) -> int:
        """Total bytes of :meth:`pack`, exactly, without needing the weights."""

    @abstractmethod
    def pack(self, op: Op, graph: Graph, spec: Spec) -> tuple[Constant, ...]:
        """Weights, biases and requantisation parameters in the layout that the function reads."""

    def scratch_bytes(self, spec: Spec) -> int:
        """Bytes of 4-byte aligned arena memory that the function may overwrite while it runs."""
        return 0

    def overlap(self, spec: Spec) -> tuple[int | None, ...]:
        """For each activation input: how the output may run into it.

        A number ``lead`` means: input and output may share memory if ``input_offset - output_offset >= lead`` (bytes; negative
        where the output may even begin behind the input's start). None means that they must be disjoint.
        """
        return ()

    @abstractmethod
    def work(self, spec: Spec) -> Mapping[str, int]:
        """Trip counts of the schedule's loops, the physical features of the latency model (``{"calls": 1, "rows": 8, ...}``)."""

    @abstractmethod
    def prim_func(self, spec: Spec) -> tvm.tirx.PrimFunc:
        """The scheduled TIR function (imports TVM)."""

    def shared_functions(self, spec: Spec) -> Mapping[str, Callable[[], tvm.tirx.PrimFunc]]:
        """Makers (which import TVM) of the scheduled TIR functions that :meth:`prim_func` calls as ``NN_<name>``.

        Layers of other specs call them too: a name tells all that its function depends on.
        """
        return {}
