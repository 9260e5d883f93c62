"""The layout of a chain, put together from what its links contribute: what :func:`codegen.compile.lay_out` makes of the same
network, several hundred times as fast.

That holds for the operators in :data:`ALONE` on shape-only graphs, as long as they read what the operator before them wrote:

- every pass looks for operators of other kinds (Pad, Mean, Transpose, Reshape, an activation of its own, …), needs data, or acts on
  one operator whatever its neighbours, a pool of one cell for example, and then acts on it in a graph of its own as well;
- none of their outputs is a view, so each has a buffer to itself;
- a chain has one order;
- kernels and schedules are chosen for an operator by its attributes and tensors.

Zero points, nominal ones here, choose neither kernel nor schedule nor memory of a layer with weights, whose spec carries them
along, or of a pool.
An Add is the opposite: its form depends on the three quantizations, is found by trial, and is the same for every shape.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from codegen import ir
from codegen.chain import Link, Mould, with_zero_points
from codegen.cores import Core
from codegen.flat_spec import flat
from codegen.int4 import Int4Spec, select
from codegen.ir import Graph, Op, Weighted, macs
from codegen.kernels._base import Kernel
from codegen.kernels._broadcast import broadcast
from codegen.memory_plan import LinkDemand
from codegen.optimize import Optimize
from codegen.passes import run_passes
from codegen.schedules import shipped_schedules

ALONE = (Weighted, ir.Add, ir.Sub, ir.Mul, ir.Maximum, ir.Minimum, ir.Pool2D, ir.Softmax)
"""Operators that are laid out without a look at their neighbours."""


class LinkLayout(NamedTuple):
    """What a link becomes in any chain.

    Its kernel and ``spec``, of which ``zero_points`` (by field, dotted) replace what it has there; ``family`` is a number that is
    equal for equal kernels and specs but for zero points; ``of_mould`` says whether all links of the mould have this layout, with
    their zero points in these fields, or of a sum those of the same :meth:`ChainLayouts.form`; then the kernel's trip counts,
    multiply-accumulates, bytes of scratch, how many arguments the call of its function takes, and what it asks of the memory plan
    (packed).
    """

    kernel: Kernel[Any]
    spec: Any
    zero_points: tuple[tuple[str, int], ...]
    family: int
    of_mould: bool
    work: Mapping[str, int]
    macs: int
    scratch: int
    arguments: int
    demand: bytes


class _Sum(NamedTuple):
    """How an Add or Sub of some zero points is computed, whatever its shape; equal specs have one ``form``."""

    kernel: Kernel[Any]
    spec: Any
    form: int


class ChainLayouts:
    """Layouts of links for one core and optimisation level, with the schedules that come with the package."""

    def __init__(self, core: Core, optimize: Optimize) -> None:
        self._core, self._optimize = core, optimize
        self._choose = shipped_schedules(core, optimize)
        self._families: dict[Hashable, int] = {}
        self._sums: dict[Hashable, _Sum] = {}
        self._forms: dict[Hashable, int] = {}
        self._kinds: dict[Mould, Hashable] = {}

    def link(self, link: Link) -> LinkLayout | None:
        """The layout of a link; None where it depends on the neighbours. It is not kept.

        :raises UserError: if no kernel can compute the operator.
        """
        layer = link.mould.layer()
        (op,) = layer.ops
        if not isinstance(op, ALONE) or 1 not in link.mould.back or any(t.data is not None for t in layer.tensors.values()):
            return None
        if isinstance(op, ir.Add | ir.Sub):
            return self._layout(link, layer, *self._sum(op, layer, link), of_mould=True)
        of_mould = isinstance(op, Weighted) or (isinstance(op, ir.Pool2D) and len(set(link.zero_points)) == 1)
        layer = with_zero_points(layer, [0 for _ in link.zero_points] if of_mould else link.zero_points)
        if not _stays(op, layer) and run_passes(layer) is not layer:
            return None
        return self._layout(link, layer, *select(op, layer, self._core, self._optimize), of_mould=of_mould)

    def form(self, link: Link) -> int | None:
        """The form of a sum, by number, which follows from its zero points; None for all else, and where no link of the mould or
        none with such zero points was laid out yet."""
        kind = self._kinds.get(link.mould)
        known = None if kind is None else self._sums.get((kind, link.zero_points))
        return None if known is None else known.form

    def _sum(self, op: Op, layer: Graph, link: Link) -> tuple[Kernel[Any], Hashable]:
        scales = tuple(t.quantization and t.quantization.scale for t in (layer[name] for name in (*op.inputs, op.output)))
        kind = self._kinds[link.mould] = (type(op), _attributes(op), scales)
        known = self._sums.get((kind, link.zero_points))
        if known is None:
            kernel, found = select(op, with_zero_points(layer, link.zero_points), self._core, self._optimize)
            spec: Any = found
            form = self._forms.setdefault(replace(spec, geometry=None), len(self._forms))
            known = self._sums[kind, link.zero_points] = _Sum(kernel, spec, form)
        return known.kernel, replace(known.spec, geometry=broadcast(op, layer))

    def _layout(self, link: Link, layer: Graph, kernel: Kernel[Any], default: Hashable, *, of_mould: bool) -> LinkLayout:
        (op,), back = layer.ops, link.mould.back
        spec, work = self._choose.with_work(kernel, default)
        zero_points = _zero_points(spec, *link.zero_points) if isinstance(op, Weighted) else ()
        scratch, overlap = kernel.scratch_bytes(spec), kernel.overlap(spec)
        leads = (*overlap, *(None,) * (len(back) - len(overlap)))
        return LinkLayout(
            kernel,
            spec,
            zero_points,
            self._families.setdefault((kernel.name, *flat(spec)), len(self._families)),
            of_mould,
            work,
            macs(op, layer),
            scratch,
            len(back) + 1 + (scratch > 0) + len(op.parameters),
            LinkDemand(layer[op.output].nbytes, scratch, tuple(zip(back, leads, strict=True))).packed(),
        )


def _stays(op: Op, layer: Graph) -> bool:
    """Whether it is plain that no pass acts on an operator without data: one with weights or a pool of several cells, on one
    image."""
    several = isinstance(op, Weighted) or (isinstance(op, ir.Pool2D) and op.window != (1, 1))
    return several and layer[op.inputs[0]].shape[0] == 1


def _attributes(op: Op) -> tuple[Hashable, ...]:
    """The values of an operator that are no names of its own or of tensors."""
    return tuple(getattr(op, f.name) for f in fields(op) if f.name not in ("name", "inputs", "output", "weight", "bias"))


def _zero_points(spec: Any, source: int, output: int) -> tuple[tuple[str, int], ...]:
    """The fields in which the spec of a layer with weights holds the zero points of its input and output, with these values."""
    if isinstance(spec, Int4Spec):
        return tuple((f"eight.{name}", value) for name, value in _zero_points(spec.eight, source, output))
    written = ("requantization.zero_point", output)
    return (("zero_point", source), written) if hasattr(spec, "zero_point") else (written,)
