"""Optuna's own samplers, kept to feasible and new architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from itertools import count
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from nas.samplers._base import Admission, FeasibleSampler, Result
from search_spaces import Architecture, Choice

MakeSampler = Callable[[int], BaseSampler]
"""A fresh sampler of Optuna's, given its seed."""

PATIENCE = 25
"""Rejected mutants after which a mutant is one more step away from what Optuna's sampler proposed."""


@dataclass(eq=False, repr=False)
class OptunaFeasibleSampler(FeasibleSampler):
    """A sampler of Optuna's whose proposals are rejected until one is feasible and new.

    Each proposal is asked of a fresh sampler, for a study in memory that holds what the trial may see, so that it depends on
    the seed and the number alone. That study has all parameters of the space: numbers as integers in the order of their
    choices, names as categories; what is inactive in a network has a random value. Several objectives are several to Optuna's
    sampler, too. Where ``attempts`` proposals in a row are of no use, the trial is a mutant of the last of them.

    :param make: see :data:`MakeSampler`.
    :param attempts: proposals to ask for.
    """

    make: MakeSampler
    _: KW_ONLY
    attempts: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        self._choices = dict(self.space.choices())
        self._distributions = {name: _distribution(options) for name, options in self._choices.items() if len(options) > 1}

    def choose(self, rng: np.random.Generator, results: list[Result], admits: Admission) -> Architecture:
        """The first proposal of Optuna's sampler that is admitted, or a mutant of one that is not."""
        sampler = self.make(int(rng.integers(2**31)))
        objectives = 1 if self.minimize is None else len(self.minimize(self.space.smallest())) + 1
        study = optuna.create_study(sampler=sampler, directions=[StudyDirection.MAXIMIZE] * objectives)
        study.add_trials([self._trial(result, sampler, at) for at, result in enumerate(results)])
        for _ in range(self.attempts):
            trial = study.ask(self._distributions)
            candidate = self.space.from_params({name: self._choice(name, trial.params.get(name)) for name in self._choices})
            if admits(candidate):
                return candidate
            if not isinstance(sampler, GPSampler):  # which would propose the same again unless it sees it under way
                study.tell(trial, state=TrialState.FAIL)
        start = candidate
        for rejected in count():
            candidate = start
            for _ in range(1 + rejected // PATIENCE):
                candidate = self.space.mutate(candidate, rng)
            if admits(candidate):
                break
        return candidate

    def _choice(self, name: str, value: Any) -> Choice:
        """The choice behind a parameter's value in the study; the only one where the study does not have the parameter."""
        options, distribution = self._choices[name], self._distributions.get(name)
        if distribution is None:
            return options[0]
        choice: Choice = options[value] if isinstance(distribution, IntDistribution) else value
        return choice

    def _trial(self, result: Result, sampler: BaseSampler, at: int) -> optuna.trial.FrozenTrial:
        """The ``at``-th of the results as a trial of the study."""
        known = result.architecture.parameters
        rng = self.rng(result.number)
        params: dict[str, Choice] = {}
        for name, distribution in self._distributions.items():
            options = self._choices[name]
            drawn = options[int(rng.integers(len(options)))]
            value = known.get(name, drawn)
            params[name] = options.index(value) if isinstance(distribution, IntDistribution) else value
        attributes: dict[str, Any] = {}
        if isinstance(sampler, NSGAIISampler) and sampler.population_size is not None:
            # What the sampler itself writes down where trials end one after the other.
            attributes[sampler._get_generation_key()] = at // sampler.population_size
        return create_trial(
            params=params,
            distributions=self._distributions,
            values=list(result.objectives or (result.value,)),
            system_attrs=attributes,
            user_attrs={},
        )


def _distribution(options: tuple[Choice, ...]) -> BaseDistribution:
    if all(isinstance(option, int) for option in options):
        return IntDistribution(0, len(options) - 1)
    return CategoricalDistribution(options)


@dataclass(eq=False, repr=False, kw_only=True)
class TPEFeasibleSampler(OptunaFeasibleSampler):
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) with its defaults."""

    make: MakeSampler = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make = lambda seed: TPESampler(seed=seed)


@dataclass(eq=False, repr=False, kw_only=True)
class NSGAIIFeasibleSampler(OptunaFeasibleSampler):
    """Optuna's NSGA-II (Deb et al. 2002): with one objective, a genetic algorithm whose parents are the best trials so far.

    :param population: size of a generation.
    """

    make: MakeSampler = field(init=False)
    population: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make = lambda seed: NSGAIISampler(seed=seed, population_size=self.population)


@dataclass(eq=False, repr=False, kw_only=True)
class GPFeasibleSampler(OptunaFeasibleSampler):
    """Optuna's Gaussian process with the logarithm of expected improvement; a proposal takes about a second."""

    make: MakeSampler = field(init=False)
    attempts: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make = lambda seed: GPSampler(seed=seed)
