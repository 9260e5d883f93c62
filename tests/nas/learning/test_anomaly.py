"""Anomaly scores, and when there is an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from nas.learning.anomaly import alarm_threshold, anomaly_scores, channel_errors
from nas.metrics.detection import auroc


def test_a_channel_that_drifts_does_not_drown_the_others() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(200, 1, 30, 4)).astype(np.float32)
    error = rng.normal(scale=0.1, size=inputs.shape)
    anomalous = np.arange(200) % 2 == 0
    error[anomalous, ..., 0] *= 8
    error[..., 3] += rng.normal(scale=5, size=(200, 1, 1))  # drift, of any example
    outputs = (inputs + error).astype(np.float32)
    for channels, least, most in ((True, 0.9, 1.0), (False, 0.3, 0.7)):
        errors = channel_errors(inputs, outputs, channels=channels)
        assert least < auroc(anomalous, anomaly_scores(errors, errors[~anomalous])) <= most


def test_one_normal_example_in_a_hundred_raises_an_alarm() -> None:
    scores = np.random.default_rng(3).normal(size=10_000)
    assert (scores > alarm_threshold(scores)).mean() == pytest.approx(0.01)
