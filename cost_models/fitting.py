"""From measured programs to a cost model and its card."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from codegen.boards import Board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Graph
from codegen.kernels import library_hash
from codegen.optimize import Optimize
from cost_models.card import EMULATOR, Accuracy, Card
from cost_models.costs import Parts, Routine, RunCosts
from cost_models.intervals import Conformal
from cost_models.kernel_fit import KernelFit, fit_kernel
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.model import DEFAULT_CONFIDENCE, CostModel
from cost_models.regression import cross_validated, fit
from cost_models.totals import Totals

LEAST_FLASH_SPREAD = 8.0
LEAST_STACK_MARGIN = 28
"""Bytes above the largest error among the networks that are learnt from: others, odd sizes above all, err by more."""


def fit_model(
    *,
    board: Board,
    optimize: Optimize,
    compiler: str,
    samples: int,
    seed: int,
    measured_by: str = EMULATOR,
    bundles: Sequence[MeasuredProgram],
    networks: Sequence[MeasuredProgram],
    held_out: Sequence[tuple[Graph, MeasuredProgram]],
) -> CostModel:
    """Fit on ``bundles`` of operators and on whole ``networks``, judge by ``held_out`` (shape-only networks with what was measured
    of them), then fit once more on everything. ``measured_by`` says what counted the cycles.

    Intervals and card come from the first fit, which has seen neither the held-out networks nor any layer of a shape that occurs in
    them; the second one has the same form and more to learn from. Layers are learnt from bundles and networks; how they come
    together (the run function, the stack's margin) from whole networks only.
    """
    programs = [program for _, program in held_out]
    unseen_shapes = {layer.shape for program in programs for layer in program.layers}
    parts, operators = _fit_parts(bundles, networks, unseen_shapes)
    untold = CostModel(
        core=board.core,
        board=board.name,
        optimize=optimize,
        compiler=compiler,
        kernel_library=library_hash(),
        samples=samples,
        seed=seed,
        parts=parts,
        cycles_scores=Conformal(()),
        reads_scores=Conformal(()),
        flash_scores=Conformal(()),
        card=Card({}, False, (0, 0)),
    )
    totals = [untold.totals(lay_out(graph, CORES[board.core], optimize)) for graph, _ in held_out]
    pairs = list(zip(totals, programs, strict=True))
    judged = replace(
        untold,
        cycles_scores=Conformal.of(abs(t.cycles - p.cycles) / t.cycles_spread for t, p in pairs),
        reads_scores=Conformal.of(abs(t.reads - p.reads) / t.reads_spread for t, p in pairs),
        flash_scores=Conformal.of(abs(t.flash - p.code - p.constants) / t.code_spread for t, p in pairs),
    )
    final, _ = _fit_parts(bundles, [*networks, *programs], set())
    return replace(judged, parts=final, card=_card(judged, operators, totals, programs, measured_by))


def _fit_parts(
    bundles: Sequence[MeasuredProgram], networks: Sequence[MeasuredProgram], avoid: set[str]
) -> tuple[Parts, tuple[list[float], list[float]]]:
    """Everything that is fitted, and for all operators the cycles that were predicted unseen and those that were measured."""
    layers = _layers_by_kernel([*networks, *bundles], avoid)
    in_networks = {layer.kernel for program in networks for layer in program.layers}
    routines = _routines(bundles, networks)
    sizes = {name: routine.code for name, routine in routines.items()}
    fits = {name: fit_kernel(found, sizes, in_networks=name in in_networks) for name, found in sorted(layers.items())}
    parts = Parts(
        kernels={name: found.costs for name, found in fits.items()},
        routines=routines,
        run=_run_costs(networks, _stack(networks, layers, fits)),
    )
    predicted = [float(value) for found in fits.values() for value in found.unseen_cycles]
    return parts, (predicted, [layer.cycles for name in fits for layer in layers[name]])


def _layers_by_kernel(programs: Sequence[MeasuredProgram], avoid: set[str]) -> dict[str, list[MeasuredLayer]]:
    """Every layer once that has no shape to avoid; equal shapes count again only where they gave another function."""
    found: dict[str, list[MeasuredLayer]] = defaultdict(list)
    seen: set[tuple[str, float, int, int]] = set()
    for program in programs:
        for layer in program.layers:
            if layer.shape not in avoid and _identity(layer) not in seen:
                seen.add(_identity(layer))
                found[layer.kernel].append(layer)
    return found


def _identity(layer: MeasuredLayer) -> tuple[str, float, int, int]:
    return layer.shape, layer.cycles, layer.code, layer.stack


def _routines(bundles: Sequence[MeasuredProgram], networks: Sequence[MeasuredProgram]) -> Mapping[str, Routine]:
    """Bytes of each routine in whole networks, or among operators side by side where no network calls it."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for program in networks:
        for name, size in program.routines.items():
            sizes[name].append(size)
    apart: dict[str, list[int]] = defaultdict(list)
    for program in bundles:
        for name, size in program.routines.items():
            if name not in sizes:
                apart[name].append(size)
    return {name: Routine(_short(np.mean(values)), _short(np.std(values))) for name, values in sorted({**sizes, **apart}.items())}


def _stack(
    networks: Sequence[MeasuredProgram], layers: Mapping[str, Sequence[MeasuredLayer]], fits: Mapping[str, KernelFit]
) -> int:
    """What run and the likely errors add, at most, to the deepest layer as models predict it that have not seen it."""
    unseen = {_identity(layer): stack for name in fits for layer, stack in zip(layers[name], fits[name].unseen_stack, strict=True)}
    added: list[float] = []
    for program in networks:
        # What has the shape of a held-out layer was left out of the fit, so the model has not seen it either.
        predicted = (unseen.get(_identity(layer), fits[layer.kernel].costs.stack(layer.descriptors)) for layer in program.layers)
        added.append(program.stack - max(predicted))
    return LEAST_STACK_MARGIN + math.ceil(max(added))


def _run_costs(networks: Sequence[MeasuredProgram], stack: int) -> RunCosts:
    features = [p.run_features for p in networks]
    flash = [float(p.run_flash) for p in networks]

    def fitted(chosen: Sequence[int]) -> Callable[[int], float]:
        model = fit([features[i] for i in chosen], [flash[i] for i in chosen], relative=False)
        return lambda i: model(features[i])

    errors = cross_validated(fitted, len(networks)) - np.asarray(flash)
    return RunCosts(
        cycles=fit(features, [p.run_cycles for p in networks], relative=True),
        reads=fit(features, [float(p.run_reads) for p in networks], relative=False),
        flash=fit(features, flash, relative=False),
        flash_spread=_short(max(float(np.sqrt(np.mean(errors**2))), LEAST_FLASH_SPREAD)),
        stack=stack,
    )


def _card(
    model: CostModel,
    operators: tuple[Sequence[float], Sequence[float]],
    totals: Sequence[Totals],
    programs: Sequence[MeasuredProgram],
    measured_by: str,
) -> Card:
    pairs = list(zip(totals, programs, strict=True))
    cycles = [p.cycles for p in programs]
    # The best that MACs alone can do: one factor, fitted on the very networks it is judged on.
    factor = float(np.median([p.cycles / t.macs for t, p in pairs]))
    gaps = [t.stack - p.stack for t, p in pairs]

    def covered(scores: Conformal) -> float:
        return scores.coverage(DEFAULT_CONFIDENCE)

    return Card(
        figures={
            "cycles of operators": Accuracy.of(*operators),
            "cycles of networks": Accuracy.of([t.cycles for t in totals], cycles, covered(model.cycles_scores)),
            "flash of networks": Accuracy.of(
                [t.flash for t in totals], [p.code + p.constants for p in programs], covered(model.flash_scores)
            ),
            "flash reads of networks": Accuracy.of(
                [t.reads for t in totals], [p.reads for p in programs], covered(model.reads_scores)
            ),
            "cycles by MACs alone": Accuracy.of([factor * t.macs for t in totals], cycles),
        },
        arena_exact=all(t.arena == p.arena for t, p in pairs),
        stack_gap=(min(gaps), max(gaps)),
        measured_by=measured_by,
    )


def _short(value: float | np.floating) -> float:
    return float(f"{value:.5g}")
