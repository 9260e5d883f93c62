"""Samplers and pruners by the names that ``--sampler`` and ``--pruner`` take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial

    from nas.pruners import Contest
    from nas.samplers import FeasibleSampler, ProposingSampler
    from nas.study.feasibility import Feasibility
    from nas.study.settings import SearchSettings

SAMPLERS = {
    "predictor": "evolution guided by a predictor",
    "evolution": "aging evolution",
    "random": "random among those that fit",
    "tpe": "Optuna's tree-structured Parzen estimator",
    "nsgaii": "Optuna's NSGA-II",
    "gp": "Optuna's Gaussian process",
}
"""What each of them is."""
PRUNERS = {
    "none": "no trial",
    "halving": "those not among the better half of the trials at a rung",
    "median": "those below the median of all trials at a rung",
}
"""Which trials each of them stops."""
STARTS = {
    "hand-designed": "the widest form that fits of a published network",
    "random": "what the sampler begins with",
}
"""What the first trial is."""


def lag_for(workers: int, trials: int) -> int:
    """How many numbers older trials are at least whose results a proposal and a pruner see, in a search of so many trials.

    Up to two workers it is their number. A training that takes long would keep many more workers waiting, so that it tends to three
    times their number, but not beyond a third of the trials: a short search has more use for results.
    """
    return max(workers, min(3 * workers - 4, trials // 3))


def make_sampler(name: str, settings: SearchSettings, boards: Sequence[Feasibility]) -> ProposingSampler:
    """The sampler called ``name`` for a search with these settings; where there are several boards, they take turns.

    :raises UserError: if there is none of that name.
    """
    from nas.samplers import TurnsSampler

    samplers = [_for_board(name, settings, feasibility) for feasibility in boards]
    return samplers[0] if len(samplers) == 1 else TurnsSampler(samplers)


def _for_board(name: str, settings: SearchSettings, feasibility: Feasibility) -> FeasibleSampler:
    from nas import samplers
    from nas.study.hand_designed import hand_designed
    from nas.study.objectives import cost_values

    space, seed, lag, population = feasibility.space, settings.seed, settings.lag, settings.population
    minimize = (lambda architecture: cost_values(feasibility.figures(architecture), settings.costs)) if settings.costs else None
    common: Any = {"seed": seed, "lag": lag, "minimize": minimize}
    if settings.start == "hand-designed" and name != "random":
        common["first"] = hand_designed(feasibility)[:1]
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


def make_pruner(settings: SearchSettings, boards: Sequence[Feasibility]) -> BasePruner:
    """What stops hopeless trials in a search with these settings: a trial competes on each board on which it fits, and where costs
    are objectives with those that cost no more there.

    :raises UserError: if there is none of the name in the settings.
    """
    from optuna.pruners import NopPruner

    from nas import pruners
    from nas.learning.rungs import rungs_of

    contests = [_contest(feasibility.board.name, settings) for feasibility in boards]
    common: Any = {"rungs": rungs_of(settings.screening.epochs), "lag": settings.lag, "contests": contests}
    match settings.pruner:
        case "none":
            return NopPruner()
        case "halving":
            return pruners.HalvingPruner(**common)
        case "median":
            return pruners.MedianPruner(**common)
    raise UserError(f"pruner {settings.pruner!r} is unknown; choose one of {', '.join(PRUNERS)}")


def _contest(board: str, settings: SearchSettings) -> Contest:
    from nas.study.objectives import cost_values
    from nas.study.several_boards import figures_on

    def costs(trial: FrozenTrial) -> tuple[float, ...] | None:
        figures = figures_on(trial, board)
        return None if figures is None else cost_values(figures, settings.costs)

    return costs
