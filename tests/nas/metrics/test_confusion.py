"""Metrics are scikit-learn's; intervals hold what they promise; groups that a network fails are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from nas.metrics import METRICS, Metric
from nas.metrics.confusion import confusion_matrix, interval, over_groups, score, suitable_metric

answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(answers)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:sklearn")
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    y, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    confusion = confusion_matrix(y, predicted, 4)
    assert confusion.sum() == len(pairs)
    assert score("accuracy", confusion) == pytest.approx(np.mean(y == predicted))
    assert score("balanced_accuracy", confusion) == pytest.approx(balanced_accuracy_score(y, predicted))
    assert score("macro_f1", confusion) == pytest.approx(f1_score(y, predicted, average="macro"))


@pytest.mark.parametrize("metric", METRICS)
def test_nine_in_ten_intervals_of_ninety_percent_hold_the_truth(metric: Metric) -> None:
    share = np.array([[0.55, 0.10, 0.05], [0.04, 0.10, 0.01], [0.03, 0.02, 0.10]])
    truth = float(score(metric, np.round(share * 1000).astype(np.int64)))
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        low, high = interval(metric, rng.multinomial(200, share.ravel()).reshape(3, 3), 0.9)
        held += low <= truth <= high
    assert 0.85 <= held / 300 <= 0.96


def test_an_interval_narrows_with_the_examples() -> None:
    few, many = np.array([[9, 1], [2, 8]]), np.array([[900, 100], [200, 800]])
    for metric in METRICS:
        narrow, wide = interval(metric, many), interval(metric, few)
        assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5
    assert interval("accuracy", np.array([[5, 0], [0, 0]]))[0] > 0.5  # all right, but of five
    assert interval("accuracy", np.zeros((2, 2), np.int64)) == (0.0, 1.0)


def test_balanced_accuracy_suits_what_is_very_unbalanced() -> None:
    assert suitable_metric(np.repeat([0, 1, 2], [50, 40, 10])) == "accuracy"
    assert suitable_metric(np.repeat([0, 1], [1000, 100])) == "balanced_accuracy"


def test_the_groups_that_a_network_fails_are_named() -> None:
    y = np.tile([0, 1], 30)
    predicted = y.copy()
    of = np.repeat(np.arange(6), 10)
    predicted[10:15] = 1 - predicted[10:15]  # b, half of it
    spread = over_groups("accuracy", y, predicted, "abcdefghi", of, 2)
    assert (spread["count"], spread["min"], spread["median"], spread["max"]) == (6, 0.5, 1.0, 1.0)
    assert spread["lowest"][0] == {"name": "b", "score": 0.5, "n": 10}
    assert len(spread["lowest"]) == 5
