"""The Pareto front of a search's trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

FORMAT = 1
COSTS = ("ram", "flash", "latency_ms", "macs")


def pareto_front(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that no other beats: more accurate at no higher cost, or cheaper in one of :data:`COSTS` and worse in nothing."""
    points = [(-(trial.value or 0.0), *(float(trial.user_attrs[cost]) for cost in COSTS)) for trial in trials]

    def dominated(point: tuple[float, ...]) -> bool:
        return any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)

    return [trial for trial, point in zip(trials, points, strict=True) if not dominated(point)]


def front_json(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The content of ``front.json``: accuracy on the validation data as screened, costs as predicted."""
    return {
        "format": FORMAT,
        "objectives": {"accuracy": "maximize", **dict.fromkeys(COSTS, "minimize")},
        "trials": [
            {
                "number": trial.number,
                "accuracy": trial.value,
                **{cost: trial.user_attrs[cost] for cost in COSTS},
                "params": trial.params,
            }
            for trial in pareto_front(trials)
        ],
    }
