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

from collections.abc import Hashable
from dataclasses import fields, replace
from typing import Any, NamedTuple, cast

from codegen import ir
from codegen.chain import Link, Mould
from codegen.cores import Core
from codegen.ir import Op, Weighted, macs
from codegen.kernels import select
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
    equal for equal kernels and specs but for zero points; then multiply-accumulates, bytes of scratch, how many arguments the call
    of its function takes, and what it asks of the memory plan (packed).
    """

    kernel: Kernel[Any]
    spec: Any
    zero_points: tuple[tuple[str, int], ...]
    family: int
    macs: int
    scratch: int
    arguments: int
    demand: bytes


class ChainLayouts:
    """Layouts of links for one core and optimisation level, with the schedules that come with the package."""

    def __init__(self, core: Core, optimize: Optimize) -> None:
        self._core, self._optimize = core, optimize
        self._choose = shipped_schedules(core, optimize)
        self._moulds: dict[Mould, LinkLayout | None] = {}
        self._sums: dict[Hashable, tuple[Kernel[Any], Any]] = {}
        self._families: dict[tuple[str, Hashable], int] = {}

    def link(self, link: Link) -> LinkLayout | None:
        """The layout of a link; None where it depends on the neighbours.

        :raises UserError: if no kernel can compute the operator.
        """
        mould = link.mould
        match mould.op:
            case Weighted() | ir.Pool2D() if isinstance(mould.op, Weighted) or len(set(link.zero_points)) == 1:
                if mould not in self._moulds:
                    self._moulds[mould] = self._new(link)
                known = self._moulds[mould]
                if known is None or not known.zero_points:
                    return known
                source, output = link.zero_points
                return known._replace(zero_points=_zero_points(known.spec, source, output))
            case ir.Add() | ir.Sub():
                return self._sum(link)
            case _:
                return self._new(link)

    def _new(self, link: Link) -> LinkLayout | None:
        layer = link.layer
        (op,) = layer.ops
        if not _alone(link.mould) or run_passes(layer) is not layer:
            return None
        return self._layout(link, *select(op, layer, self._core, self._optimize))

    def _sum(self, link: Link) -> LinkLayout | None:
        op, layer = link.mould.op, link.mould.layer
        if not _alone(link.mould):
            return None
        scales = tuple(t.quantization and t.quantization.scale for t in (layer[name] for name in (*op.inputs, op.output)))
        key = (type(op), _attributes(op), scales, link.zero_points)
        known = self._sums.get(key)
        if known is None:
            known = self._sums[key] = select(op, link.layer, self._core, self._optimize)
        kernel, spec = known[0], cast(Any, known[1])
        return self._layout(link, kernel, replace(spec, geometry=broadcast(op, layer)))

    def _layout(self, link: Link, kernel: Kernel[Any], default: Hashable) -> LinkLayout:
        mould = link.mould
        spec: Any = self._choose(mould.op, kernel, default)
        zero_points: tuple[tuple[str, int], ...] = ()
        neutral = spec
        if isinstance(mould.op, Weighted):
            zero_points, neutral = _zero_points(spec, *link.zero_points), _without_zero_points(spec)
        scratch, overlap = kernel.scratch_bytes(spec), kernel.overlap(spec)
        leads = (*overlap, *(None,) * (len(mould.back) - len(overlap)))
        return LinkLayout(
            kernel,
            spec,
            zero_points,
            self._families.setdefault((kernel.name, neutral), len(self._families)),
            macs(mould.op, mould.layer),
            scratch,
            len(mould.back) + 1 + (scratch > 0) + len(mould.op.parameters),
            LinkDemand(mould.output.nbytes, scratch, tuple(zip(mould.back, leads, strict=True))).packed(),
        )


def _alone(mould: Mould) -> bool:
    constants = [t for t in mould.layer.tensors.values() if t.constant]
    return isinstance(mould.op, ALONE) and 1 in mould.back and all(t.data is None for t in constants)


def _attributes(op: Op) -> tuple[Hashable, ...]:
    """The values of an operator that are no names of its own or of tensors."""
    return tuple(getattr(op, f.name) for f in fields(op) if f.name not in ("name", "inputs", "output", "weight", "bias"))


def _zero_points(spec: Any, source: int, output: int) -> tuple[tuple[str, int], ...]:
    """The fields in which the spec of a layer with weights holds the zero points of its input and output, with these values."""
    written = ("requantization.zero_point", output)
    return (("zero_point", source), written) if hasattr(spec, "zero_point") else (written,)


def _without_zero_points(spec: Any) -> Any:
    """The spec of a layer with weights, with 0 for its zero points."""
    neutral = replace(spec, requantization=replace(spec.requantization, zero_point=0))
    return replace(neutral, zero_point=0) if hasattr(spec, "zero_point") else neutral
