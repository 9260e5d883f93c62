"""Aging evolution."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from nas.samplers._base import Admission, Result
from nas.samplers._random import RandomFeasibleSampler
from search_spaces import Architecture

PATIENCE = 25
"""Rejected mutants after which a mutant is one more step away from its parent."""


@dataclass(eq=False, repr=False, kw_only=True)
class EvolutionSampler(RandomFeasibleSampler):
    """Regularised ("aging") evolution (Real et al. 2019, https://arxiv.org/abs/1802.01548), the search strategy of µNAS.

    The first ``population`` trials are those of :class:`~nas.samplers.RandomFeasibleSampler` with the same seed. From then on a
    proposal mutates the best of ``tournament`` trials drawn from the last ``population`` ones whose results it may see; older
    trials die however good they were.
    """

    population: int = 8
    tournament: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.tournament <= self.population:
            raise ValueError("tournament must be between 1 and population")

    def choose(self, rng: np.random.Generator, results: list[Result], admits: Admission) -> Architecture:
        """A mutant of the tournament's winner, or a random architecture while there are too few results."""
        if len(results) < self.population:
            return super().choose(rng, results, admits)
        living = results[-self.population :]
        for rejected in count():
            drawn = rng.choice(len(living), size=self.tournament, replace=False)
            candidate = max((living[int(i)] for i in sorted(drawn)), key=lambda result: result.value).architecture
            for _ in range(1 + rejected // PATIENCE):
                candidate = self.space.mutate(candidate, rng)
            if admits(candidate):
                break
        return candidate
