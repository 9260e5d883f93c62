"""Equal compute for every strategy, and longer training where it costs little."""

from __future__ import annotations

from nas.learning.training import Recipe
from nas.study.compute import finishing_cost, lengthened, shortened, training_cost

RECIPE = Recipe(epochs=20)


def test_small_networks_train_longer_at_no_more_than_an_ordinary_ones_cost() -> None:
    epochs = [lengthened(RECIPE, macs).epochs for macs in (10_000, 1_000_000, 5_000_000, 50_000_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[1] > epochs[2] == epochs[3] == RECIPE.epochs
    ordinary = training_cost(5_000_000, RECIPE)
    assert all(training_cost(macs, lengthened(RECIPE, macs)) <= 1.05 * ordinary for macs in (10_000, 1_000_000, 5_000_000))


def test_the_cost_of_finishing_counts_the_epochs_that_are_trained() -> None:
    tuning = Recipe(epochs=5)
    more = finishing_cost(10_000, RECIPE, tuning) / (10_000 + 3_500_000)
    assert more == lengthened(RECIPE, 10_000).epochs + 2 * tuning.epochs
    assert finishing_cost(10_000, RECIPE, tuning, trainings=6) == 6 * finishing_cost(10_000, RECIPE, tuning)


def test_shortened_keeps_at_least_one_epoch() -> None:
    assert shortened(RECIPE, 0.001).epochs == 1
    assert shortened(RECIPE, 1.0) == RECIPE
