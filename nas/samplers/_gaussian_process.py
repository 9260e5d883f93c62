"""Gaussian process regression whose few hyperparameters are averaged over, not chosen.

With tens of noisy results no setting of the hyperparameters is the right one, and the one of the largest likelihood is often
too sure of itself. Here every setting of a grid is fitted and counts by the marginal likelihood of the data under it (Rasmussen
and Williams, Gaussian Processes for Machine Learning, 2006, sections 2.2 and 5.4.1): an ensemble whose members disagree where
data are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LENGTHS = (1.0, 3.0, 9.0)
"""Distances over which a group of features makes a difference, where one feature's whole range is about 1."""
NOISES = (0.1, 0.4, 1.6)
"""Variance of the noise over that of the signal."""
PRIOR = 2.0
"""Results that the prior belief, a signal that varies as the data do, counts for."""
LEAST_WEIGHT = 0.01
"""Settings that count less are left out."""


class GaussianProcess:
    """Fitted to ``values`` ``(N,)`` at ``groups`` of features, each ``(N, features)`` and with a length of its own.

    A Matérn kernel of smoothness 5/2 over the distance in all groups; the variance of the signal has an inverse gamma prior.
    """

    def __init__(self, groups: Sequence[Floats], values: Floats) -> None:
        n = len(values)
        self._groups = list(groups)
        self._mean = float(values.mean())
        targets = values - self._mean
        squares = [_squared_distances(group, group) for group in groups]
        settings = [(lengths, noise) for lengths in product(LENGTHS, repeat=len(groups)) for noise in NOISES]
        kernels = {lengths: _matern(squares, lengths) for lengths, _ in settings}
        # The factor of the matrix bordered by the targets has the whitened targets in its last row.
        bordered = np.empty((len(settings), n + 1, n + 1))
        for at, (lengths, noise) in enumerate(settings):
            bordered[at, :n, :n] = kernels[lengths] + noise * np.eye(n)
        bordered[:, n, :n] = bordered[:, :n, n] = targets
        bordered[:, n, n] = 1 + targets @ targets / min(NOISES)
        factors = np.linalg.cholesky(bordered)
        whitened = factors[:, n, :n]
        variances = ((whitened**2).sum(axis=1) + PRIOR * targets.var() + 1e-12) / (n + PRIOR)
        determinants = np.log(np.diagonal(factors, axis1=1, axis2=2)[:, :n]).sum(axis=1)
        likelihoods = -0.5 * (n + PRIOR) * np.log(variances) - determinants
        weights = np.exp(likelihoods - likelihoods.max())
        weights = np.where(weights >= LEAST_WEIGHT * weights.sum(), weights, 0.0)
        weights /= weights.sum()
        self._members = [
            (float(weights[at]), settings[at][0], factors[at, :n, :n], whitened[at], float(variances[at]))
            for at in np.flatnonzero(weights).tolist()
        ]

    def predict(self, groups: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Mean and standard deviation (without noise) ``(M,)`` at ``groups`` of features, each ``(M, features)``."""
        squares = [_squared_distances(known, new) for known, new in zip(self._groups, groups, strict=True)]
        kernels = {lengths: _matern(squares, lengths) for lengths in {member[1] for member in self._members}}
        mean, second = np.zeros((2, len(groups[0])))
        for weight, lengths, factor, whitened, variance in self._members:
            projected = np.linalg.solve(factor, kernels[lengths])
            here = whitened @ projected
            mean += weight * here
            second += weight * (here**2 + variance * np.maximum(1 - (projected**2).sum(axis=0), 0.0))
        return self._mean + mean, np.sqrt(np.maximum(second - mean**2, 1e-12))


def _squared_distances(a: Floats, b: Floats) -> Floats:
    squares: Floats = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0.0)


def _matern(squares: Sequence[Floats], lengths: Sequence[float]) -> Floats:
    """The kernel of smoothness 5/2 with unit variance."""
    total = np.zeros(squares[0].shape)
    for square, length in zip(squares, lengths, strict=True):
        total += square / length**2
    distance = np.sqrt(5 * total)
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))
