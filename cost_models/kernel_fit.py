"""Fits the costs of one kernel to its measured layers, and says how far it is off on layers it was not fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cost_models.costs import CallRule, KernelCosts, Rate
from cost_models.descriptors import shared_functions
from cost_models.measured import MeasuredLayer
from cost_models.regression import Features, Linear, cross_validated, fit
from cost_models.trees import FEWEST_ROWS, Trees, fit_trees

CYCLES_FLOOR = 200.0
"""Errors of layers below this many cycles count as if they had so many: they decide nothing."""
READS_FLOOR = 64.0
LEAST_SPREAD = 0.002
LEAST_CODE_SPREAD = 4.0
WORTHWHILE = 0.9
"""A correction is kept where it brings the error on unseen layers below this part of what it is without."""
NOTHING = Trees(0.0, (), ())


@dataclass(frozen=True, slots=True)
class KernelFit:
    """The costs of a kernel, and for each layer the cycles and the stack that models predict which were fitted without it."""

    costs: KernelCosts
    unseen_cycles: NDArray[np.float64]
    unseen_stack: NDArray[np.float64]


def fit_kernel(layers: Sequence[MeasuredLayer], routines: Mapping[str, float], *, in_networks: bool) -> KernelFit:
    """Fit one kernel's layers; ``routines`` are the bytes of those that they call, ``in_networks`` says whether networks that are
    learnt from have the kernel, so that they set its margin."""
    cycles, unseen = _fit_rate(layers, [layer.cycles for layer in layers], CYCLES_FLOOR)
    reads, _ = _fit_rate(layers, [float(layer.reads) for layer in layers], READS_FLOOR)
    described = [layer.descriptors for layer in layers]
    code = np.array([float(layer.code) for layer in layers])
    stack = np.array([float(layer.stack) for layer in layers])
    code_error = _unseen_trees(described, code) - code
    unseen_stack = _unseen_trees(described, stack)
    named = {name: row for layer in layers for name, row in shared_functions(layer.descriptors).items() if name in routines}
    shared_rows, shared_code = list(named.values()), np.array([routines[name] for name in named])
    shared_error = _unseen_trees(shared_rows, shared_code) - shared_code
    costs = KernelCosts(
        cycles=cycles,
        reads=reads,
        code=fit_trees(described, code.tolist()),
        code_spread=_short(max(_doubt(layers) * _spread(code_error), LEAST_CODE_SPREAD)),
        stack=fit_trees(described, stack.tolist()),
        stack_margin=0 if in_networks else math.ceil(max(0.0, float((stack - unseen_stack).max()))),
        calls=_call_rules(layers),
        shared=fit_trees(shared_rows, shared_code.tolist()),
        shared_spread=_short(max(_doubt(named) * _spread(shared_error), LEAST_CODE_SPREAD)) if named else 0.0,
    )
    return KernelFit(costs, unseen, unseen_stack)


def _fit_rate(layers: Sequence[MeasuredLayer], measured: Sequence[float], floor: float) -> tuple[Rate, NDArray[np.float64]]:
    """Loops alone, or loops with a correction where that is better on unseen layers; and the values predicted unseen."""

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
    spread = max(_doubt(layers) * _spread((unseen - target) / scale), LEAST_SPREAD)
    return Rate(*chosen, _short(spread)), unseen


def _doubt(known: Sized) -> float:
    """Of few layers or functions, those left out may say little about those to come."""
    return 1.0 if len(known) >= FEWEST_ROWS else 2.0


def _unseen_trees(rows: Sequence[Features], target: NDArray[np.float64]) -> NDArray[np.float64]:
    def fitted(chosen: Sequence[int]) -> Callable[[int], float]:
        model = fit_trees([rows[i] for i in chosen], [float(target[i]) for i in chosen])
        return lambda i: model(rows[i])

    return cross_validated(fitted, len(rows))


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
