import numpy as np
import pytest

from cost_models.card import Accuracy, Card, spearman


def test_spearman_shares_ranks_among_ties() -> None:
    assert spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.array([10.0, 20.0, 20.0, 90.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    # 1 - 6 * sum(d^2) / (n (n^2 - 1)) with d = (0, 1, -1, 0)
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)


def test_accuracy_and_json_round_trip() -> None:
    accuracy = Accuracy.of([110.0, 95.0], [100.0, 100.0], coverage=0.5)
    assert (accuracy.mape, accuracy.worst, accuracy.n) == (pytest.approx(0.075), pytest.approx(0.1), 2)
    card = Card({"cycles of networks": accuracy}, True, (4, 20))
    assert Card.from_json(card.to_json()) == card
    assert "7.50 %" in card.render()
