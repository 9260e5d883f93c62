"""Several objectives as one, with other weights for every trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nas.samplers._base import Result
    from search_spaces import Architecture

Minimize = Callable[["Architecture"], tuple[float, ...]]
"""What is to be small beside the trials' value being good: positive figures that are known before training."""
AUGMENTATION = 0.05
"""Weight of the sum beside the largest lack, which keeps a network that is worse in something and better in nothing behind."""


def weighted(results: Sequence[Result], rng: np.random.Generator) -> list[Result]:
    """The results with their objectives as one value, by the augmented Chebyshev function with weights drawn evenly: each draw has
    another part of the front for its best (ParEGO, Knowles 2006, https://doi.org/10.1109/TEVC.2005.851274).

    Objectives count by their range among the results.
    """
    if not results:
        return []
    objectives = np.array([result.objectives for result in results])
    weights = rng.dirichlet(np.ones(objectives.shape[1]))
    values = chebyshev(objectives, weights)
    return [dataclasses.replace(result, value=value) for result, value in zip(results, values.tolist(), strict=True)]


def chebyshev(objectives: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N,)`` from objectives ``(N, M)`` and weights ``(M,)``, all better when larger; 0 is the best of everything."""
    low, high = objectives.min(axis=0), objectives.max(axis=0)
    lack = weights * (high - objectives) / np.where(high > low, high - low, 1.0)
    return np.asarray(-(lack.max(axis=1) + AUGMENTATION * lack.sum(axis=1)))
