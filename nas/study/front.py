"""The Pareto front of a search's trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from nas.study.several_boards import figures_on

FORMAT = 1
COSTS = ("ram", "flash", "latency_ms", "macs")


Costed = tuple[FrozenTrial, Mapping[str, Any]]
"""A trial with its figures on a board."""


def pareto_front(trials: Sequence[Costed]) -> list[Costed]:
    """The trials that no other beats: more accurate at no higher cost, or cheaper in one of :data:`COSTS` and worse in nothing."""
    points = [(-(trial.value or 0.0), *(float(figures[cost]) for cost in COSTS)) for trial, figures in trials]

    def dominated(point: tuple[float, ...]) -> bool:
        return any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)

    return [trial for trial, point in zip(trials, points, strict=True) if not dominated(point)]


def front_json(trials: Sequence[FrozenTrial], board: str) -> dict[str, Any]:
    """The content of a board's ``front.json``: accuracy on the validation data as screened, costs as predicted."""
    fitting = [(trial, figures) for trial in trials if (figures := figures_on(trial, board)) is not None]
    return {
        "format": FORMAT,
        "objectives": {"accuracy": "maximize", **dict.fromkeys(COSTS, "minimize")},
        "trials": [
            {
                "number": trial.number,
                "accuracy": trial.value,
                **{cost: figures[cost] for cost in COSTS},
                "params": trial.params,
            }
            for trial, figures in pareto_front(fitting)
        ],
    }
