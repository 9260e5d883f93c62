"""Samplers by the names that ``--sampler`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codegen.errors import UserError

if TYPE_CHECKING:
    from nas.samplers import FeasibleSampler, ProposingSampler
    from nas.study.feasibility import Feasibility
    from nas.study.settings import SearchSettings

SAMPLERS = {
    "evolution": "aging evolution",
    "predictor": "evolution guided by a predictor",
    "random": "random among those that fit",
    "tpe": "Optuna's tree-structured Parzen estimator",
    "nsgaii": "Optuna's NSGA-II",
    "gp": "Optuna's Gaussian process",
}
"""What each of them is."""


def make_sampler(name: str, settings: SearchSettings, boards: Sequence[Feasibility]) -> ProposingSampler:
    """The sampler called ``name`` for a search with these settings; where there are several boards, they take turns.

    :raises UserError: if there is none of that name.
    """
    from nas.samplers import TurnsSampler

    samplers = [_for_board(name, settings, feasibility) for feasibility in boards]
    return samplers[0] if len(samplers) == 1 else TurnsSampler(samplers)


def _for_board(name: str, settings: SearchSettings, feasibility: Feasibility) -> FeasibleSampler:
    from nas import samplers

    space, seed, lag, population = feasibility.space, settings.seed, settings.workers, settings.population
    match name:
        case "evolution":
            tournament = max(2, population // 2)
            return samplers.EvolutionSampler(space, feasibility, seed=seed, lag=lag, population=population, tournament=tournament)
        case "predictor":
            startup = min(10, population)
            return samplers.PredictorSampler(space, feasibility, costs=feasibility.costs, seed=seed, lag=lag, startup=startup)
        case "random":
            return samplers.RandomFeasibleSampler(space, feasibility, seed=seed, lag=lag)
        case "tpe":
            return samplers.TPEFeasibleSampler(space, feasibility, seed=seed, lag=lag)
        case "nsgaii":
            return samplers.NSGAIIFeasibleSampler(space, feasibility, seed=seed, lag=lag, population=population)
        case "gp":
            return samplers.GPFeasibleSampler(space, feasibility, seed=seed, lag=lag)
    raise UserError(f"sampler {name!r} is unknown; choose one of {', '.join(SAMPLERS)}")
