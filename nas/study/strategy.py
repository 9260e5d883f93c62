"""Samplers by the names that ``--sampler`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
    from nas.study.objectives import cost_values

    space, seed, lag, population = feasibility.space, settings.seed, settings.workers, settings.population
    minimize = (lambda architecture: cost_values(feasibility.figures(architecture), settings.costs)) if settings.costs else None
    common: Any = {"seed": seed, "lag": lag, "minimize": minimize}
    match name:
        case "evolution":
            tournament = max(2, population // 2)
            return samplers.EvolutionSampler(space, feasibility, **common, population=population, tournament=tournament)
        case "predictor":
            startup = min(10, population)
            return samplers.PredictorSampler(space, feasibility, costs=feasibility.costs, **common, startup=startup)
        case "random":
            return samplers.RandomFeasibleSampler(space, feasibility, **common)
        case "tpe":
            return samplers.TPEFeasibleSampler(space, feasibility, **common)
        case "nsgaii":
            return samplers.NSGAIIFeasibleSampler(space, feasibility, **common, population=population)
        case "gp":
            return samplers.GPFeasibleSampler(space, feasibility, **common)
    raise UserError(f"sampler {name!r} is unknown; choose one of {', '.join(SAMPLERS)}")
