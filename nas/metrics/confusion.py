"""How good the answers of a classifier are: the metric by what was taken for what, how sure it is, how it spreads over groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.metrics import UNBALANCED, ClassMetric

RESAMPLES = 2000
LOWEST = 5
"""Groups that are named because a network fails them most."""

Confusion = NDArray[np.int64]
"""``(..., K, K)``: how many examples of each class (rows) were taken for each class (columns)."""


def suitable_metric(y: NDArray[np.int64]) -> ClassMetric:
    """``accuracy``, or ``balanced_accuracy`` where classes are so unbalanced that always answering the largest looks good."""
    counts = np.unique(y, return_counts=True)[1]
    return "balanced_accuracy" if len(counts) and counts.max() >= UNBALANCED * counts.min() else "accuracy"


def confusion_matrix(y: NDArray[np.int64], predicted: NDArray[Any], classes: int) -> Confusion:
    """``y`` and ``predicted`` ``(N,)``, indices below ``classes`` → ``(classes, classes)``."""
    counts = np.bincount(y * classes + predicted.astype(np.int64), minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def score(metric: ClassMetric, confusion: Confusion) -> NDArray[np.float64]:
    """The metric, 0..1, of each confusion matrix ``(..., K, K)``; NaN without examples.

    ``accuracy``: the share that is right. ``balanced_accuracy``: the mean recall of the classes that there are examples of.
    ``macro_f1``: the mean F1 score of the classes that there are examples of or answers with. As in scikit-learn.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    actual, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    if metric == "accuracy":
        return _ratio(right.sum(axis=-1), actual.sum(axis=-1))
    if metric == "balanced_accuracy":
        of_each, counted = _ratio(right, actual), actual > 0
    else:
        of_each, counted = _ratio(2 * right, actual + answered), actual + answered > 0
    return _ratio(np.where(counted, of_each, 0.0).sum(axis=-1), counted.sum(axis=-1))


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(a, b, out=np.full(np.shape(b), np.nan), where=np.asarray(b) > 0)
    return ratio


def interval(metric: ClassMetric, confusion: Confusion, confidence: float = 0.95) -> tuple[float, float]:
    """Where the metric is likely to lie on other examples of the same source, by how many were looked at.

    For accuracy Wilson's interval (1927, https://doi.org/10.1080/01621459.1927.10502953), else the percentiles of a bootstrap
    (Efron 1979, https://doi.org/10.1214/aos/1176344552), always with the same seed. Examples count as independent: those of one
    person are not, so that the spread over groups says more about the next person.
    """
    n = int(confusion.sum())
    if n == 0:
        return 0.0, 1.0
    if metric == "accuracy":
        from statistics import NormalDist

        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        p = float(np.trace(confusion)) / n
        centre, scale = p + z * z / (2 * n), 1 + z * z / n
        half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
    drawn = np.random.default_rng(0).multinomial(n, confusion.ravel() / n, RESAMPLES).reshape(RESAMPLES, *confusion.shape)
    low, high = np.quantile(score(metric, drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def over_groups(
    metric: ClassMetric, y: NDArray[np.int64], predicted: NDArray[Any], names: Sequence[str], of: NDArray[np.int64], classes: int
) -> dict[str, Any]:
    """How the metric spreads over groups, such as people, where example ``i`` is of the one called ``names[of[i]]``: ``count`` of
    them, ``min``, ``median`` and ``max`` of their scores, and the :data:`LOWEST` ones by name, lowest first, each with the number
    of its examples."""
    present = np.unique(of)
    scores = {}
    for group in present:
        of_group = of == group
        confusion = confusion_matrix(y[of_group], predicted[of_group], classes)
        scores[names[group]] = (float(score(metric, confusion)), int(of_group.sum()))
    values = [value for value, _ in scores.values()]
    lowest = sorted(scores.items(), key=lambda item: (item[1][0], item[0]))[:LOWEST]
    return {
        "count": len(present),
        "min": min(values),
        "median": float(np.median(values)),
        "max": max(values),
        "lowest": [{"name": name, "score": value, "n": n} for name, (value, n) in lowest],
    }
