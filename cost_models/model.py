"""A calibrated cost model: what it holds, and how it predicts a network from its shapes.

Arena bytes come from the planner that the compiler itself uses and constants from the kernels, so both are exact. Code, cycles and
stack are sums of what calibration measured, function by function. All that a layer contributes is a function of its kernel and
spec, so it is worked out once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codegen.boards import Board
from codegen.compile import Layout, lay_out
from codegen.cores import CORES, Core
from codegen.errors import UserError
from codegen.ir import Graph, macs
from codegen.kernels import library_hash
from codegen.kernels._base import Kernel
from codegen.measurement import Ram
from cost_models.card import Card
from cost_models.code_features import code_features
from cost_models.intervals import Conformal
from cost_models.prediction import Interval, LayerPrediction, Prediction
from cost_models.regression import Linear

DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class KernelCosts:
    """What one kernel costs.

    ``cycles`` is linear in :meth:`Kernel.work`, its error relative to the value about ``cycles_spread``; ``code`` (bytes of one
    function) is linear in :func:`code_features`, with an error of about ``code_spread`` bytes; ``stack`` bounds the bytes that a
    function and what it calls take; ``calls`` names the routines outside of the function that it needs.
    """

    cycles: Linear
    cycles_spread: float
    code: Linear
    code_spread: float
    stack: int
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What ``<m>_run`` and the accessors cost beside the layers: linear in :func:`run_features`; ``stack`` is run's own frame."""

    cycles: Linear
    code: Linear
    code_spread: float
    stack: int


@dataclass(frozen=True, slots=True)
class LayerCosts:
    """What one kernel and spec cost: cycles of a call and bytes of the function, each with the size of its likely error."""

    cycles: float
    cycles_spread: float
    code: float
    code_spread: float
    constants: int
    stack: int
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """A network's figures before any interval: sums over its layers, each estimate with the size of its likely error."""

    cycles: float
    cycles_spread: float
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


def run_features(layout: Layout, graph: Graph) -> dict[str, float]:
    """Physical features of the straight line of calls in ``<m>_run``."""
    arguments = 0
    for s in layout.selections:
        activations = sum(not graph[name].constant for name in s.op.inputs) + 1
        arguments += activations + (s.op.name in layout.plan.scratch) + len(s.op.parameters)
    borders = len(graph.inputs) + len(graph.outputs)
    return {"runs": 1.0, "calls": float(len(layout.selections)), "arguments": float(arguments), "borders": float(borders)}


@dataclass(frozen=True)
class CostModel:
    """A calibrated model for one core, compiler and optimisation level; ``board`` is the one that it was calibrated for.

    ``routines`` maps support routines and shared helpers to their bytes of code.
    """

    core: str
    board: str
    optimize: str
    compiler: str
    kernel_library: str
    samples: int
    seed: int
    kernels: Mapping[str, KernelCosts]
    run: RunCosts
    routines: Mapping[str, int]
    cycles_scores: Conformal
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

    @cached_property
    def _core(self) -> Core:
        return CORES[self.core]

    def predict(self, graph: Graph, board: Board, *, confidence: float = DEFAULT_CONFIDENCE) -> Prediction:
        """RAM, flash, cycles and latency of ``graph`` (shapes are enough) on ``board``.

        :raises UserError: if the board has another core, a kernel was not calibrated, or an operator has no kernel.
        """
        if board.core != self.core:
            raise UserError(
                f"--board {board.name}: has a {board.core}, the cost model is for {self.core}; "
                f"make one with 'nas calibrate --board {board.name}'"
            )
        layout = lay_out(graph, self._core)
        return self.predict_layout(graph, layout, board, confidence=confidence)

    def predict_layout(self, graph: Graph, layout: Layout, board: Board, *, confidence: float = DEFAULT_CONFIDENCE) -> Prediction:
        """:meth:`predict` for a graph whose layout is known."""
        totals = self.totals(layout, graph)
        cycles = self.cycles_scores.interval(totals.cycles, totals.cycles_spread, confidence)
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
            latency_ms=_latency(cycles, totals.constants, board),
            layers=totals.layers,
        )

    def totals(self, layout: Layout, graph: Graph) -> Totals:
        """Sums over the network, before any interval."""
        cycles = code = 0.0
        errors: dict[tuple[str, Hashable], float] = {}
        code_variance = self.run.code_spread**2
        constants = stack = total_macs = 0
        routines: set[str] = set()
        layers = []
        for s in layout.selections:
            key = (s.kernel.name, s.spec)
            costs = self._layers.get(key) or self._add(s.kernel, s.spec)
            own_code = 0.0
            if key not in errors:
                own_code = costs.code
                code_variance += costs.code_spread**2
                routines.update(costs.calls)
            # Layers that share a function share its error; errors of different functions are independent.
            errors[key] = errors.get(key, 0.0) + costs.cycles_spread
            work = macs(s.op, graph)
            cycles += costs.cycles
            code += own_code
            constants += costs.constants
            stack = max(stack, costs.stack)
            total_macs += work
            layers.append(
                LayerPrediction(s.op.name, s.op.kind, s.kernel.name, work, costs.cycles, own_code, costs.constants, costs.stack)
            )
        features = run_features(layout, graph)
        return Totals(
            cycles=cycles + self.run.cycles(features),
            cycles_spread=math.sqrt(sum(error * error for error in errors.values())),
            code=code + self.run.code(features) + sum(self.routines.get(name, 0) for name in routines),
            code_spread=math.sqrt(code_variance),
            constants=constants,
            arena=layout.plan.arena_bytes,
            stack=stack + self.run.stack,
            macs=total_macs,
            layers=tuple(layers),
        )

    def _add(self, kernel: Kernel[Any], spec: Hashable) -> LayerCosts:
        """Work out and keep the costs of a kernel and spec."""
        known = self.kernels.get(kernel.name)
        if known is None:
            remedy = f"recalibrate with 'nas calibrate --board {self.board}'"
            raise UserError(f"the cost model for {self.core} knows no kernel {kernel.name!r}; {remedy}")
        work = kernel.work(spec)
        cycles = known.cycles(work)
        costs = LayerCosts(
            cycles=cycles,
            cycles_spread=cycles * known.cycles_spread,
            code=known.code(code_features(kernel, spec)),
            code_spread=known.code_spread,
            constants=kernel.constant_bytes(spec),
            stack=known.stack,
            calls=known.calls,
        )
        self._layers[kernel.name, spec] = costs
        return costs


def _latency(cycles: Interval, constants: int, board: Board) -> Interval:
    """Milliseconds on the board; the interval also holds what is not known of the board's memory."""
    unknown = board.stall.uncertainty
    return Interval(
        board.latency_ms(cycles.value, constants),
        board.latency_ms(cycles.low, constants) * (1 - unknown),
        board.latency_ms(cycles.high, constants) * (1 + unknown),
    )
