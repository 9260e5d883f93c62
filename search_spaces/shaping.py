"""A space shaped by a budget: the ranges of resolution, width and depth in which most networks fit and use what they may.

Which ranges suit a budget is found from random networks that are checked but not trained, as MCUNet does (Lin et al. 2020,
https://arxiv.org/abs/2007.10319, section 3.1): of two spaces under the same limits, the one whose fitting networks do more work
holds the better ones. Here ranges shrink choice by choice, the one first that helps most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from codegen.ir import total_macs
from search_spaces._base import Architecture, Choice, Space

Fits = Callable[[Architecture], Collection[str]]
"""Names of the limits that an architecture breaks, empty where it fits."""

SAMPLES = 1000
"""Networks of a draw; a narrowed range counts only those of them that lie in it, until half are left."""
LEAST_SHARE = 0.7
"""Share of networks that should fit."""
LEAST_GAIN = 0.02
"""Relative gain for which a choice is given up once enough networks fit."""
KEPT = 0.5
"""Part of a parameter's choices, at least two of them, that stay: the search is to choose, not the shaping."""
EVIDENCE = 20
"""Networks that must speak against a choice."""
_STREAM = 0x5AFE
"""Keeps these random numbers apart from the trials', which are seeded with (seed, number)."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Of random networks: the share that fits, and the geometric mean of multiply-accumulates of those (0 without any)."""

    share: float
    macs: float


@dataclass(frozen=True, slots=True)
class Shaped(Generic[Space]):
    """The narrowed ``space``, how many networks were checked for it, and what random ones are like before and after."""

    space: Space
    checks: int
    before: Fitting
    after: Fitting


def shape_by_budget(space: Space, fits: Fits, *, seed: int = 0, samples: int = SAMPLES) -> Shaped[Space]:
    """The part of ``space`` in which most networks fit and do as much work as the limits allow; the same for the same seed.

    The ranges of :meth:`SearchSpace.sizes` lose their largest or smallest choices, in one stage or in all alike, and keep half of
    them or more. Where nothing fits, they shrink towards the networks of the least work.

    :param samples: networks of a draw; some ten draws are checked.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAM])))
    least = {name: max(2, ceil(len(space.choices()[name]) * KEPT)) for name in space.sizes()}
    draw = _Draw.of(space, fits, rng, samples)
    before, checks = draw.fitting, samples
    while True:
        narrowed = draw
        while (better := _best_drop(narrowed, least, draw.size // 2)) is not None:
            narrowed = better
        if narrowed is draw:
            return Shaped(space, checks, before, draw.fitting)
        space = space.restricted(narrowed.choices)
        draw = _Draw.of(space, fits, rng, samples)
        checks += samples


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Random networks of a space that has ``choices``.

    ``values`` ``(networks, parameters)`` holds the index of each choice among ``options``, the space's when it was drawn, and -1
    where the parameter was not active; ``fit`` and ``work`` (logarithm of multiply-accumulates) are by network.
    """

    options: dict[str, tuple[Choice, ...]]
    choices: dict[str, tuple[Choice, ...]]
    values: NDArray[np.int16]
    fit: NDArray[np.bool_]
    work: NDArray[np.float64]

    @staticmethod
    def of(space: Space, fits: Fits, rng: np.random.Generator, samples: int) -> _Draw:
        options = dict(space.choices())
        index = {name: {value: i for i, value in enumerate(values)} for name, values in options.items()}
        drawn = [space.sample(rng) for _ in range(samples)]
        values = np.array(
            [[index[name].get(a.parameters.get(name, ""), -1) for name in options] for a in drawn],
            dtype=np.int16,
        )
        fit = np.array([not fits(a) for a in drawn])
        work = np.log([max(1, total_macs(space.graph(a))) for a in drawn])
        return _Draw(options, options, values, fit, work)

    @property
    def size(self) -> int:
        return len(self.fit)

    @property
    def fitting(self) -> Fitting:
        return Fitting(float(self.fit.mean()), float(np.exp(self.work[self.fit].mean())) if self.fit.any() else 0.0)

    @property
    def score(self) -> float:
        """Logarithm of the share that fits times the work that those do; where none fits, little work is better."""
        if not self.fit.any():
            return -1e6 - float(self.work.mean())
        return float(np.log(self.fit.mean()) + self.work[self.fit].mean())

    def without(self, name: str, choice: Choice) -> _Draw:
        """The networks that the space without this choice has."""
        kept = self.values[:, list(self.options).index(name)] != self.options[name].index(choice)
        choices = {**self.choices, name: tuple(other for other in self.choices[name] if other != choice)}
        return _Draw(self.options, choices, self.values[kept], self.fit[kept], self.work[kept])


def _best_drop(draw: _Draw, least: Mapping[str, int], networks: int) -> _Draw | None:
    """``draw`` without the end of a range (or of the ranges of all stages) that is best to lose, None if none is.

    :param least: choices that the parameters must keep.
    :param networks: that must be left.
    """
    enough = draw.fitting.share >= LEAST_SHARE
    kinds: dict[str, list[str]] = {}
    for name in least:
        kinds.setdefault(re.sub(r"\d+", "", name), []).append(name)
    groups = [*([name] for name in least), *(names for names in kinds.values() if len(names) > 1)]
    drops = []
    for names in groups:
        for end in (min(draw.choices[name][0] for name in names), max(draw.choices[name][-1] for name in names)):
            drop = draw
            for name in names:
                if end in drop.choices[name] and len(drop.choices[name]) > least[name]:
                    drop = drop.without(name, end)
            if drop.size >= networks and draw.size - drop.size >= EVIDENCE:
                drops.append(drop)
    bound = LEAST_SHARE if enough else np.nextafter(draw.fitting.share, 1) if draw.fit.any() else 0.0
    drops = [drop for drop in drops if drop.fitting.share >= bound]
    best = max(drops, key=lambda drop: drop.score, default=None)
    return None if best is None or (enough and best.score < draw.score + LEAST_GAIN) else best
