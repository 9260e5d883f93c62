"""From measured programs to a cost model and its card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from codegen.boards import Board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import Graph
from codegen.kernels import library_hash
from codegen.optimize import Optimize
from cost_models.card import EMULATOR, Accuracy, Card
from cost_models.costs import FEW_CALLS, REACH, Routine, RunCosts
from cost_models.intervals import Conformal
from cost_models.kernel_fit import STACK_STEP, fit_kernel, refit_code
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.model import DEFAULT_CONFIDENCE, CostModel
from cost_models.parts import Parts
from cost_models.regression import Linear, cross_validated, fit
from cost_models.totals import Totals
from cost_models.unpacking import fit_unpacking

FLASH_FOLDS = 10
"""Parts of all networks that are left out in turn where errors of the flash are measured."""


def fit_model(
    *,
    board: Board,
    optimize: Optimize,
    compiler: str,
    samples: int,
    seed: int,
    measured_by: str = EMULATOR,
    bundles: Sequence[MeasuredProgram],
    networks: Sequence[tuple[Graph, MeasuredProgram]],
    held_out: Sequence[tuple[Graph, MeasuredProgram]],
    unpacked: Sequence[tuple[MeasuredProgram, MeasuredProgram]],
) -> CostModel:
    """Fit on ``bundles`` of operators and on whole ``networks``, judge by ``held_out`` (shape-only networks with what was measured
    of them), then fit once more on everything. ``measured_by`` says what counted the cycles; ``unpacked`` are programs of operators
    with weights of four and of eight bits.

    Intervals and card come from the first fit, which has seen neither the held-out networks nor any layer of a shape that occurs in
    them; the second one has the same form and more to learn from. For the flash that makes too much of a difference, functions that
    the first has never met above all: its errors are those of fits on almost everything (:func:`_unseen_flash`). Layers are learnt
    from bundles and networks; how they come together (the run function) from whole networks only.
    """
    programs = [program for _, program in held_out]
    learnt = [program for _, program in networks]
    unseen_shapes = _shapes(programs)
    parts, operators = _fit_parts(bundles, learnt, unseen_shapes)
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
    pairs = [(untold.totals(lay_out(graph, CORES[board.core], optimize)), program) for graph, program in held_out]
    final, _ = _fit_parts(bundles, [*learnt, *programs], set())
    flash = _unseen_flash(replace(untold, parts=final), bundles, [*networks, *held_out])
    judged = replace(
        untold,
        parts=replace(final, unpacking=fit_unpacking(unpacked)),
        cycles_scores=Conformal.of(abs(t.cycles - p.cycles) / t.cycles_spread for t, p in pairs),
        reads_scores=Conformal.of(abs(t.reads - p.reads) / t.reads_spread for t, p in pairs),
        flash_scores=Conformal.of(abs(t.flash - p.code - p.constants) / t.code_spread for t, p in flash),
    )
    return replace(judged, card=_card(judged, operators, pairs, flash, measured_by))


def _shapes(programs: Iterable[MeasuredProgram]) -> set[str]:
    return {layer.shape for program in programs for layer in program.layers}


def _unseen_flash(
    model: CostModel, bundles: Sequence[MeasuredProgram], networks: Sequence[tuple[Graph, MeasuredProgram]]
) -> list[tuple[Totals, MeasuredProgram]]:
    """Every network with its totals by ``model`` after its code was fitted anew without this network, without those that are left
    out with it, and without any layer of a shape that occurs in them (cross-conformal prediction, Vovk 2015,
    https://doi.org/10.1007/s10472-013-9368-4). Of the totals only those of code are of use."""
    found: dict[int, Totals] = {}
    for fold in range(FLASH_FOLDS):
        left_out = range(fold, len(networks), FLASH_FOLDS)
        others = [program for i, (_, program) in enumerate(networks) if i % FLASH_FOLDS != fold]
        fitted = replace(model, parts=_refit_code(model.parts, bundles, others, _shapes(networks[i][1] for i in left_out)))
        found.update((i, fitted.totals(lay_out(networks[i][0], CORES[model.core], model.optimize))) for i in left_out)
    return [(found[i], program) for i, (_, program) in enumerate(networks)]


def _refit_code(parts: Parts, bundles: Sequence[MeasuredProgram], networks: Sequence[MeasuredProgram], avoid: set[str]) -> Parts:
    """``parts`` with the code that these programs tell; a kernel that is in no layer that is left keeps its own."""
    layers = _layers_by_kernel([*networks, *bundles], avoid)
    routines = _routines(bundles, networks)
    sizes = {name: routine.code for name, routine in routines.items()}
    kernels = {name: refit_code(costs, layers[name], sizes) if layers[name] else costs for name, costs in parts.kernels.items()}
    return Parts(kernels, routines, replace(parts.run, flash=_run_flash(networks)))


def _fit_parts(
    bundles: Sequence[MeasuredProgram], networks: Sequence[MeasuredProgram], avoid: set[str]
) -> tuple[Parts, tuple[list[float], list[float]]]:
    """Everything that is fitted, and for all operators the cycles that were predicted unseen and those that were measured."""
    layers, in_networks = _layers_by_kernel([*networks, *bundles], avoid), _layers_by_kernel(networks, avoid)
    routines = _routines(bundles, networks)
    sizes = {name: routine.code for name, routine in routines.items()}
    fits = {name: fit_kernel(found, sizes, of_networks=len(in_networks[name])) for name, found in sorted(layers.items())}
    parts = Parts(kernels={name: found.costs for name, found in fits.items()}, routines=routines, run=_run_costs(networks))
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


def _run_costs(networks: Sequence[MeasuredProgram]) -> RunCosts:
    features = [p.run_features for p in networks]

    def fitted(chosen: Sequence[int]) -> Callable[[int], float]:
        model = _run_flash([networks[i] for i in chosen])
        return lambda i: model(features[i])

    unseen = cross_validated(fitted, len(networks))
    errors = unseen / [p.run_flash for p in networks] - 1
    added = [p.stack - max(layer.stack for layer in p.layers) for p in networks]
    near = [stack for p, stack in zip(networks, added, strict=True) if p.arena <= REACH]
    few = [stack for p, stack in zip(networks, added, strict=True) if p.run_features["calls"] <= FEW_CALLS]
    far = max(added)
    return RunCosts(
        cycles=fit(features, [p.run_cycles for p in networks], relative=True),
        reads=fit(features, [float(p.run_reads) for p in networks], relative=False),
        flash=_run_flash(networks),
        flash_spread=_short(np.sqrt(np.mean(errors**2))),
        stack=max(near, default=far),
        few_far_stack=min(far, max(few, default=far) + STACK_STEP),  # most networks of few calls have a small arena
        far_stack=far,
    )


def _run_flash(networks: Sequence[MeasuredProgram]) -> Linear:
    return fit([p.run_features for p in networks], [float(p.run_flash) for p in networks], relative=True)


def _card(
    model: CostModel,
    operators: tuple[Sequence[float], Sequence[float]],
    pairs: Sequence[tuple[Totals, MeasuredProgram]],
    flash: Sequence[tuple[Totals, MeasuredProgram]],
    measured_by: str,
) -> Card:
    """``pairs`` are the held-out networks with their totals by a model that has seen none of them, ``flash`` all networks with
    totals of which the same holds for the code."""
    cycles = [p.cycles for _, p in pairs]
    # The best that MACs alone can do: one factor, fitted on the very networks it is judged on.
    factor = float(np.median([p.cycles / t.macs for t, p in pairs]))
    gaps = [t.stack - p.stack for t, p in pairs]

    def covered(scores: Conformal) -> float:
        return scores.coverage(DEFAULT_CONFIDENCE)

    return Card(
        figures={
            "cycles of operators": Accuracy.of(*operators),
            "cycles of networks": Accuracy.of([t.cycles for t, _ in pairs], cycles, covered(model.cycles_scores)),
            "flash of networks": Accuracy.of(
                [t.flash for t, _ in flash], [p.code + p.constants for _, p in flash], covered(model.flash_scores)
            ),
            "flash reads of networks": Accuracy.of(
                [t.reads for t, _ in pairs], [p.reads for _, p in pairs], covered(model.reads_scores)
            ),
            "cycles by MACs alone": Accuracy.of([factor * t.macs for t, _ in pairs], cycles),
        },
        arena_exact=all(t.arena == p.arena for t, p in pairs),
        stack_gap=(min(gaps), max(gaps)),
        measured_by=measured_by,
    )


def _short(value: float | np.floating) -> float:
    return float(f"{value:.5g}")
