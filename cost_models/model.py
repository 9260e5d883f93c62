"""A calibrated cost model: what it holds, and how it predicts a network from its shapes.

Arena bytes come from the planner that the compiler itself uses and constants from the kernels, so both are exact. Code, cycles and
stack are put together from what calibration measured, function by function. All that a layer contributes is a function of its
kernel and spec, so it is worked out once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from codegen.boards import Board
from codegen.compile import Layout, lay_out
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.ir import Graph, macs
from codegen.kernels import library_hash
from codegen.kernels._base import Kernel
from codegen.measurement import Ram
from codegen.optimize import Optimize
from codegen.schedules import Chooser
from cost_models.card import Card
from cost_models.costs import LayerCosts, Parts
from cost_models.descriptors import descriptors
from cost_models.intervals import Conformal
from cost_models.prediction import Interval, LayerPrediction, Prediction

DEFAULT_CONFIDENCE = 0.95
LEAST_READS_SPREAD = 16.0
STACK_ALIGN = 4


@dataclass(frozen=True, slots=True)
class Totals:
    """A network's figures before any interval: sums over its layers, each estimate with the size of its likely error."""

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
    layers: tuple[LayerPrediction, ...]

    @property
    def flash(self) -> float:
        """Code and constants."""
        return self.code + self.constants


def run_features(layout: Layout) -> dict[str, float]:
    """Physical features of the straight line of calls in ``<m>_run``."""
    graph, arguments = layout.graph, 0
    for s in layout.selections:
        activations = sum(not graph[name].constant for name in s.op.inputs) + 1
        arguments += activations + (s.op.name in layout.plan.scratch) + len(s.op.parameters)
    borders = len(graph.inputs) + len(graph.outputs)
    return {"runs": 1.0, "calls": float(len(layout.selections)), "arguments": float(arguments), "borders": float(borders)}


