"""Training compute, counted the same for every strategy, so that baselines get what the search got and no more.

One unit is an example trained on for one multiply-accumulate of inference. A step of a small network costs what its overhead costs,
which :data:`OVERHEAD` stands for (measured on one core: 0.3 s an epoch of 1,149 digits at 0.4 million MACs, 4.4 s at 56 million).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.learning.training import Recipe

OVERHEAD = 3_500_000
"""Multiply-accumulates that the fixed work per example is worth."""
ORDINARY = 5_000_000
MOST_LENGTHENED = 2.0
QUANTIZED = 2
"""An epoch of quantisation-aware training costs as much as this many of float training."""


def training_cost(macs: int, recipe: Recipe) -> int:
    """Compute of one float training, per example of the data."""
    return recipe.epochs * (macs + OVERHEAD)


def lengthened(recipe: Recipe, macs: int) -> Recipe:
    """``recipe`` with up to :data:`MOST_LENGTHENED` times its epochs for a network so small that these cost no more than
    ``recipe`` costs for one of :data:`ORDINARY` multiply-accumulates: small networks need longer to converge."""
    factor = min(MOST_LENGTHENED, max(1.0, (ORDINARY + OVERHEAD) / (macs + OVERHEAD)))
    return dataclasses.replace(recipe, epochs=round(recipe.epochs * factor))


def finishing_cost(macs: int, finishing: Recipe, quantization: Recipe, *, trainings: int = 1) -> int:
    """Compute of one finalist, per example of the data, which is trained so many times: on each fold, and once more for a refit."""
    epochs = lengthened(finishing, macs).epochs + QUANTIZED * quantization.epochs
    return trainings * epochs * (macs + OVERHEAD)


def shortened(recipe: Recipe, effort: float) -> Recipe:
    """``recipe`` with that fraction of its epochs, at least one."""
    return dataclasses.replace(recipe, epochs=min(recipe.epochs, max(1, round(recipe.epochs * effort))))
