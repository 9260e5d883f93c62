"""Evolution guided by a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from nas.samplers._base import Admission, Result
from nas.samplers._features import Costs, Features
from nas.samplers._gaussian_process import GaussianProcess
from nas.samplers._random import RandomFeasibleSampler
from search_spaces import Architecture

Floats = NDArray[np.float64]

MOST_RESULTS = 200
"""Results that the predictor is fitted to; of more, half are the best ones and half the latest of the others."""
DRAWS = 8
"""Candidates that are looked at for each one that is to be ranked, before fewer have to do."""
RANDOM, CROSSED = 0.2, 0.3
"""Parts of the candidates that are random, and that have two parents."""
MOST_STEPS = 3
"""Mutations that a candidate is away from its parents at most."""

_LIBRARIES = ThreadpoolController()


def _one_thread() -> AbstractContextManager[object]:
    """Linear algebra by one thread: for matrices this small several only wait for each other, long where workers use the cores.

    Rounding, too, does then not depend on how many cores there are.
    """
    limit: AbstractContextManager[object] = _LIBRARIES.limit(limits=1, user_api="blas")
    return limit


class Predictor:
    """What networks of unknown accuracy are worth, learnt from ``results``: mean and standard deviation as normal scores, so that
    a few trainings that went wrong do not make all others alike."""

    def __init__(self, features: Features, results: Sequence[Result]) -> None:
        kept = _most_telling(results)
        scores = _normal_scores(np.array([result.value for result in kept]))
        self._features = features
        with _one_thread():
            self._process = GaussianProcess(features([result.architecture for result in kept]), scores)

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Floats, Floats]:
        """Mean and standard deviation ``(N,)`` of what training would give without luck; only the order means something."""
        with _one_thread():
            return self._process.predict(self._features(architectures))


@dataclass(eq=False, repr=False, kw_only=True)
class PredictorSampler(RandomFeasibleSampler):
    """Predictor-guided evolution: BANANAS (White et al. 2021, https://arxiv.org/abs/1910.11858) and NPENAS (Wei et al. 2022,
    https://arxiv.org/abs/2003.12857) with a Gaussian process in place of neural networks.

    The first ``startup`` trials are those of :class:`~nas.samplers.RandomFeasibleSampler` with the same seed. From then on a
    predictor ranks feasible candidates: random ones, and mutants and children of the networks that it holds for the best of those
    tried, which one lucky training does not make them. The trial is the one of the largest upper confidence bound.

    :param costs: what is known of a candidate before training, see :data:`Costs`; it is asked of feasible ones only.
    :param candidates: how many are ranked.
    :param parents: networks that candidates descend from.
    :param exploration: standard deviations that the bound is above the mean.
    """

    costs: Costs | None = None
    startup: int = 10
    candidates: int = 80
    parents: int = 10
    exploration: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.startup < 2 or self.candidates < 1 or self.parents < 1:
            raise ValueError("startup must be at least 2, candidates and parents at least 1")
        self._features = Features(self.space, self.costs)

    def choose(self, rng: np.random.Generator, results: list[Result], admits: Admission) -> Architecture:
        """The most promising of some feasible candidates, or a random one while there are too few results."""
        if len(results) < self.startup:
            return super().choose(rng, results, admits)
        predictor = Predictor(self._features, results)
        tried = [result.architecture for result in results]
        mean, _ = predictor.predict(tried)
        parents = [tried[at] for at in np.argsort(-mean, kind="stable")[: self.parents].tolist()]
        candidates = self._candidates(rng, parents, admits)
        if not candidates:
            return super().choose(rng, results, admits)
        mean, deviation = predictor.predict(candidates)
        return candidates[int(np.argmax(mean + self.exploration * deviation))]

    def _candidates(self, rng: np.random.Generator, parents: list[Architecture], admits: Admission) -> list[Architecture]:
        """Different admitted candidates, as many as are wanted if that many can be found."""
        looked_at: set[str] = set()
        admitted: list[Architecture] = []
        for _ in range(DRAWS * self.candidates):
            candidate = self._candidate(rng, parents)
            if candidate.id in looked_at:
                continue
            looked_at.add(candidate.id)
            if admits(candidate):
                admitted.append(candidate)
                if len(admitted) == self.candidates:
                    break
        return admitted

    def _candidate(self, rng: np.random.Generator, parents: list[Architecture]) -> Architecture:
        kind = rng.random()
        if kind < RANDOM:
            return self.space.sample(rng)
        candidate, other = (parents[int(at)] for at in rng.integers(len(parents), size=2))
        steps = int(rng.integers(1, MOST_STEPS + 1))
        if kind < RANDOM + CROSSED:
            candidate = self.space.crossover(candidate, other, rng)
            steps -= 1
        for _ in range(steps):
            candidate = self.space.mutate(candidate, rng)
        return candidate


def _most_telling(results: Sequence[Result]) -> list[Result]:
    """At most :data:`MOST_RESULTS` of the results, by number."""
    if len(results) <= MOST_RESULTS:
        return list(results)
    best = set(sorted(range(len(results)), key=lambda at: -results[at].value)[: MOST_RESULTS // 2])
    others = [at for at in range(len(results)) if at not in best]
    return [results[at] for at in sorted([*best, *others[-(MOST_RESULTS - len(best)) :]])]


def _normal_scores(values: Floats) -> Floats:
    """Quantiles of the normal distribution in place of the values, equal ones for equal values (van der Waerden scores)."""
    ordered = np.sort(values)
    ranks = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    quantile = NormalDist().inv_cdf
    return np.array([quantile(rank / len(values)) for rank in ranks.tolist()])
