"""A network's figures before any interval: sums over its layers and what lies around them.

Layers of one function share its code. Their errors are one, so their spreads add up, and so do those of layers whose functions call
the same shared ones; other errors are independent, so their variances do. A routine that several functions call is there once. The
deepest layer decides the stack. The sums are native code (``totals.c``): a search makes them for every candidate.
"""

from __future__ import annotations

import ctypes
import math
from array import array
from functools import cache
from itertools import count
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from codegen.native import load_native
from cost_models.costs import LayerCosts, Routine
from cost_models.parts import Parts

LEAST_READS_SPREAD = 16.0
LEAST_CODE_SPREAD = 8.0
STACK_ALIGN = 4

_IDENTITY = Struct("=qq")
_LAYER = Struct("=qqq7d4q")
_SUMS = Struct("=7d4q")
_NO_DEMAND = bytes(24)
LAYER_BYTES = _LAYER.size
"""Of a packed layer, without its demand."""
_Sums = ctypes.c_char * _SUMS.size


class Sums(NamedTuple):
    """Over the layers and what they call; ``stack`` and ``scratch`` are the greatest."""

    cycles: float
    cycles_variance: float
    reads: float
    reads_variance: float
    code: float
    code_variance: float
    stack: float
    macs: int
    constants: int
    scratch: int
    arguments: int


class Totals(NamedTuple):
    """Sums over a network, each estimate with the size of its likely error."""

    cycles: float
    cycles_spread: float
    reads: float
    reads_spread: float
    code: float
    code_spread: float
    constants: int
    arena: int
    stack: int
    macs: int

    @property
    def flash(self) -> float:
        """Code and constants."""
        return self.code + self.constants


class RunCall(NamedTuple):
    """The straight line of calls in ``<m>_run``: how many there are, their arguments, and the graph's inputs and outputs."""

    calls: int
    arguments: int
    borders: int

    @property
    def features(self) -> dict[str, float]:
        """Physical features for the linear models of what lies around the layers."""
        return {
            "runs": 1.0,
            "calls": float(self.calls),
            "arguments": float(self.arguments),
            "borders": float(self.borders),
        }


class Summation:
    """Sums layers' costs by the ``parts`` of a cost model."""

    def __init__(self, parts: Parts) -> None:
        self._run = parts.run
        self._functions = count()
        self._routines: dict[str, int] = {}
        self._figures = array("d")
        self._calls: dict[tuple[str, ...], int] = {}
        self._groups: dict[tuple[str, ...], int] = {}
        self._lists = array("q")
        for name, routine in parts.routines.items():
            self.add_routine(name, routine)
        self._around: dict[RunCall, tuple[float, float, float]] = {}

    def add_routine(self, name: str, routine: Routine) -> None:
        """Make a routine known, unless it is."""
        if name not in self._routines:
            self._routines[name] = len(self._routines)
            self._figures.extend((routine.code, routine.spread**2))

    def number(self) -> int:
        """A new number for a function."""
        return next(self._functions)

    def packed(
        self, function: int, costs: LayerCosts, *, macs: int = 0, scratch: int = 0, arguments: int = 0, demand: bytes = _NO_DEMAND
    ) -> bytes:
        """A layer as :meth:`sums` takes it: the number of its function with its costs, and what else is to be summed.

        ``demand`` is what it asks of the memory plan, for :func:`codegen.memory_plan.plan_chain`, which skips the rest.

        :raises KeyError: if the function calls a routine that is not known.
        """
        calls = self._calls.get(costs.calls)
        if calls is None:
            calls = self._calls[costs.calls] = len(self._lists)
            self._lists.extend((len(costs.calls), *(self._routines[name] for name in costs.calls)))
        group = self._groups.setdefault(costs.shared, -1 - len(self._groups)) if costs.shared else function
        estimates = (costs.cycles, costs.cycles_spread, costs.reads, costs.reads_spread, costs.code, costs.code_spread, costs.stack)
        return _LAYER.pack(function, group, calls, *estimates, macs, costs.constants, scratch, arguments) + demand

    def sums(self, layers: bytes, count: int) -> Sums:
        """Over so many :meth:`packed` layers, joined."""
        sums = _Sums()
        lists, figures = self._lists.buffer_info()[0], self._figures.buffer_info()[0]
        _native().sum_layers(layers, count, lists, figures, len(self._routines), sums)
        return Sums._make(_SUMS.unpack(sums))

    def totals(self, sums: Sums, run: RunCall, *, constants: int, macs: int, arena: int) -> Totals:
        """The figures of a network with these layers."""
        run_cycles, run_reads, run_code = self._around.get(run) or self._surround(run)
        return Totals(
            sums.cycles + run_cycles,
            math.sqrt(sums.cycles_variance),
            sums.reads + run_reads,
            math.sqrt(LEAST_READS_SPREAD**2 + sums.reads_variance),
            sums.code + run_code,
            math.sqrt(LEAST_CODE_SPREAD**2 + (run_code * self._run.flash_spread) ** 2 + sums.code_variance),
            constants,
            arena,
            STACK_ALIGN * math.ceil((sums.stack + self._run.stack_beside(arena, run.calls)) / STACK_ALIGN),
            macs,
        )

    def _surround(self, run: RunCall) -> tuple[float, float, float]:
        """Cycles, reads and code around the layers."""
        features = run.features
        found = self._around[run] = self._run.cycles(features), self._run.reads(features), self._run.flash(features)
        return found


def renumbered(packed: bytes, function: int) -> bytes:
    """A layer of :meth:`Summation.packed` with another number for its function."""
    _, group = _IDENTITY.unpack_from(packed)
    return _IDENTITY.pack(function, group if group < 0 else function) + packed[_IDENTITY.size :]


@cache
def _native() -> ctypes.CDLL:
    library = load_native(Path(__file__).with_name("totals.c"))
    pointer = ctypes.c_void_p
    library.sum_layers.argtypes = (ctypes.c_char_p, ctypes.c_int64, pointer, pointer, ctypes.c_int64, ctypes.c_char_p)
    library.sum_layers.restype = None
    return library
