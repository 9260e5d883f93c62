"""What layers are off by because of the functions that they share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cost_models.function_effects import effect, fit_effects
from cost_models.kernel_fit import fit_kernel
from cost_models.measured import MeasuredLayer

NAMES = [["a"], ["a"], ["a", "b"], ["b"], ["c"], ["a"], ["b"], []]


def errors() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=len(NAMES))


def test_effects_are_those_of_ridge_regression() -> None:
    effects, _ = fit_effects([["a"]] * 6 + [["b"]], np.array([0.2] * 6 + [0.2]))
    assert effects == {"a": pytest.approx(0.2 * 6 / 6.3, rel=1e-3), "b": pytest.approx(0.2 / 1.3, rel=1e-3)}
    assert effect(effects, ["a", "b", "unheard of"]) == effects["a"] + effects["b"]


def test_what_the_others_tell_of_a_layer_is_a_fit_without_it() -> None:
    measured = errors()
    _, without = fit_effects(NAMES, measured)
    for i, called in enumerate(NAMES):
        others, _ = fit_effects([*NAMES[:i], *NAMES[i + 1 :]], np.delete(measured, i))
        assert without[i] == pytest.approx(effect(others, called), abs=1e-3)


def test_layers_that_share_nothing_have_no_effect() -> None:
    effects, without = fit_effects([[], []], np.ones(2))
    assert effects == {}
    assert without.tolist() == [0.0, 0.0]


def layers(functions: range, copies: int, seed: int) -> list[MeasuredLayer]:
    """A row costs a third more or less in each function, as its name alone tells."""
    rng = np.random.default_rng(seed)
    speed = np.random.default_rng(9).uniform(-0.3, 0.3, 100)
    found = []
    for number in functions:
        for rows in rng.integers(50, 400, copies):
            name = f"function{number}"
            described = {"rows": float(rows), f"shared.name={name}": 1.0, "has rows": 1.0}
            cycles = 50.0 * float(rows) * np.exp(speed[number] + rng.normal(0, 0.01))
            work = {"rows": float(rows)}
            shape = f"{number} {rows} {seed} {len(found)}"
            found.append(MeasuredLayer(shape, "k", 9, work, described, float(cycles), 9.0, 8, 200, 40, 0, (name,)))
    return found


def test_cycles_follow_the_function_that_is_called() -> None:
    learnt = layers(range(40), 5, 0)
    sizes = {f"function{number}": 100.0 for number in range(40)}
    costs = fit_kernel(learnt, sizes, of_networks=len(learnt)).costs
    assert costs.cycles.spread < 0.06
    for layer in layers(range(40), 3, 1):
        assert costs.costs(layer.work, layer.descriptors, 0, sizes).cycles == pytest.approx(layer.cycles, rel=0.06)
    met, unmet = layers(range(1), 1, 2)[0], layers(range(90, 91), 1, 2)[0]
    assert costs.costs(met.work, met.descriptors, 0, sizes).shared == ("function0",)
    rate = costs.costs(unmet.work, unmet.descriptors, 0, sizes).cycles / unmet.work["rows"]
    assert 40 < rate < 60
