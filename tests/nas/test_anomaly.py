"""Anomaly scores, the anomalies that validation makes, and when there is an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from nas.anomaly import alarm_threshold, anomaly_scores, channel_errors, with_anomalies
from nas.datasets import Dataset
from nas.datasets._base import Kind
from nas.metrics.detection import auroc


def normal_data(shape: tuple[int, int, int], dtype: str, kind: Kind) -> Dataset:
    rng = np.random.default_rng(0)
    stored = rng.normal(128, 30, (40, *shape)).clip(0, 255).astype(dtype)
    return Dataset("made", kind, shape, ("odd", "usual"), stored, np.ones(40, np.int64), normal=1)


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


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((1, 60, 8), "float32", "series"),
        ((1, 60, 1), "int16", "series"),
        ((12, 10, 3), "uint8", "image"),
        ((1, 1, 20), "float32", "vector"),
    ],
)
def test_anomalies_are_made_of_normal_examples(shape: tuple[int, int, int], dtype: str, kind: Kind) -> None:
    normal = normal_data(shape, dtype, kind)
    mixed = with_anomalies(normal, 0)
    assert mixed.stored.dtype == normal.stored.dtype
    assert mixed.anomalous.sum() == len(normal) == len(mixed) // 2
    assert np.array_equal(mixed.stored[~mixed.anomalous], normal.stored)
    made = mixed.stored[mixed.anomalous]
    changed = (made != normal.stored).reshape(len(normal), -1).mean(axis=1)
    assert np.median(changed) > 0.02
    assert changed.max() < 0.9  # never another example as a whole
    assert np.array_equal(with_anomalies(normal, 0).stored, mixed.stored)
    assert not np.array_equal(with_anomalies(normal, 1).stored, mixed.stored)


def test_one_normal_example_in_a_hundred_raises_an_alarm() -> None:
    scores = np.random.default_rng(3).normal(size=10_000)
    assert (scores > alarm_threshold(scores)).mean() == pytest.approx(0.01)
