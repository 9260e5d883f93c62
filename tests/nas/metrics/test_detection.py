"""Areas under curves, and how sure one is."""

from __future__ import annotations

import numpy as np

from nas.metrics.detection import auprc, auroc, auroc_interval


def test_nine_in_ten_intervals_of_ninety_percent_hold_the_area() -> None:
    rng = np.random.default_rng(2)
    truth, held = 0.7602, 0  # of normal distributions one deviation apart: Phi(1 / sqrt 2)
    for _ in range(300):
        scores = np.concatenate([rng.normal(size=80), rng.normal(1, 1, 60)])
        low, high = auroc_interval(auroc(np.arange(140) >= 80, scores), 80, 60, 0.9)
        held += low <= truth <= high
    assert 0.85 <= held / 300 <= 0.95


def test_precision_is_averaged_over_the_anomalies_by_rank() -> None:
    anomalous = np.array([True, False, True, False, False])
    assert auprc(anomalous, np.array([5.0, 4.0, 3.0, 2.0, 1.0])) == (1 / 1 + 2 / 3) / 2
    assert auprc(anomalous, np.array([5.0, 1.0, 4.0, 2.0, 3.0])) == 1
    assert auprc(anomalous, np.zeros(5)) == 2 / 5
