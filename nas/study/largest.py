"""The largest network that fits: the baseline of whoever takes all that the budget allows."""

from __future__ import annotations

import numpy as np

from nas.samplers import NoFeasibleArchitectureError
from nas.study.feasibility import Feasibility
from search_spaces import Architecture

SAMPLES = 300
MUTATIONS = 600
_STREAM = 0x1A26E57
"""Keeps these random numbers apart from the trials', which are seeded with (seed, number)."""


def largest_feasible(feasibility: Feasibility, seed: int) -> list[Architecture]:
    """The architectures with the most multiply-accumulates found by a random sample and hill climbing from its best, largest first.

    A few hundred cost-model checks, nothing is trained.

    :raises NoFeasibleArchitectureError: if not even the smallest network fits.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAM])))
    space = feasibility.space
    found = [feasibility.modest()]
    if feasibility(found[0]):
        raise NoFeasibleArchitectureError("not even the smallest network of the space fits")

    def macs(architecture: Architecture) -> int:
        return feasibility.predict(architecture).macs

    for step in range(SAMPLES + MUTATIONS):
        candidate = space.sample(rng) if step < SAMPLES else space.mutate(found[-1], rng)
        if not feasibility(candidate) and macs(candidate) > macs(found[-1]):
            found.append(candidate)
    return found[::-1]
