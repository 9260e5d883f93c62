"""Linear models with non-negative coefficients over named physical features, and how they are fitted.

Each coefficient is a cost of something that happens (cycles for one pass of a loop, bytes for one piece of code), so none can be
below zero; that is what lets the model extrapolate to sizes it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, float]
FOLDS = 5
"""Parts of the rows that are left out in turn, unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``sum(coefficient * features[name])``; names that a row lacks count as 0."""

    coefficients: Mapping[str, float]

    def __call__(self, features: Features) -> float:
        known = self.coefficients
        return sum(known[name] * value for name, value in features.items() if name in known)


def fit(rows: Sequence[Features], measured: Sequence[float], *, relative: bool, floor: float = 1.0) -> Linear:
    """Least squares with coefficients of 0 or more, of the relative error (or the absolute one).

    ``floor`` is the value below which an error counts as if the measured value were that large. Features whose coefficient is 0
    are left out of the result.
    """
    from sklearn.linear_model import LinearRegression

    names = sorted({name for row in rows for name in row})
    if not names:
        return Linear({})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64)
    target = np.asarray(measured, dtype=np.float64)
    weights = 1.0 / np.maximum(target, floor) if relative else np.ones_like(target)
    scaled = matrix * weights[:, None]
    norms = np.linalg.norm(scaled, axis=0)
    used = norms > 0
    solver = LinearRegression(positive=True, fit_intercept=False)
    solver.fit(scaled[:, used] / norms[used], target * weights)
    values = solver.coef_ / norms[used]
    kept = [name for name, use in zip(names, used, strict=True) if use]
    return Linear({name: float(f"{value:.7g}") for name, value in zip(kept, values, strict=True) if value > 0})


def cross_validated(
    fit_rows: Callable[[Sequence[int]], Callable[[int], float]], count: int, folds: int = FOLDS
) -> NDArray[np.float64]:
    """A prediction for each of ``count`` rows by a model that was fitted without it.

    ``fit_rows`` fits on the rows with the given indices and returns what predicts a row by its index. Row ``i`` is left out
    together with every ``folds``-th one.
    """
    predicted = np.empty(count)
    for fold in range(min(folds, count)):
        model = fit_rows([i for i in range(count) if i % folds != fold])
        for i in range(fold, count, folds):
            predicted[i] = model(i)
    return predicted
