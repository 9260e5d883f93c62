"""What a search is for beside the metric: costs that are to be small, and the front of networks that no other beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.metrics import METRICS, Metric

Cost = Literal["ram", "flash", "latency", "macs"]
COSTS: tuple[Cost, ...] = get_args(Cost)
FIGURES: Mapping[Cost, str] = {"ram": "ram", "flash": "flash", "latency": "latency_ms", "macs": "macs"}
"""What reports and trials call them."""
LEAST_COST = 1e-6
BELOW = 0.1
"""How far below the worst, as a part of the range, volumes begin: what is the worst in one thing still counts for the others."""
NOTHING = 1e-12
"""A volume that is rounding."""

Floats = NDArray[np.float64]


def parse_objectives(text: str | None, metric: Metric | None) -> tuple[Metric | None, tuple[Cost, ...]]:
    """What ``--objective accuracy,latency`` says beside ``--metric``: the metric, if either names one, and the costs, if any.

    :raises UserError: for other words, a word given twice, two metrics, or no cost.
    """
    if text is None:
        return metric, ()
    words = [word.strip().lower() for word in text.split(",")]
    costs = tuple(cost for cost in COSTS if cost in words)
    metrics = [name for name in METRICS if name in words]
    unknown = [word for word in words if word not in (*METRICS, *COSTS)]
    if unknown:
        raise UserError(f"--objective {text}: {unknown[0]!r} is none; give a metric ({', '.join(METRICS)}) and {', '.join(COSTS)}")
    if len(set(words)) < len(words) or len({*metrics, *([metric] if metric else [])}) > 1:
        raise UserError(f"--objective {text}: give each objective once, and one metric at most, the same as --metric")
    if not costs:
        raise UserError(f"--objective {text}: names no cost; add some of {', '.join(COSTS)}, or leave it away")
    return (metrics[0] if metrics else metric), costs


def cost_values(figures: Mapping[str, Any], costs: Sequence[Cost]) -> tuple[float, ...]:
    """A network's costs, of its figures as predicted or built (:data:`FIGURES`); positive."""
    return tuple(max(float(figures[FIGURES[cost]]), LEAST_COST) for cost in costs)


def merits(score: float, figures: Mapping[str, Any], costs: Sequence[Cost]) -> tuple[float, ...]:
    """A network's objectives, all better when larger: its score, and the negative logarithms of its costs."""
    return (score, *(-math.log(value) for value in cost_values(figures, costs)))


def undominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Places of the points that no other one beats, being better in something and worse in nothing."""
    values = np.asarray(points, dtype=np.float64)

    def beaten(point: Floats) -> bool:
        return bool(((values >= point).all(axis=1) & (values > point).any(axis=1)).any())

    return [at for at, point in enumerate(values) if not beaten(point)]


def spread(points: Sequence[Sequence[float]], most: int) -> list[int]:
    """Places of all points in such an order that any number of the first ``most`` tells much of the front: the one that
    is best in the first objective, then whichever adds most to the volume that is dominated (greedy hypervolume subset selection,
    Guerreiro, Fonseca and Paquete 2016, https://doi.org/10.1162/EVCO_a_00188); the others follow in the order of the first
    objective."""
    if not len(points):
        return []
    values = np.asarray(points, dtype=np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = BELOW + (values - low) / np.where(high > low, high - low, 1.0)
    order: list[int] = np.argsort(-values[:, 0], kind="stable").tolist()
    front = set(undominated(points))
    candidates = [at for at in order if at in front]
    chosen = [candidates.pop(0)]
    while candidates and len(chosen) < most:
        volume = hypervolume(scaled[chosen])
        gains = [hypervolume(scaled[[*chosen, at]]) - volume for at in candidates]
        best = int(np.argmax(gains))
        if gains[best] <= NOTHING:
            break
        chosen.append(candidates.pop(best))
    taken = set(chosen)
    return chosen + [at for at in order if at not in taken]


def hypervolume(points: Floats) -> float:
    """The volume between 0 and the points ``(N, M)``, whose coordinates are at least 0, by slices along the last axis."""
    if points.shape[1] == 1:
        return float(points.max(initial=0.0))
    volume, above = 0.0, 0.0
    for height in np.unique(points[:, -1]).tolist():
        if height > above:
            volume += (height - above) * hypervolume(points[points[:, -1] >= height, :-1])
            above = height
    return volume
