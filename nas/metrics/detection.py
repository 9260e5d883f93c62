"""How well anomalies are told from normal examples, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def auroc(anomalous: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Area under the receiver operating characteristic: how often an anomaly scores above a normal example."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(anomalous, scores))


def auprc(anomalous: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Area under the precision-recall curve, as average precision: what part of the alarms is right, over all thresholds. Of scores
    that tell nothing it is the share of anomalies."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(anomalous, scores))


def auroc_interval(area: float, normal: int, anomalous: int, confidence: float = 0.95) -> tuple[float, float]:
    """Where the area is likely to lie for other examples of the same source, by how many were looked at (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747)."""
    from statistics import NormalDist

    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (anomalous - 1) * (q1 - area**2) + (normal - 1) * (q2 - area**2)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * (max(0.0, variance) / (normal * anomalous)) ** 0.5
    return max(0.0, area - half), min(1.0, area + half)
