"""The Pareto front of a search's trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from nas.study.objectives import COSTS, FIGURES, Cost, merits, undominated
from nas.study.several_boards import figures_on

FORMAT = 1
Costed = tuple[FrozenTrial, Mapping[str, Any]]
"""A trial with its figures on a board."""


def pareto_front(trials: Sequence[Costed], costs: Sequence[Cost]) -> list[Costed]:
    """The trials that no other beats: more accurate at no higher cost, or cheaper in one of ``costs`` and worse in nothing."""
    return [trials[at] for at in undominated([merits(trial.value or 0.0, figures, costs) for trial, figures in trials])]


def front_json(trials: Sequence[FrozenTrial], board: str, costs: Sequence[Cost]) -> dict[str, Any]:
    """The content of a board's ``front.json``: accuracy on the validation data as screened, costs as predicted; the front is that
    of ``costs``, or where there are none, of all of them."""
    names = [FIGURES[cost] for cost in costs or COSTS]
    fitting = [(trial, figures) for trial in trials if (figures := figures_on(trial, board)) is not None]
    return {
        "format": FORMAT,
        "objectives": {"accuracy": "maximize", **dict.fromkeys(names, "minimize")},
        "trials": [
            {
                "number": trial.number,
                "accuracy": trial.value,
                **{name: figures[name] for name in FIGURES.values()},
                "params": trial.params,
            }
            for trial, figures in pareto_front(fitting, costs or COSTS)
        ],
    }
