"""What all our samplers share: constraints before training, no architecture twice, the same proposals in whatever order trials end.

The random state of trial *k* is a function of the seed and *k* alone, and its proposal sees only the results of trials up to
``k - lag``, in number order. Whoever waits for those before asking for trial *k* gets the same proposals on one worker or many.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from codegen.errors import UserError
from nas.samplers._objectives import Minimize, weighted
from nas.samplers._stopped import values_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import BaseTrial, FrozenTrial

    from search_spaces import Architecture, SearchSpace

Fits = Callable[["Architecture"], Collection[str]]
"""The check before training: names of the limits that an architecture breaks, empty where it fits."""

MOST_DRAWS = 20_000
"""Candidates checked for one proposal before the sampler gives up."""


class NoFeasibleArchitectureError(UserError):
    """Nothing new that keeps every limit was found; the message names the limit that rejects most."""


@dataclass(frozen=True, slots=True)
class Result:
    """A trial that was completed, or pruned; ``value`` is its objective, always better when larger, of a pruned one an estimate
    (:mod:`nas.samplers._stopped`).

    Where there are several, ``objectives`` has all of them, the trial's own first and the logarithms of the others, and
    ``value`` is what they are worth together to the trial that is to be proposed.
    """

    number: int
    architecture: Architecture
    value: float
    objectives: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """An architecture for trial ``number``, and how many candidates each limit rejected on the way (one may break several)."""

    number: int
    architecture: Architecture
    candidates_rejected: int
    rejected_by: Mapping[str, int]


def suggest_architecture(trial: BaseTrial, space: SearchSpace) -> Architecture:
    """The architecture that ``trial`` is about, by define-by-run; works with every Optuna sampler."""
    choices = space.choices()

    def suggest(name: str) -> int | str:
        value = trial.suggest_categorical(name, choices[name])
        assert isinstance(value, (int, str))
        return value

    return space.decode(suggest)


class Admission:
    """Says which candidates may become the next trial: those that are feasible and new. It counts the others.

    :param known: ids of the architectures that were tried.
    :param most: candidates that may be checked.
    """

    def __init__(self, fits: Fits, known: Collection[str], most: int) -> None:
        self._fits = fits
        self._known = known
        self._most = most
        self._checks = 0
        self.duplicates = 0
        """Candidates that had been tried before."""
        self.infeasible = 0
        self.rejected_by: Counter[str] = Counter()
        """Infeasible candidates by the limits that they break."""

    def __call__(self, candidate: Architecture) -> bool:
        """Whether ``candidate`` may be proposed.

        :raises NoFeasibleArchitectureError: if as many candidates as may be were checked before this one.
        """
        if self._checks == self._most:
            raise NoFeasibleArchitectureError(_why(self._most, self.duplicates, self.rejected_by))
        self._checks += 1
        if candidate.id in self._known:
            self.duplicates += 1
            return False
        broken = self._fits(candidate)
        self.infeasible += bool(broken)
        self.rejected_by.update(broken)
        return not broken


class ProposingSampler(BaseSampler):
    """Base of samplers that know their next proposal before a trial is made of it."""

    space: SearchSpace
    """What to choose from."""
    lag: int
    """A proposal sees results of trials at least this many numbers older; the number of trials that may be under way."""

    @property
    def title(self) -> str:
        """What reports call the sampler."""
        return type(self).__name__

    @abstractmethod
    def propose(self, study: Study, number: int) -> Proposal:
        """What trial ``number`` of ``study`` will be; calling it before ``study.ask()`` finds out whether there is anything left.

        :raises NoFeasibleArchitectureError: where nothing is found.
        """

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every parameter of the space, categorical."""
        return {name: CategoricalDistribution(options) for name, options in self.space.choices().items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The active parameters of :meth:`propose`."""
        return dict(self.space.params(self.propose(study, trial.number).architecture))

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Parameters that are not the space's are not ours to choose.

        :raises ValueError: always; it names the parameter.
        """
        raise ValueError(f"parameter {param_name!r} is no active parameter of search space {self.space.name}")


@dataclass(eq=False, repr=False)
class FeasibleSampler(ProposingSampler):
    """Base of samplers that reject infeasible and known architectures before a trial is made of them.

    :param space: what to choose from.
    :param fits: see :data:`Fits`; called in the driver, so it should take milliseconds.
    :param seed: with the trial's number the only source of randomness.
    :param lag: a proposal sees results of trials at least this many numbers older; the number of trials that may be under way.
    :param most_draws: candidates to check for one proposal.
    :param minimize: further objectives, see :data:`Minimize`.
    :param first: architectures to begin with: of those that are feasible and new each proposal is the first one.

    A sampler that is such a dataclass, too, takes these by the same names, with settings of its own.
    """

    space: SearchSpace
    fits: Fits
    _: KW_ONLY
    seed: int = 0
    lag: int = 1
    most_draws: int = MOST_DRAWS
    minimize: Minimize | None = None
    first: Sequence[Architecture] = ()

    def __post_init__(self) -> None:
        if self.lag < 1:
            raise ValueError("lag must be at least 1")
        if self.most_draws < 1:
            raise ValueError("most_draws must be at least 1")
        self._last: Proposal | None = None
        self._architectures: dict[int, Architecture] = {}
        self._feasible: dict[int, bool] = {}

    @abstractmethod
    def choose(self, rng: np.random.Generator, results: list[Result], admits: Admission) -> Architecture:
        """The next architecture, one that ``admits`` said yes to.

        ``results`` holds what this trial may see and fits, by number. It ends by the error of ``admits`` where nothing is found.
        """

    def rng(self, number: int) -> np.random.Generator:
        """The random numbers of trial ``number``."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, number])))

    def propose(self, study: Study, number: int) -> Proposal:
        """What trial ``number`` of ``study`` will be; calling it before ``study.ask()`` finds out whether there is anything left.

        :raises NoFeasibleArchitectureError: after ``most_draws`` candidates that were infeasible or known.
        """
        if self._last is not None and self._last.number == number:
            return self._last
        known: set[str] = set()
        results: list[Result] = []
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        trials = study.get_trials(deepcopy=False)[:number]
        values = values_of(trials[: max(0, number - self.lag + 1)])
        for trial in trials:
            architecture = self._architecture(trial)
            if architecture is None:
                continue
            known.add(architecture.id)
            value = values[trial.number] if trial.number < len(values) else None
            if value is not None and self._fits(trial.number, architecture):
                results.append(self._result(trial.number, architecture, sign * value))
        admits = Admission(self.fits, known, self.most_draws)
        rng = self.rng(number)
        chosen = next((a for a in self.first if a.id not in known and admits(a)), None)
        if chosen is None:
            chosen = self.choose(rng, results if self.minimize is None else weighted(results, rng), admits)
        self._last = Proposal(number, chosen, admits.infeasible, dict(sorted(admits.rejected_by.items())))
        return self._last

    def _result(self, number: int, architecture: Architecture, value: float) -> Result:
        """What a trial came to, with the further objectives."""
        if self.minimize is None:
            return Result(number, architecture, value)
        return Result(number, architecture, value, (value, *(-math.log(cost) for cost in self.minimize(architecture))))

    def _architecture(self, trial: FrozenTrial) -> Architecture | None:
        """The architecture of an earlier trial; None where its parameters are incomplete (the driver was killed as it asked)."""
        if trial.number not in self._architectures:
            try:
                self._architectures[trial.number] = self.space.from_params(trial.params)
            except UserError:
                return None
        return self._architectures[trial.number]

    def _fits(self, number: int, architecture: Architecture) -> bool:
        """Whether the architecture of trial ``number`` is feasible; another sampler may have proposed it, for other limits."""
        if number not in self._feasible:
            self._feasible[number] = not self.fits(architecture)
        return self._feasible[number]


def _why(draws: int, duplicates: int, rejected_by: Counter[str]) -> str:
    if not rejected_by:
        return f"every one of {draws} candidates had been tried before: the search space is exhausted"
    limit, count = rejected_by.most_common(1)[0]
    share = f"{count} of {draws} candidates break the limit on {limit}"
    known = f", {duplicates} were tried before" if duplicates else ""
    return f"no new network within the limits found: {share}{known}; loosen that limit"
