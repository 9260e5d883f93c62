"""Fits the costs of one kernel to its measured layers, and says how far it is off on layers it was not fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cost_models.costs import CallRule, KernelCosts, Rate
from cost_models.descriptors import leaves_rest, shared_functions, shared_names
from cost_models.function_effects import fit_effects
from cost_models.measured import MeasuredLayer
from cost_models.regression import FOLDS, Features, Linear, cross_validated, fit
from cost_models.trees import FEWEST_ROWS, TREES, Trees, fit_trees

CYCLES_FLOOR = 200.0
"""Errors of layers below this many cycles count as if they had so many: they decide nothing."""
READS_FLOOR = 64.0
LEAST_SPREAD = 0.002
LEAST_CODE_SPREAD = 4.0
STACK_TREES = 400
"""More than for other figures: a frame is what registers are left to spill, which no few numbers of a spec decide."""
STACK_FOLDS = 20
"""More than for other figures, too: the margin is the worst error of all, and fits on fewer layers have worse ones."""
STACK_STEP = 8
"""Frames are multiples of this many bytes (IHI 0042, 6.2.1.2): the next one that is larger than any seen so far."""
WORTHWHILE = 0.9
"""A correction is kept where it brings the error on unseen layers below this part of what it is without."""
NOTHING = Trees(0.0, (), ())


@dataclass(frozen=True, slots=True)
class KernelFit:
    """The costs of a kernel, and for each layer the cycles that models predict which were fitted without it."""

    costs: KernelCosts
    unseen_cycles: NDArray[np.float64]


def fit_kernel(layers: Sequence[MeasuredLayer], routines: Mapping[str, float], *, of_networks: int) -> KernelFit:
    """Fit one kernel's layers; ``routines`` are the bytes of those that they call. The first ``of_networks`` layers are those of
    whole networks, with the schedules and sizes that networks have."""
    cycles, unseen = _fit_rate(layers, [layer.cycles for layer in layers], CYCLES_FLOOR)
    reads, _ = _fit_rate(layers, [float(layer.reads) for layer in layers], READS_FLOOR)
    described = [layer.descriptors for layer in layers]
    code = np.array([float(layer.code) for layer in layers])
    stack = np.array([float(layer.stack) for layer in layers])
    code_error = _unseen_trees(described, code) - code
    shared_rows, shared_code = _shared(layers, routines)
    shared_error = _unseen_trees(shared_rows, shared_code) - shared_code
    margin, rest_margin, unmet_margin = _stack_margins(layers, stack, of_networks)
    costs = KernelCosts(
        cycles=cycles,
        reads=reads,
        code=fit_trees(described, code.tolist()),
        code_spread=_short(max(_doubt(layers) * _spread(code_error), LEAST_CODE_SPREAD)),
        stack=fit_trees(described, stack.tolist(), count=STACK_TREES),
        stack_margin=margin,
        rest_stack_margin=rest_margin,
        unmet_stack_margin=unmet_margin,
        calls=_call_rules(layers),
        shared=fit_trees(shared_rows, shared_code.tolist()),
        shared_spread=_short(max(_doubt(shared_rows) * _spread(shared_error), LEAST_CODE_SPREAD)) if shared_rows else 0.0,
    )
    return KernelFit(costs, unseen)


def refit_code(costs: KernelCosts, layers: Sequence[MeasuredLayer], routines: Mapping[str, float]) -> KernelCosts:
    """``costs`` with the bytes of code, and what is called, as these layers and ``routines`` tell them; errors stay as they are."""
    shared_rows, shared_code = _shared(layers, routines)
    return replace(
        costs,
        code=fit_trees([layer.descriptors for layer in layers], [float(layer.code) for layer in layers]),
        calls=_call_rules(layers),
        shared=fit_trees(shared_rows, shared_code.tolist()),
    )


def _shared(layers: Sequence[MeasuredLayer], routines: Mapping[str, float]) -> tuple[list[Features], NDArray[np.float64]]:
    """Descriptors and bytes of the functions that the layers share, each once."""
    named = {name: row for layer in layers for name, row in shared_functions(layer.descriptors).items() if name in routines}
    return list(named.values()), np.array([routines[name] for name in named])


def _fit_rate(layers: Sequence[MeasuredLayer], measured: Sequence[float], floor: float) -> tuple[Rate, NDArray[np.float64]]:
    """Loops alone, or loops with a correction where that is better on unseen layers, and with effects of shared functions where
    these are; and the values predicted unseen."""

    def loops(chosen: Sequence[int]) -> Linear:
        return fit([layers[i].work for i in chosen], [measured[i] for i in chosen], relative=True, floor=floor)

    def corrected(chosen: Sequence[int]) -> tuple[Linear, Trees]:
        linear = loops(chosen)
        ratios = [math.log(max(measured[i], 1.0) / max(linear(layers[i].work), 1.0)) for i in chosen]
        return linear, fit_trees([layers[i].descriptors for i in chosen], ratios)

    def evaluator(models: tuple[Linear, Trees]) -> Callable[[int], float]:
        return lambda i: models[0](layers[i].work) * math.exp(models[1](layers[i].descriptors))

    plain = cross_validated(lambda chosen: evaluator((loops(chosen), NOTHING)), len(layers))
    better = cross_validated(lambda chosen: evaluator(corrected(chosen)), len(layers))
    target, scale = np.asarray(measured), np.maximum(measured, floor)
    everything = range(len(layers))
    if _spread((better - target) / scale) < WORTHWHILE * _spread((plain - target) / scale):
        chosen, unseen = corrected(everything), better
    else:
        chosen, unseen = (loops(everything), NOTHING), plain
    effects, missing = fit_effects([shared_names(layer.descriptors) for layer in layers], np.log(scale / np.maximum(unseen, floor)))
    with_effects = unseen * np.exp(missing)
    if _spread((with_effects - target) / scale) < WORTHWHILE * _spread((unseen - target) / scale):
        unseen = with_effects
    else:
        effects = {}
    spread = max(_doubt(layers) * _spread((unseen - target) / scale), LEAST_SPREAD)
    return Rate(*chosen, effects, _short(spread)), unseen


def _stack_margins(layers: Sequence[MeasuredLayer], stack: NDArray[np.float64], of_networks: int) -> tuple[int, int, int]:
    """Bytes that bound what the estimate of an unseen layer falls short by, where all functions that it shares were met and its
    channels fill words, where they leave a rest, and where one was not met: the most that it did, and a step. Layers of networks
    decide where there are enough of them: operators at random have frames that follow less from their shapes."""
    shared = [set(shared_functions(layer.descriptors)) for layer in layers]

    def all_met(chosen: Sequence[int]) -> Callable[[int], float]:
        known = set().union(*(shared[i] for i in chosen))
        return lambda i: float(shared[i] <= known)

    short = stack - _unseen_trees([layer.descriptors for layer in layers], stack, count=STACK_TREES, folds=STACK_FOLDS)
    met = cross_validated(all_met, len(layers), STACK_FOLDS) > 0
    rest = np.array([leaves_rest(layer.descriptors) for layer in layers], dtype=bool)
    margins = [STACK_STEP]
    for chosen in (met & ~rest, met & rest, ~met):
        of_network = chosen & (np.arange(len(layers)) < of_networks)
        decisive = short[of_network if of_network.sum() >= FEWEST_ROWS else chosen]
        margins.append(max(margins[-1], STACK_STEP + math.ceil(decisive.max(initial=0.0))))
    return margins[1], margins[2], margins[3]


def _doubt(known: Sized) -> float:
    """Of few layers or functions, those left out may say little about those to come."""
    return 1.0 if len(known) >= FEWEST_ROWS else 2.0


def _unseen_trees(
    rows: Sequence[Features], target: NDArray[np.float64], *, count: int = TREES, folds: int = FOLDS
) -> NDArray[np.float64]:
    def fitted(chosen: Sequence[int]) -> Callable[[int], float]:
        model = fit_trees([rows[i] for i in chosen], [float(target[i]) for i in chosen], count=count)
        return lambda i: model(rows[i])

    return cross_validated(fitted, len(rows), folds)


def _call_rules(layers: Sequence[MeasuredLayer]) -> dict[str, CallRule]:
    """For each routine that some layer needs and none names, the rule of up to two descriptors that tells it best."""
    named = {name for layer in layers for name in shared_functions(layer.descriptors)}
    signs = sorted({name for layer in layers for name in layer.descriptors if name.startswith("has ") or "=" in name})
    signed = np.array([[bool(layer.descriptors.get(sign)) for sign in signs] for layer in layers], bool).reshape(len(layers), -1)
    either = np.concatenate([signed, ~signed], axis=1)  # columns: each sign present, then each absent
    rules = {}
    for routine in sorted({name for layer in layers for name in layer.calls} - named):
        called = np.array([routine in layer.calls for layer in layers])
        rule, holds = CallRule(), np.ones(len(layers), bool)
        for _ in range(2):
            agreements = ((holds[:, None] & either) == called[:, None]).sum(axis=0)
            if not signs or agreements.max() <= (holds == called).sum():
                break
            best = int(agreements.argmax())
            sign = signs[best % len(signs)]
            holds &= either[:, best]
            rule = replace(rule, present=(*rule.present, sign)) if best < len(signs) else replace(rule, absent=(*rule.absent, sign))
        if (holds == called).sum() > (~called).sum():
            rules[routine] = rule
    return rules


def _spread(errors: NDArray[np.float64]) -> float:
    """Standard deviation of a normal distribution with this mean absolute error: a few odd shapes do not decide it."""
    return float(np.sqrt(np.pi / 2) * np.mean(np.abs(errors)))


def _short(value: float) -> float:
    return float(f"{value:.5g}")
