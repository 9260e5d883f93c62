"""From measured programs to a cost model and its card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from codegen.boards import Board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Graph
from codegen.kernels import library_hash
from cost_models.card import Accuracy, Card
from cost_models.intervals import Conformal
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.model import DEFAULT_CONFIDENCE, CostModel, KernelCosts, RunCosts, Totals
from cost_models.regression import cross_validated, fit

CYCLES_FLOOR = 200.0
"""Errors of layers below this many cycles count as if they had so many: they decide nothing."""
STACK_MARGIN = 8
LEAST_SPREAD = 0.002
LEAST_CODE_SPREAD = 4.0
FEW = 8
"""With fewer measured functions of a kernel than this, residuals say little; twice the spread is assumed."""


def fit_model(
    *,
    board: Board,
    optimize: str,
    compiler: str,
    samples: int,
    seed: int,
    bundles: Sequence[MeasuredProgram],
    held_out: Sequence[tuple[Graph, MeasuredProgram]],
) -> CostModel:
    """Fit on ``bundles``, take intervals and card from ``held_out`` (shape-only networks with what was measured of them)."""
    layers: dict[str, list[MeasuredLayer]] = defaultdict(list)
    for program in bundles:
        for layer in program.layers:
            layers[layer.kernel].append(layer)
    model = CostModel(
        core=board.core,
        board=board.name,
        optimize=optimize,
        compiler=compiler,
        kernel_library=library_hash(),
        samples=samples,
        seed=seed,
        kernels={name: _kernel_costs(layers[name]) for name in sorted(layers)},
        run=_run_costs(bundles),
        routines=_routines(bundles),
        cycles_scores=Conformal(()),
        flash_scores=Conformal(()),
        card=Card({}, False, (0, 0)),
    )
    totals = [model.totals(lay_out(graph, CORES[board.core]), graph) for graph, _ in held_out]
    programs = [program for _, program in held_out]
    cycles_scores = Conformal.of(abs(t.cycles - p.cycles) / t.cycles_spread for t, p in zip(totals, programs, strict=True))
    flash_scores = Conformal.of(abs(t.flash - p.code - p.constants) / t.code_spread for t, p in zip(totals, programs, strict=True))
    card = _card(layers, totals, programs, cycles_scores, flash_scores)
    return replace(model, cycles_scores=cycles_scores, flash_scores=flash_scores, card=card)


def _kernel_costs(layers: Sequence[MeasuredLayer]) -> KernelCosts:
    work = [layer.work for layer in layers]
    cycles = [layer.cycles for layer in layers]
    code = [float(layer.code) for layer in layers]
    features = [layer.code_features for layer in layers]
    cycles_error = cross_validated(work, cycles, relative=True, floor=CYCLES_FLOOR) / np.maximum(cycles, CYCLES_FLOOR)
    cycles_error -= np.asarray(cycles) / np.maximum(cycles, CYCLES_FLOOR)
    code_error = cross_validated(features, code, relative=False) - np.asarray(code)
    doubt = 2.0 if len(layers) < FEW else 1.0
    return KernelCosts(
        cycles=fit(work, cycles, relative=True, floor=CYCLES_FLOOR),
        cycles_spread=_rounded(max(doubt * _rms(cycles_error), LEAST_SPREAD)),
        code=fit(features, code, relative=False),
        code_spread=_rounded(max(doubt * _rms(code_error), LEAST_CODE_SPREAD)),
        stack=max(layer.stack for layer in layers) + STACK_MARGIN,
        calls=_usual_calls(layers),
    )


def _usual_calls(layers: Sequence[MeasuredLayer]) -> tuple[str, ...]:
    """Routines that at least half of the kernel's functions need."""
    counts: dict[str, int] = defaultdict(int)
    for layer in layers:
        for name in layer.calls:
            counts[name] += 1
    return tuple(sorted(name for name, count in counts.items() if 2 * count >= len(layers)))


def _routines(programs: Sequence[MeasuredProgram]) -> Mapping[str, int]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for program in programs:
        for name, size in program.routines.items():
            sizes[name].append(size)
    return {name: int(np.median(values)) for name, values in sorted(sizes.items())}


def _run_costs(programs: Sequence[MeasuredProgram]) -> RunCosts:
    features = [p.run_features for p in programs]
    code = [float(p.run_code) for p in programs]
    code_error = cross_validated(features, code, relative=False) - np.asarray(code)
    return RunCosts(
        cycles=fit(features, [p.run_cycles for p in programs], relative=True),
        code=fit(features, code, relative=False),
        code_spread=_rounded(max(_rms(code_error), LEAST_CODE_SPREAD)),
        stack=max(p.run_stack for p in programs),
    )


def _card(
    layers: Mapping[str, Sequence[MeasuredLayer]],
    totals: Sequence[Totals],
    programs: Sequence[MeasuredProgram],
    cycles_scores: Conformal,
    flash_scores: Conformal,
) -> Card:
    operators = [(layer, value) for kernel in layers.values() for layer, value in zip(kernel, _unseen(kernel), strict=True)]
    with_macs = [(t.macs, p.cycles) for t, p in zip(totals, programs, strict=True)]
    # The best that MACs alone can do: one factor, fitted on the very networks it is judged on.
    factor = float(np.median([cycles / macs for macs, cycles in with_macs]))
    gaps = [t.stack - p.stack for t, p in zip(totals, programs, strict=True)]
    return Card(
        figures={
            "cycles of operators": Accuracy.of([v for _, v in operators], [layer.cycles for layer, _ in operators]),
            "cycles of networks": Accuracy.of(
                [t.cycles for t in totals], [p.cycles for p in programs], cycles_scores.coverage(DEFAULT_CONFIDENCE)
            ),
            "flash of networks": Accuracy.of(
                [t.flash for t in totals], [p.code + p.constants for p in programs], flash_scores.coverage(DEFAULT_CONFIDENCE)
            ),
            "baseline: MACs alone": Accuracy.of([factor * macs for macs, _ in with_macs], [cycles for _, cycles in with_macs]),
        },
        arena_exact=all(t.arena == p.arena for t, p in zip(totals, programs, strict=True)),
        stack_gap=(min(gaps), max(gaps)),
    )


def _unseen(layers: Sequence[MeasuredLayer]) -> Sequence[float]:
    """Cycles of each operator as models predict that were fitted without it."""
    work, cycles = [layer.work for layer in layers], [layer.cycles for layer in layers]
    return [float(v) for v in cross_validated(work, cycles, relative=True, floor=CYCLES_FLOOR)]


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
