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


class Features:
    """Encodes the architectures of ``space``.

    Numbers are the position of the choice in its range, 0 to 1; names are one-hot, so that two differ by 1; inactive parameters are
    all zeros.
    """

    def __init__(self, space: SearchSpace, costs: Costs | None) -> None:
        self._costs = costs
        self._columns: dict[tuple[str, int | str], tuple[int, float]] = {}
        self.size = 0
        for name, options in space.choices().items():
            if len(options) < 2:
                continue
            if all(isinstance(option, int) for option in options):
                # From above 0, so that the smallest choice is not the same as none.
                n = len(options)
                self._columns |= {(name, option): (self.size, (at + 1) / n) for at, option in enumerate(options)}
                self.size += 1
            else:
                self._columns |= {(name, option): (self.size + at, np.sqrt(0.5)) for at, option in enumerate(options)}
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
