"""The largest network that fits: the baseline of whoever takes all that the budget allows."""

from __future__ import annotations

import numpy as np

from nas.samplers import NoFeasibleArchitectureError
from nas.search.feasibility import Feasibility
from search_spaces import Architecture

SAMPLES = 300
MUTATIONS = 600
_STREAM = 0x1A26E57
"""Keeps these random numbers apart from the trials', which are seeded with (seed, number)."""


def largest_feasible(feasibility: Feasibility, seed: int) -> Architecture:
    """The architecture with the most multiply-accumulates found by a random sample and hill climbing from its best.

    A few hundred cost-model checks, nothing is trained.

    :raises NoFeasibleArchitectureError: if not even the smallest network fits.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAM])))
    space = feasibility.space
    best = space.smallest()
    if feasibility(best):
        raise NoFeasibleArchitectureError("not even the smallest network of the space fits")

    def larger(candidate: Architecture) -> bool:
        return not feasibility(candidate) and feasibility.predict(candidate).macs > feasibility.predict(best).macs

    for _ in range(SAMPLES):
        candidate = space.sample(rng)
        if larger(candidate):
            best = candidate
    for _ in range(MUTATIONS):
        candidate = space.mutate(best, rng)
        if larger(candidate):
            best = candidate
    return best
