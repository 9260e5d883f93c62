"""What becomes of a finalist on a worker."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from graph_weights import weights

from nas.datasets import Split, load_train, split_validation
from nas.learning.quantization import FINE_TUNING
from nas.learning.training import Recipe
from nas.study.recipes import DISTILLATION
from nas.study.tasks import Lesson, TrainedNetwork, screen, train_and_quantize
from search_spaces import ImageSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)
PARAMS = SPACE.params(list(SPACE.hand_designed())[-1])
SHORT = Recipe(epochs=4)
ROUNDED = replace(FINE_TUNING, epochs=0)
RUINOUS = replace(FINE_TUNING, epochs=1, learning_rate=3.0)


@pytest.fixture(scope="module")
def data() -> Split:
    return split_validation(load_train("digits"), 0.25, 0)


def made(data: Split, quantization: Recipe, judge: TrainedNetwork | None = None) -> TrainedNetwork:
    return train_and_quantize(SPACE, PARAMS, [data], SHORT, quantization, 0, "digits", judge=judge)


def test_fine_tuning_is_kept_only_where_it_does_not_harm(data: Split) -> None:
    plain, tuned, ruined = (made(data, recipe) for recipe in (ROUNDED, FINE_TUNING, RUINOUS))
    assert [network.int8.fine_tuned for network in (plain, tuned, ruined)] == [False, True, False]
    assert weights(ruined.int8.graph) == weights(plain.int8.graph) != weights(tuned.int8.graph)
    assert plain.int8.accuracy is not None
    assert tuned.int8.accuracy is not None
    assert ruined.int8.accuracy == plain.int8.accuracy <= tuned.int8.accuracy


def test_a_refit_is_fine_tuned_if_its_judge_was(data: Split) -> None:
    for recipe, fine_tuned in ((FINE_TUNING, True), (RUINOUS, False)):
        judge = made(data, recipe)
        shipped = made(data, recipe, judge)
        assert judge.int8.fine_tuned == shipped.int8.fine_tuned == fine_tuned
        assert (shipped.float_accuracy, shipped.int8.accuracy) == (None, None), "it has learnt the examples"


def test_on_several_splits_figures_are_means_and_weights_of_the_first(data: Split) -> None:
    other = Split(data.validation.joined(data.train_set.subset(np.arange(200))), data.train_set.subset(np.arange(200, 500)))
    both = train_and_quantize(SPACE, PARAMS, [data, other], SHORT, ROUNDED, 0, "digits")
    alone = [train_and_quantize(SPACE, PARAMS, [split], SHORT, ROUNDED, 0, "digits") for split in (data, other)]
    assert both.checkpoint == alone[0].checkpoint != alone[1].checkpoint
    assert weights(both.int8.graph) == weights(alone[0].int8.graph)
    assert alone[0].int8.accuracy != alone[1].int8.accuracy
    assert both.int8.accuracy == fmean(network.int8.accuracy or 0.0 for network in alone)
    assert both.float_accuracy == both.curve[-1] == fmean(network.float_accuracy or 0.0 for network in alone)
    assert both.losses == pytest.approx(np.mean([network.losses for network in alone], axis=0))
    screened = screen(SPACE, PARAMS, [data, other], SHORT, 0, {})
    each = [screen(SPACE, PARAMS, [split], SHORT, 0, {}) for split in (data, other)]
    assert screened.curve == pytest.approx(np.mean([s.curve for s in each], axis=0))
    assert screened.checkpoint == each[0].checkpoint


def test_with_several_splits_nothing_that_would_mislead_is_taken(data: Split) -> None:
    with pytest.raises(ValueError, match="stopped early"):
        screen(SPACE, PARAMS, [data, data], SHORT, 0, {1: 0.5})
    lesson = Lesson(PARAMS, b"", DISTILLATION)
    with pytest.raises(ValueError, match="labels alone"):
        train_and_quantize(SPACE, PARAMS, [data, data], SHORT, ROUNDED, 0, "digits", lesson)


def test_a_refit_of_several_splits_learns_every_example(data: Split) -> None:
    judge = made(data, ROUNDED)
    shipped = train_and_quantize(SPACE, PARAMS, [data, data], SHORT, ROUNDED, 0, "digits", judge=judge)
    assert weights(shipped.int8.graph) == weights(made(data, ROUNDED, judge).int8.graph) != weights(judge.int8.graph)