@dataclass(frozen=True)
class CostModel:
    """A calibrated model for one core, compiler and optimisation level; ``board`` is the one that it was calibrated for."""

    core: str
    board: str
    optimize: Optimize
    compiler: str
    kernel_library: str
    samples: int
    seed: int
    parts: Parts
    cycles_scores: Conformal
    reads_scores: Conformal
    flash_scores: Conformal
    card: Card
    _layers: dict[tuple[str, Hashable], LayerCosts] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stale(self) -> bool:
        """Whether kernels changed since the calibration, so that the figures may no longer hold."""
        return self.kernel_library != library_hash()

    @property
    def warning(self) -> str | None:
        """One line for the user where the model is stale."""
        if not self.stale:
            return None
        return (
            f"the cost model for {self.core} was calibrated on other kernels ({self.kernel_library[:12]}, now "
            f"{library_hash()[:12]}): its figures may be off; recalibrate with 'nas calibrate --board {self.board}'"
        )

    def predict(
        self,
        graph: Graph,
        board: Board,
        *,
        confidence: float = DEFAULT_CONFIDENCE,
        choose: Chooser | None = None,
        ram_limit: int | None = None,
    ) -> Prediction:
        """RAM, flash, cycles and latency of ``graph`` (shapes are enough) on ``board``, with the schedules that ``choose`` picks.

        With a ``ram_limit`` in bytes, operators are computed in strips of rows where that makes the difference.

        :raises UserError: if the board has another core, a kernel was not calibrated, or an operator has no kernel.
        """
        if board.core != self.core:
            raise UserError(
                f"--board {board.name}: has a {board.core}, the cost model is for {self.core}; "
                f"make one with 'nas calibrate --board {board.name}'"
            )
        core = CORES[self.core]
        layout = lay_out(graph, core, self.optimize, choose=choose)
        prediction = self.predict_layout(layout, board, confidence=confidence)
        ram = prediction.ram
        if ram_limit is None or ram.total <= ram_limit:
            return prediction
        layout = lay_out(graph, core, self.optimize, choose=choose, arena_limit=ram_limit - (ram.total - ram.arena))
        return self.predict_layout(layout, board, confidence=confidence)

    def predict_layout(self, layout: Layout, board: Board, *, confidence: float = DEFAULT_CONFIDENCE) -> Prediction:
        """:meth:`predict` for a graph whose layout is known."""
        totals = self.totals(layout)
        cycles = self.cycles_scores.interval(totals.cycles, totals.cycles_spread, confidence)
        reads = self.reads_scores.interval(totals.reads, totals.reads_spread, confidence)
        flash = self.flash_scores.interval(totals.flash, totals.code_spread, confidence)
        plan = layout.plan
        return Prediction(
            board=board.name,
            core=self.core,
            confidence=confidence,
            macs=totals.macs,
            ram=Ram(totals.arena, plan.io_bytes, plan.scratch_bytes, totals.stack, 0),
            flash=Interval(flash.value, max(flash.low, float(totals.constants)), flash.high),
            cycles=cycles,
            latency_ms=_latency(cycles, reads, board),
            layers=totals.layers,
        )

    def totals(self, layout: Layout) -> Totals:
        """Sums over the network, before any interval."""
        cycles = reads = code = 0.0
        errors: dict[int, tuple[float, float]] = {}  # by function: equal specs have one object of costs
        code_variance = self.parts.run.flash_spread**2
        total_macs = 0
        constants: dict[str, int] = {}
        stack = 0.0
        called: set[str] = set()
        layers = []
        for s in layout.selections:
            costs = self._layers.get((s.kernel.name, s.spec)) or self._add(s.kernel, s.spec)
            function = id(costs)
            own_code = 0.0
            if function not in errors:
                own_code = costs.code
                code_variance += costs.code_spread**2
                called.update(costs.calls)
            # Layers that share a function share its error; errors of different functions are independent.
            before = errors.get(function, (0.0, 0.0))
            errors[function] = (before[0] + costs.cycles_spread, before[1] + costs.reads_spread)
            work = macs(s.op, layout.graph)
            cycles += costs.cycles
            reads += costs.reads
            code += own_code
            origin = layout.origin(s.op)  # whose strips share their constants
            own_constants = max(0, costs.constants - constants.get(origin, 0))
            constants[origin] = constants.get(origin, 0) + own_constants
            stack = max(stack, costs.stack)
            total_macs += work
            layers.append(
                LayerPrediction(s.op.name, s.op.kind, s.kernel.name, work, costs.cycles, own_code, own_constants, costs.stack)
            )
        routines = [self.parts.routines[name] for name in called]
        features = run_features(layout)
        return Totals(
            cycles=cycles + self.parts.run.cycles(features),
            cycles_spread=math.sqrt(sum(error * error for error, _ in errors.values())),
            reads=reads + self.parts.run.reads(features),
            reads_spread=math.sqrt(LEAST_READS_SPREAD**2 + sum(error * error for _, error in errors.values())),
            code=code + self.parts.run.flash(features) + sum(routine.code for routine in routines),
            code_spread=math.sqrt(code_variance + sum(routine.spread**2 for routine in routines)),
            constants=sum(constants.values()),
            arena=layout.plan.arena_bytes,
            stack=STACK_ALIGN * math.ceil((stack + self.parts.run.stack) / STACK_ALIGN),
            macs=total_macs,
            layers=tuple(layers),
        )

    def _add(self, kernel: Kernel[Any], spec: Hashable) -> LayerCosts:
        """Work out and keep the costs of a kernel and spec."""
        known = self.parts.kernels.get(kernel.name)
        if known is None:
            remedy = f"recalibrate with 'nas calibrate --board {self.board}'"
            raise UserError(f"the cost model for {self.core} knows no kernel {kernel.name!r}; {remedy}")
        work = kernel.work(spec)
        costs = known.predict(work, descriptors(spec, work), kernel.constant_bytes(spec))
        self._layers[kernel.name, spec] = costs
        return costs


def _latency(cycles: Interval, reads: Interval, board: Board) -> Interval:
    """Milliseconds on the board; the interval also holds what is not known of the board's memory."""
    unknown = board.stall.uncertainty
    return Interval(
        board.latency_ms(cycles.value, reads.value),
        board.latency_ms(cycles.low, reads.low) * (1 - unknown),
        board.latency_ms(cycles.high, reads.high) * (1 + unknown),
    )
