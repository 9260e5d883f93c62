"""Architectures as vectors, for predictors of what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces import Architecture, SearchSpace

Costs = Callable[[Architecture], Sequence[float]]
"""What is known of an architecture without training, positive numbers: multiply-accumulates, bytes, milliseconds."""

COST_RANGE = 4.0
"""A cost that is so many times another is as far from it as the ends of a parameter's range are from each other."""
NAMES_APART = 0.6
"""Distance of two names: few of them change a network as much as the whole range of a number does."""
PRESENT = 0.5
"""Distance of the smallest choice from an inactive parameter."""


class Features:
    """Encodes the architectures of ``space``.

    Numbers are the position of their logarithm in the range of the choices', 0 to 1, above :data:`PRESENT`: twice as many channels
    are the same step everywhere. Names are one-hot, :data:`NAMES_APART`; inactive parameters are all zeros.
    """

    def __init__(self, space: SearchSpace, costs: Costs | None) -> None:
        self._costs = costs
        self._columns: dict[tuple[str, int | str], tuple[int, float]] = {}
        self.size = 0
        for name, options in space.choices().items():
            if len(options) < 2:
                continue
            numbers = [option for option in options if isinstance(option, int)]
            if len(numbers) == len(options):
                for option, position in zip(options, _positions(numbers), strict=True):
                    self._columns[name, option] = self.size, PRESENT + position
                self.size += 1
            else:
                self._columns |= {(name, option): (self.size + at, NAMES_APART * np.sqrt(0.5)) for at, option in enumerate(options)}
                self.size += len(options)

    def __call__(self, architectures: Sequence[Architecture]) -> list[NDArray[np.float64]]:
        """The parameters ``(N, features)`` and, where costs are known, their logarithms ``(N, costs)``."""
        genes = np.zeros((len(architectures), self.size))
        for row, architecture in enumerate(architectures):
            for value in architecture.values:
                if (column := self._columns.get(value)) is not None:
                    genes[row, column[0]] = column[1]
        if self._costs is None:
            return [genes]
        costs = np.array([self._costs(architecture) for architecture in architectures], dtype=np.float64)
        return [genes, np.log(np.maximum(costs, 1e-9)) / np.log(COST_RANGE)]


def _positions(numbers: Sequence[int]) -> list[float]:
    """Where each of different numbers is between the smallest, 0, and the largest, 1, on a logarithmic scale."""
    scale = np.log(np.array(numbers) - min(0, min(numbers) - 1))
    positions: list[float] = ((scale - scale.min()) / (scale.max() - scale.min())).tolist()
    return positions
