"""A calibrated cost model: what it holds, and how it predicts a network from its shapes.

Arena bytes come from the planner that the compiler itself uses and constants from the kernels, so both are exact. Code, cycles and
stack are put together from what calibration measured, function by function. All that a layer contributes is a function of its
kernel and spec, so it is worked out once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from codegen.boards import Board
from codegen.chain import Chain
from codegen.compile import Layout, lay_out
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.ir import Graph, macs, total_macs
from codegen.kernels import library_hash
from codegen.measurement import Ram
from codegen.memory_plan import plan_chain
from codegen.optimize import Optimize
from codegen.schedules import Chooser
from cost_models.card import Card
from cost_models.functions import Functions
from cost_models.intervals import Conformal, interval
from cost_models.parts import Parts
from cost_models.prediction import Interval, LayerPrediction, Prediction
from cost_models.totals import LAYER_BYTES, RunCall, Summation, Totals

DEFAULT_CONFIDENCE = 0.95


def run_call(layout: Layout) -> RunCall:
    """What ``<m>_run`` of a graph with this layout calls."""
    graph, arguments = layout.graph, 0
    for s in layout.selections:
        activations = sum(not graph[name].constant for name in s.op.inputs) + 1
        arguments += activations + (s.op.name in layout.plan.scratch) + len(s.op.parameters)
    return RunCall(len(layout.selections), arguments, len(graph.inputs) + len(graph.outputs))


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
        self._check(board)
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
        plan = layout.plan
        return self._prediction(self.totals(layout), plan.io_bytes, plan.scratch_bytes, board, confidence, self.layers(layout))

    def predict_chain(
        self, chain: Chain, board: Board, *, confidence: float = DEFAULT_CONFIDENCE, ram_limit: int | None = None
    ) -> Prediction:
        """What :meth:`predict` says of ``chain.graph(...)``, without the layers' shares, in a fraction of the time: what a link
        contributes is looked up. Where links depend on their neighbours, or strips of rows matter, it is asked itself.

        :raises UserError: as :meth:`predict` does.
        """
        self._check(board)
        functions = self._functions
        functions.make_room()
        links = [functions.known_link(link) or functions.link(link) for link in chain.links]
        alone = [link for link in links if link is not None]
        if self.optimize == "size" or not alone or len(alone) < len(links):
            return self.predict(chain.graph("network"), board, confidence=confidence, ram_limit=ram_limit)
        packed = b"".join(alone)
        arena, io = plan_chain(packed, len(alone), chain.source.nbytes, skipped=LAYER_BYTES)
        sums = self._summation.sums(packed, len(alone))
        run = RunCall(len(alone), sums.arguments, 2)
        totals = self._summation.totals(sums, run, constants=sums.constants, macs=sums.macs, arena=arena)
        prediction = self._prediction(totals, io, sums.scratch, board, confidence)
        if ram_limit is not None and prediction.ram.total > ram_limit:
            return self.predict(chain.graph("network"), board, confidence=confidence, ram_limit=ram_limit)
        return prediction

    def totals(self, layout: Layout) -> Totals:
        """Sums over the network, before any interval."""
        layers = [self._functions.of(s.kernel, s.spec).packed for s in layout.selections]
        return self._summation.totals(
            self._summation.sums(b"".join(layers), len(layers)),
            run_call(layout),
            constants=sum(self._constants(layout)),
            macs=total_macs(layout.graph),
            arena=layout.plan.arena_bytes,
        )

    def _constants(self, layout: Layout) -> Iterator[int]:
        """Bytes of constants that each layer brings: the strips of an operator share theirs."""
        there: dict[str, int] = {}
        for s in layout.selections:
            origin = layout.origin(s.op)
            own = max(0, self._functions.of(s.kernel, s.spec).costs.constants - there.get(origin, 0))
            there[origin] = there.get(origin, 0) + own
            yield own

    def layers(self, layout: Layout) -> Iterator[LayerPrediction]:
        """The layers' shares of a network, in the order in which they run."""
        earlier: set[bytes] = set()
        for s, constants in zip(layout.selections, self._constants(layout), strict=True):
            costs, packed = self._functions.of(s.kernel, s.spec)
            code = 0.0 if packed in earlier else costs.code
            earlier.add(packed)
            work = macs(s.op, layout.graph)
            yield LayerPrediction(s.op.name, s.op.kind, s.kernel.name, work, costs.cycles, code, constants, costs.stack)

    def _prediction(
        self, totals: Totals, io: int, scratch: int, board: Board, confidence: float, layers: Iterable[LayerPrediction] = ()
    ) -> Prediction:
        of_cycles, of_reads, of_flash = self._quantiles.get(confidence) or self._find_quantiles(confidence)
        cycles = interval(totals.cycles, totals.cycles_spread * of_cycles)
        reads = interval(totals.reads, totals.reads_spread * of_reads)
        flash = interval(totals.flash, totals.code_spread * of_flash)
        return Prediction(
            board=board.name,
            core=self.core,
            confidence=confidence,
            macs=totals.macs,
            ram=Ram(totals.arena, io, scratch, totals.stack, 0),
            flash=Interval(flash.value, max(flash.low, float(totals.constants)), flash.high),
            cycles=cycles,
            latency_ms=_latency(cycles, reads, board),
            layers=tuple(layers),
        )

    @cached_property
    def _quantiles(self) -> dict[float, tuple[float, float, float]]:
        return {}

    def _find_quantiles(self, confidence: float) -> tuple[float, float, float]:
        """Factors for the spreads of cycles, reads and flash; remembered."""
        scores = self.cycles_scores, self.reads_scores, self.flash_scores
        cycles, reads, flash = (s.quantile(confidence) for s in scores)
        found = self._quantiles[confidence] = cycles, reads, flash
        return found

    def _check(self, board: Board) -> None:
        if board.core != self.core:
            raise UserError(
                f"--board {board.name}: has a {board.core}, the cost model is for {self.core}; "
                f"make one with 'nas calibrate --board {board.name}'"
            )

    @property
    def new_links(self) -> int:
        """How many links of chains were worked out so far; the others were looked up."""
        return self._functions.new_links

    @cached_property
    def _summation(self) -> Summation:
        return Summation(self.parts)

    @cached_property
    def _functions(self) -> Functions:
        remedy = f"recalibrate with 'nas calibrate --board {self.board}'"
        return Functions(self.parts, self._summation, self.core, self.optimize, remedy)


def _latency(cycles: Interval, reads: Interval, board: Board) -> Interval:
    """Milliseconds on the board; the interval also holds what is not known of the board's memory."""
    unknown = board.stall.uncertainty
    return Interval(
        board.latency_ms(cycles.value, reads.value),
        board.latency_ms(cycles.low, reads.low) * (1 - unknown),
        board.latency_ms(cycles.high, reads.high) * (1 + unknown),
    )
