"""The costs of functions, one for each kernel and spec, and of the links of chains that call them, worked out once and kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from codegen.chain import Link
from codegen.chain_layout import ChainLayouts, LinkLayout
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.int4 import UNPACK, Int4Kernel, Int4Spec
from codegen.kernels._base import Kernel
from codegen.optimize import Optimize
from cost_models.costs import LayerCosts, Routine
from cost_models.descriptors import descriptors, shared_functions
from cost_models.parts import Parts
from cost_models.totals import Summation, renumbered

MOST_LINKS = 1 << 19
"""Links that are kept, some 350 bytes each and more for their moulds; with more, all are forgotten. Spaces of sounds make so
many in 80,000 candidates, most others have fewer."""


class Function(NamedTuple):
    """What a function costs, also as :meth:`cost_models.totals.Summation.sums` takes it."""

    costs: LayerCosts
    packed: bytes


class _Known(NamedTuple):
    """What a mould's links have in common, once one was laid out: all but the number of their function."""

    family: int
    zero_points: int
    packed: bytes


def _function(known: _Known, zero_points: Sequence[int]) -> int:
    """A number for the function of a link: links of one family have the same where their zero points are the same, as far as their
    spec has them."""
    number = known.family
    for zero_point in (0, 0, *zero_points[len(zero_points) - known.zero_points :])[-2:]:
        number = number << 8 | zero_point + 128
    return number


class Functions:
    """By kernel and spec, and by link, for one calibrated core and optimisation level.

    :param remedy: what to do about a kernel that was not calibrated.
    """

    def __init__(self, parts: Parts, summation: Summation, core: str, optimize: Optimize, remedy: str) -> None:
        self._parts, self._summation, self._core, self._remedy = parts, summation, core, remedy
        self._functions: dict[tuple[str, Hashable], Function] = {}
        self._optimize: Optimize = optimize
        self._layouts = ChainLayouts(CORES[core], optimize)
        self._families: dict[int, LayerCosts] = {}
        self._moulds: dict[Hashable, _Known] = {}
        self._links: dict[Link, bytes | None] = {}
        self.known_link = self._links.get
        """Looks up a link; None where it has not been asked for or depends on its neighbours."""
        self.new_links = 0
        """How many links were worked out, those that are forgotten since included."""

    def of(self, kernel: Kernel[Any], spec: Hashable) -> Function:
        """The function for a kernel and spec: the same object for equal ones.

        :raises UserError: if the kernel was not calibrated.
        """
        found = self._functions.get((kernel.name, spec))
        if found is None:
            costs = self._costs(kernel, spec, kernel.work(spec))
            found = self._functions[kernel.name, spec] = Function(costs, self._summation.packed(self._summation.number(), costs))
        return found

    def make_room(self) -> None:
        """Forget all links where there are too many: between networks, since a network's links know each other by numbers."""
        if len(self._links) >= MOST_LINKS:
            self._links.clear()
            self._moulds.clear()
            self._families.clear()
            self._layouts = ChainLayouts(CORES[self._core], self._optimize)

    def link(self, link: Link) -> bytes | None:
        """What a link adds to a network, packed by :meth:`cost_models.totals.Summation.packed`; None where that depends on its
        neighbours.

        :raises UserError: if the kernel was not calibrated, or the operator has none.
        """
        self.new_links += 1
        known = self._moulds.get(self._key(link))
        if known is None:
            layout = self._layouts.link(link)
            if layout is None:
                self._links[link] = None
                return None
            known = self._known(layout)
            if layout.of_mould:
                self._moulds[self._key(link)] = known
        self._links[link] = found = renumbered(known.packed, _function(known, link.zero_points))
        return found

    def _key(self, link: Link) -> Hashable:
        """What links have in common that differ in their function at most."""
        form = self._layouts.form(link)
        return link.mould if form is None else (link.mould, form)

    def _known(self, layout: LinkLayout) -> _Known:
        """Links of one family have the same costs."""
        costs = self._families.get(layout.family)
        if costs is None:
            costs = self._families[layout.family] = self._costs(layout.kernel, layout.spec, layout.work)
        packed = self._summation.packed(
            layout.family,
            costs,
            macs=layout.macs,
            scratch=layout.scratch,
            arguments=layout.arguments,
            demand=layout.demand,
        )
        return _Known(layout.family, len(layout.zero_points), packed)

    def _costs(self, kernel: Kernel[Any], spec: Hashable, work: Mapping[str, int]) -> LayerCosts:
        if isinstance(kernel, Int4Kernel) and isinstance(spec, Int4Spec):
            unpacking = self._parts.unpacking
            if unpacking is None:
                raise UserError(f"the cost model for {self._core} knows nothing of weights of 4 bits; {self._remedy}")
            self._summation.add_routine(UNPACK, Routine(unpacking.function, 0.0))
            return unpacking.added_to(self._costs(kernel.eight, spec.eight, work), kernel, spec)
        known = self._parts.kernels.get(kernel.name)
        if known is None:
            raise UserError(f"the cost model for {self._core} knows no kernel {kernel.name!r}; {self._remedy}")
        described = descriptors(spec, work)
        costs = known.costs(work, described, kernel.constant_bytes(spec), self._parts.routines)
        for name in costs.calls:
            if name not in self._parts.routines:
                self._summation.add_routine(name, known.shared_function(shared_functions(described)[name]))
        return costs
