"""What becomes of a finalist on a worker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graph_weights import weights

from nas.datasets import Dataset, load_train, split_validation
from nas.learning.quantization import FINE_TUNING
from nas.learning.training import Recipe
from nas.study.tasks import TrainedNetwork, train_and_quantize
from search_spaces import ImageSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)
PARAMS = SPACE.params(list(SPACE.hand_designed())[-1])
SHORT = Recipe(epochs=4)
ROUNDED = replace(FINE_TUNING, epochs=0)
RUINOUS = replace(FINE_TUNING, epochs=1, learning_rate=3.0)


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    return split_validation(load_train("digits"), 0.25, 0)


def made(data: tuple[Dataset, Dataset], quantization: Recipe, judge: TrainedNetwork | None = None) -> TrainedNetwork:
    return train_and_quantize(SPACE, PARAMS, *data, SHORT, quantization, 0, "digits", judge=judge)


def test_fine_tuning_is_kept_only_where_it_does_not_harm(data: tuple[Dataset, Dataset]) -> None:
    plain, tuned, ruined = (made(data, recipe) for recipe in (ROUNDED, FINE_TUNING, RUINOUS))
    assert [network.int8.fine_tuned for network in (plain, tuned, ruined)] == [False, True, False]
    assert weights(ruined.int8.graph) == weights(plain.int8.graph) != weights(tuned.int8.graph)
    assert plain.int8.accuracy is not None
    assert tuned.int8.accuracy is not None
    assert ruined.int8.accuracy == plain.int8.accuracy <= tuned.int8.accuracy


def test_a_refit_is_fine_tuned_if_its_judge_was(data: tuple[Dataset, Dataset]) -> None:
    for recipe, fine_tuned in ((FINE_TUNING, True), (RUINOUS, False)):
        judge = made(data, recipe)
        shipped = made(data, recipe, judge)
        assert judge.int8.fine_tuned == shipped.int8.fine_tuned == fine_tuned
        assert (shipped.float_accuracy, shipped.int8.accuracy) == (None, None), "it has learnt the examples"
