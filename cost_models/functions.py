"""The costs of functions, one for each kernel and spec, and of the links of chains that call them, worked out once and kept."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from codegen.chain import Link
from codegen.chain_layout import ChainLayouts, LinkLayout
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.kernels._base import Kernel
from codegen.optimize import Optimize
from cost_models.costs import LayerCosts, Parts, Prepared
from cost_models.descriptors import descriptors, shared_functions, zero_point_descriptors
from cost_models.totals import Summation

MOST_LINKS = 1 << 17
"""Links that are kept; with more, all are forgotten."""


class Function(NamedTuple):
    """What a function costs, also as :meth:`cost_models.totals.Summation.sums` takes it."""

    costs: LayerCosts
    packed: bytes


class Functions:
    """By kernel and spec, and by link, for one calibrated core and optimisation level.

    :param remedy: what to do about a kernel that was not calibrated.
    """

    def __init__(self, parts: Parts, summation: Summation, core: str, optimize: Optimize, remedy: str) -> None:
        self._parts, self._summation, self._core, self._remedy = parts, summation, core, remedy
        self._functions: dict[tuple[str, Hashable], Function] = {}
        self._layouts = ChainLayouts(CORES[core], optimize)
        self._families: dict[int, Prepared] = {}
        self._numbers: dict[Hashable, int] = {}
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
            costs = self._prepare(kernel, spec).costs({})
            found = self._functions[kernel.name, spec] = Function(costs, self._summation.packed(self._summation.number(), costs))
        return found

    def link(self, link: Link) -> bytes | None:
        """What a link adds to a network, packed by :meth:`cost_models.totals.Summation.packed`; None where that depends on its
        neighbours.

        :raises UserError: if the kernel was not calibrated, or the operator has none.
        """
        if len(self._links) >= MOST_LINKS:
            self._links.clear()
            self._numbers.clear()
        self.new_links += 1
        layout = self._layouts.link(link)
        self._links[link] = found = None if layout is None else self._packed(layout)
        return found

    def _packed(self, layout: LinkLayout) -> bytes:
        """Links of one family have the same work and constants, those with the same zero points too the same function."""
        prepared = self._families.get(layout.family)
        if prepared is None:
            prepared = self._families[layout.family] = self._prepare(layout.kernel, layout.spec)
        function = (layout.family, layout.zero_points)
        number = self._numbers.get(function)
        if number is None:
            number = self._numbers[function] = self._summation.number()
        costs = prepared.costs(zero_point_descriptors(layout.zero_points))
        return self._summation.packed(
            number, costs, macs=layout.macs, scratch=layout.scratch, arguments=layout.arguments, demand=layout.demand
        )

    def _prepare(self, kernel: Kernel[Any], spec: Hashable) -> Prepared:
        known = self._parts.kernels.get(kernel.name)
        if known is None:
            raise UserError(f"the cost model for {self._core} knows no kernel {kernel.name!r}; {self._remedy}")
        work = kernel.work(spec)
        described = descriptors(spec, work)
        prepared = known.prepare(work, described, kernel.constant_bytes(spec), self._parts.routines)
        for name in prepared.calls:
            if name not in self._parts.routines:
                self._summation.add_routine(name, known.shared_function(shared_functions(described)[name]))
        return prepared
