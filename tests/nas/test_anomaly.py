"""Anomaly scores, the anomalies that validation makes, and how sure an area under the curve is."""

from __future__ import annotations

import numpy as np
import pytest

from nas.anomaly import alarm_threshold, anomaly_scores, auroc, auroc_interval, with_anomalies
from nas.datasets import Dataset
from nas.datasets._base import Kind


def normal_data(shape: tuple[int, int, int], dtype: str, kind: Kind) -> Dataset:
    rng = np.random.default_rng(0)
    stored = rng.normal(128, 30, (40, *shape)).clip(0, 255).astype(dtype)
    return Dataset("made", kind, shape, ("odd", "usual"), stored, np.ones(40, np.int64), task="anomaly detection", normal=1)


def test_a_channel_that_drifts_does_not_drown_the_others() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(200, 1, 30, 4)).astype(np.float32)
    error = rng.normal(scale=0.1, size=inputs.shape)
    anomalous = np.arange(200) % 2 == 0
    error[anomalous, ..., 0] *= 8
    error[..., 3] += rng.normal(scale=5, size=(200, 1, 1))  # drift, of any example
    outputs = (inputs + error).astype(np.float32)
    assert auroc(anomalous, anomaly_scores(inputs, outputs, channels=True)) > 0.9
    assert auroc(anomalous, anomaly_scores(inputs, outputs, channels=False)) < 0.7


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


def test_nine_in_ten_intervals_of_ninety_percent_hold_the_area() -> None:
    rng = np.random.default_rng(2)
    truth, held = 0.7602, 0  # of normal distributions one deviation apart: Phi(1 / sqrt 2)
    for _ in range(300):
        scores = np.concatenate([rng.normal(size=80), rng.normal(1, 1, 60)])
        low, high = auroc_interval(auroc(np.arange(140) >= 80, scores), 80, 60, 0.9)
        held += low <= truth <= high
    assert 0.85 <= held / 300 <= 0.95


def test_one_normal_example_in_a_hundred_raises_an_alarm() -> None:
    scores = np.random.default_rng(3).normal(size=10_000)
    assert (scores > alarm_threshold(scores)).mean() == pytest.approx(0.01)
