"""What a shared function adds to an estimate of the layers that call it, beyond what its numbers explain.

Layers of a network that call one function are off by nearly the same, whatever their own shapes: its inner loop, with what
registers leave to spill, is most of their time. Calibration meets every such function several times, so that is learnt for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

NOISE = 0.3
"""The variance between layers of one function is taken to be this part of that between functions: with few layers an effect is
shrunk towards none."""


def fit_effects(names: Sequence[Sequence[str]], errors: NDArray[np.float64]) -> tuple[Mapping[str, float], NDArray[np.float64]]:
    """The effect of each function, by ridge regression of the ``errors`` (measured less estimated) of layers that call those of
    ``names``; and for every layer the sum of its functions' effects as the other layers tell them."""
    functions = sorted({name for called in names for name in called})
    if not functions:
        return {}, np.zeros(len(errors))
    place = {name: index for index, name in enumerate(functions)}
    calls = np.zeros((len(names), len(functions)))
    for row, called in enumerate(names):
        calls[row, [place[name] for name in called]] = 1.0
    solver = np.linalg.solve(calls.T @ calls + NOISE * np.eye(len(functions)), calls.T)
    effects = solver @ errors
    fitted, leverage = calls @ effects, np.einsum("ij,ji->i", calls, solver)
    without = errors - (errors - fitted) / (1 - leverage)  # the row's fit by all other rows (Allen 1974)
    return {name: float(f"{value:.4g}") for name, value in zip(functions, effects, strict=True)}, without


def effect(effects: Mapping[str, float], called: Sequence[str]) -> float:
    """The sum for a layer that calls these functions; one that was not met adds nothing."""
    return sum(effects.get(name, 0.0) for name in called)
