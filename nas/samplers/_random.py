"""Random search among feasible architectures."""

from __future__ import annotations

from itertools import count

import numpy as np

from nas.samplers._base import Admission, FeasibleSampler, Result
from search_spaces import Architecture

PATIENCE = 2_000
"""Rejected candidates after which feasible ones are looked for around the smallest network."""
LONGEST_WALK = 40


class RandomFeasibleSampler(FeasibleSampler):
    """Draws from the space until a candidate is feasible and new: the baseline that any other strategy has to beat.

    Where the limits leave so little of the space that :data:`PATIENCE` draws in a row miss it, a candidate is the end of a random
    walk through feasible networks that begins at the smallest one.
    """

    def choose(self, rng: np.random.Generator, results: list[Result], admits: Admission) -> Architecture:
        """A random architecture; ``results`` play no part."""
        for rejected in count():
            if admits(candidate := self.random_architecture(rng, rejected)):
                break
        return candidate

    def random_architecture(self, rng: np.random.Generator, rejected: int) -> Architecture:
        """One draw, after ``rejected`` ones that were of no use."""
        if rejected < PATIENCE:
            return self.space.sample(rng)
        here = self.space.smallest()
        for _ in range(int(rng.integers(1, LONGEST_WALK + 1))):
            step = self.space.mutate(here, rng)
            if not self.fits(step):
                here = step
        return here
