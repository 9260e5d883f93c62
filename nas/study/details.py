"""What a report says of a network's answers on the test part beside the metric."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset
from nas.learning.anomaly import FALSE_ALARMS, SCORE, alarm_threshold
from nas.metrics import CLASS_METRICS, ClassMetric
from nas.metrics.confusion import confusion_matrix, interval, over_groups, score
from nas.metrics.detection import auprc, auroc, auroc_interval


def class_details(dataset: Dataset, predicted: NDArray[Any]) -> dict[str, Any]:
    """Of a classifier's answers ``(N,)``: the 95 % ``interval`` of the metric, the other metrics, the ``confusion`` of classes
    (rows) with those that they were taken for (columns), and the spread over ``groups``, where there are any."""
    metric, classes, groups = cast(ClassMetric, dataset.metric), len(dataset.classes), dataset.groups
    confusion = confusion_matrix(dataset.y, predicted, classes)
    spread = None
    if groups is not None:
        by_group = over_groups(metric, dataset.y, predicted, groups.names, groups.of, classes)
        spread = {"kind": groups.kind, **by_group}
    return {
        "interval": interval(metric, confusion),
        "int8_by_metric": {name: float(score(name, confusion)) for name in CLASS_METRICS},
        "confusion": confusion.tolist(),
        "groups": spread,
    }


def detection_details(dataset: Dataset, scores: NDArray[np.float64], unseen_normal: NDArray[np.float64]) -> dict[str, Any]:
    """Of an anomaly detector's scores ``(N,)``: the 95 % ``interval`` of the metric, the ``auprc``, and what an ``alarm`` with the
    threshold that few of the ``unseen_normal`` validation examples pass detects, and how often it is false."""
    anomalous = dataset.anomalous
    threshold = alarm_threshold(unseen_normal)
    counts = int((~anomalous).sum()), int(anomalous.sum())
    return {
        "interval": auroc_interval(auroc(anomalous, scores), *counts),
        "auprc": auprc(anomalous, scores),
        "groups": None,
        "alarm": {
            "score": SCORE,
            "threshold": threshold,
            "false_alarms_on_validation": FALSE_ALARMS,
            "false_alarms": float((scores[~anomalous] > threshold).mean()),
            "detected": float((scores[anomalous] > threshold).mean()),
        },
    }
