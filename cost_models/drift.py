"""Whether a cost model still holds, judged by programs that were built after it was calibrated, and its refit where it does not."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from codegen.compile import Layout, lay_out
from codegen.cores import CORES
from codegen.ir import Graph
from cost_models.costs import KernelCosts
from cost_models.intervals import Conformal
from cost_models.kernel_fit import STACK_STEP
from cost_models.model import CostModel
from cost_models.prediction import Interval, Prediction
from cost_models.regression import Linear

SIGNIFICANCE = 0.01
"""Misses that are less likely than this, if the intervals held, count as drift."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A network that was built and run: what was ``predicted`` of it, its int8 ``graph``, and what was measured.

    ``cycles`` per inference, ``flash``, ``arena`` and ``stack`` in bytes; ``layers`` maps each layer's name to its cycles.
    """

    predicted: Prediction
    graph: Graph
    cycles: float
    flash: int
    arena: int
    stack: int
    layers: Mapping[str, float]

    @staticmethod
    def of(predicted: Prediction, graph: Graph, built: Mapping[str, Any]) -> Observation:
        """From the object that ``nas verify --json`` prints."""
        ram = built["ram"]
        layers = {layer["name"]: float(layer["cycles"]) for layer in built["layers"]}
        return Observation(predicted, graph, built["cycles"], built["flash"]["total"], ram["arena"], ram["stack"], layers)


@dataclass(frozen=True, slots=True)
class FigureDrift:
    """How one figure of the built networks compares: ``outside`` of ``networks`` break what was predicted (the interval; for the
    stack and the arena the bound); ``error`` is the mean absolute error, relative to the built figure."""

    networks: int
    outside: int
    error: float
    drifted: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; ``error`` to three digits."""
        error = float(f"{self.error:.3g}")
        return {"networks": self.networks, "outside": self.outside, "error": error, "drifted": self.drifted}


def find_drift(observations: Sequence[Observation]) -> dict[str, FigureDrift]:
    """By figure: ``cycles``, ``flash``, ``stack`` and ``arena``.

    An interval may be missed now and then: as drift counts a number of misses that is unlikely (:data:`SIGNIFICANCE`, one-sided
    binomial test) where each network misses with the interval's own probability. Bounds may not be broken at all.
    """

    pairs = [(o.predicted, o) for o in observations]
    tolerated = _tolerated(len(pairs), max((1 - p.confidence for p, _ in pairs), default=0.0))

    def figure(predicted: Sequence[float], built: Sequence[float], outside: Sequence[bool], most: int = 0) -> FigureDrift:
        errors = [abs(p - b) / b for p, b in zip(predicted, built, strict=True) if b]
        return FigureDrift(len(pairs), sum(outside), sum(errors) / len(errors) if errors else 0.0, sum(outside) > most)

    def interval(name: str) -> FigureDrift:
        predicted: list[Interval] = [getattr(p, name) for p, _ in pairs]
        built: list[float] = [getattr(o, name) for _, o in pairs]
        outside = [b not in p for p, b in zip(predicted, built, strict=True)]
        return figure([p.value for p in predicted], built, outside, tolerated)

    def bound(name: str) -> FigureDrift:
        predicted: list[int] = [getattr(p.ram, name) for p, _ in pairs]
        built: list[int] = [getattr(o, name) for _, o in pairs]
        return figure(predicted, built, [b > p for p, b in zip(predicted, built, strict=True)])

    return {"cycles": interval("cycles"), "flash": interval("flash"), "stack": bound("stack"), "arena": bound("arena")}


def refit(model: CostModel, observations: Sequence[Observation]) -> CostModel:
    """``model`` with what the built networks say of it.

    Each kernel's cycles are multiplied by what its layers took over what they should have taken, those of kernels that no network
    has by what all layers together did; the code around the layers grows by the median error of the flash; the stack's bound by the
    largest excess. What errors remain join those that the intervals come from. No observation, no change.
    """
    if not observations:
        return model
    layouts = [lay_out(o.graph, CORES[model.core], model.optimize) for o in observations]
    parts = model.parts
    factors, common = _factors(model, observations, layouts)
    kernels = {name: _scaled(costs, factors.get(name, common)) for name, costs in parts.kernels.items()}
    before = [model.totals(layout) for layout in layouts]
    more_flash = sorted(o.flash - t.flash for o, t in zip(observations, before, strict=True))[len(before) // 2]
    more_stack = max(0, *(o.stack - t.stack for o, t in zip(observations, before, strict=True)))
    flash = parts.run.flash.coefficients
    steps = STACK_STEP * math.ceil(more_stack / STACK_STEP)
    run = replace(
        parts.run,
        flash=Linear({**flash, "runs": flash.get("runs", 0.0) + more_flash}),
        stack=parts.run.stack + steps,
        few_far_stack=parts.run.few_far_stack + steps,
        far_stack=parts.run.far_stack + steps,
    )
    refitted = replace(model, parts=replace(parts, kernels=kernels, run=run))
    after = [(refitted.totals(layout), o) for layout, o in zip(layouts, observations, strict=True)]
    cycles = (abs(o.cycles - t.cycles) / t.cycles_spread for t, o in after)
    sizes = (abs(o.flash - t.flash) / t.code_spread for t, o in after)
    return replace(
        refitted,
        cycles_scores=Conformal.of((*model.cycles_scores.scores, *cycles)),
        flash_scores=Conformal.of((*model.flash_scores.scores, *sizes)),
        card=replace(model.card, measured_by=f"{model.card.measured_by}; refitted to {len(observations)} networks built since"),
    )


def _tolerated(networks: int, miss: float) -> int:
    """The most misses that are not significant."""
    tail, misses = 1.0, 0
    while True:
        tail -= math.comb(networks, misses) * miss**misses * (1 - miss) ** (networks - misses)
        if tail < SIGNIFICANCE:
            return misses
        misses += 1


def _factors(model: CostModel, observations: Sequence[Observation], layouts: Sequence[Layout]) -> tuple[dict[str, float], float]:
    """Cycles that layers took over those that ``model`` expects: by kernel, and of all together."""
    expected: dict[str, float] = defaultdict(float)
    taken: dict[str, float] = defaultdict(float)
    for observation, layout in zip(observations, layouts, strict=True):
        for layer in model.layers(layout):
            if layer.name in observation.layers:
                expected[layer.kernel] += layer.cycles
                taken[layer.kernel] += observation.layers[layer.name]
    known = {kernel: taken[kernel] / cycles for kernel, cycles in expected.items() if cycles and taken[kernel]}
    return known, sum(taken.values()) / sum(expected.values()) if known else 1.0


def _scaled(costs: KernelCosts, factor: float) -> KernelCosts:
    loops = Linear({name: factor * value for name, value in costs.cycles.loops.coefficients.items()})
    return replace(costs, cycles=replace(costs.cycles, loops=loops))
