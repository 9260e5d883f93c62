"""Linear models with non-negative coefficients over named physical features, and how they are fitted.

Each coefficient is a cost of something that happens (cycles for one pass of a loop, bytes for one piece of code), so none can be
below zero; that is what lets the model extrapolate to sizes it has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, float]


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
    rows: Sequence[Features], measured: Sequence[float], *, relative: bool, floor: float = 1.0, folds: int = 5
) -> NDArray[np.float64]:
    """Predictions for every row by models that were fitted without it (row ``i`` belongs to fold ``i % folds``)."""
    predicted = np.empty(len(rows))
    for fold in range(min(folds, len(rows))):
        train = [i for i in range(len(rows)) if i % folds != fold]
        model = fit([rows[i] for i in train], [measured[i] for i in train], relative=relative, floor=floor) if train else Linear({})
        for i in range(fold, len(rows), folds):
            predicted[i] = model(rows[i])
    return predicted
