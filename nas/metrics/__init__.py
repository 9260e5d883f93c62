"""What networks are judged by. The names are here, apart from the arithmetic in :mod:`nas.metrics.confusion`, so that help texts
can list them at once."""

from __future__ import annotations

from typing import Literal, get_args

ClassMetric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
"""Of classifiers."""
Metric = Literal[ClassMetric, "auroc"]
"""``auroc``, the area under the receiver operating characteristic, is that of anomaly detectors."""
CLASS_METRICS: tuple[ClassMetric, ...] = get_args(ClassMetric)
METRICS: tuple[Metric, ...] = get_args(Metric)
UNBALANCED = 10
"""Ratio of the largest class to the smallest from which accuracy says little."""


def describe(metric: Metric) -> str:
    """The metric in words: ``balanced accuracy``."""
    return "AUROC" if metric == "auroc" else metric.replace("_", " ").replace("f1", "F1")


def weighs_classes_equally(metric: Metric) -> bool:
    """Whether every class counts the same, however many examples it has."""
    return metric in ("balanced_accuracy", "macro_f1")
