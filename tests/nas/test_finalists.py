"""Which trials become finalists."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.samplers import RandomFeasibleSampler
from nas.study.feasibility import Feasibility
from nas.study.finalists import ranked
from nas.study.study_source import StudySource
from nas.study.tasks import Screened
from search_spaces import ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)
BOARD = "nucleo-l4r5zi"
LUCK = 0.02
"""Standard deviation of a training's luck."""


@pytest.fixture(scope="module")
def feasibility() -> Feasibility:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    board = load_board(BOARD)
    return Feasibility(SPACE, load_cost_model(board.core), board, Limits(ram=3 * 1024, flash=24 * 1024), 0.95)


def source_of(feasibility: Feasibility, seed: int) -> StudySource:
    study = optuna.create_study(sampler=RandomFeasibleSampler(SPACE, feasibility, seed=seed), direction="maximize")
    return StudySource("search", study, feasibility, lambda: 100)


def complete(source: StudySource, number: int, accuracy: float) -> None:
    source.complete(number, Screened(accuracy, (), 1.0, b""))


def test_finalists_are_not_those_that_were_lucky(feasibility: Feasibility) -> None:
    """Worth grows with the multiply-accumulates; what one training shows of it is mostly luck."""
    rng = np.random.default_rng(0)
    promising, lucky = [], []
    for seed in range(4):
        source = source_of(feasibility, seed)
        worth = {}
        for _ in range(40):
            request = source.next()
            assert request is not None
            worth[request.number] = 0.1 * math.log(feasibility.predict(request.architecture).macs) / math.log(1e6)
            complete(source, request.number, 0.8 + worth[request.number] + LUCK * rng.standard_normal())
        order = ranked(source, BOARD, (), 3)
        assert sorted(candidate.number or 0 for candidate in order) == list(range(40))
        assert all(candidate.screening == source.study.trials[candidate.number or 0].value for candidate in order)
        promising += [worth[candidate.number or 0] for candidate in order[:3]]
        by_accuracy = sorted(order, key=lambda candidate: -(candidate.screening or 0.0))
        lucky += [worth[candidate.number or 0] for candidate in by_accuracy[:3]]
        assert np.mean([worth[number] for number in worth]) < np.mean(promising)
    assert np.mean(promising) > np.mean(lucky)


def test_equals_are_ordered_by_latency(feasibility: Feasibility) -> None:
    source = source_of(feasibility, 1)
    for _ in range(8):
        request = source.next()
        assert request is not None
        complete(source, request.number, 0.9)
    latencies = [feasibility.predict(candidate.architecture).latency_ms.value for candidate in ranked(source, BOARD, (), 3)]
    assert latencies == sorted(latencies)


def test_a_stopped_trial_is_no_finalist_but_tells_something(feasibility: Feasibility) -> None:
    """The most work is worth most; where the trials of least work were stopped, an order is learnt from both."""
    source = source_of(feasibility, 3)
    macs = {}
    for _ in range(24):
        request = source.next()
        assert request is not None
        macs[request.number] = feasibility.predict(request.architecture).macs
        end = 0.1 * math.log(macs[request.number])
        whole = Screened(end, (end - 0.3, end - 0.1, end), 1.0, b"")
        result = whole.under({1: 0.68})
        assert result is not None
        source.complete(request.number, result)
    stopped = [trial.number for trial in source.stopped()]
    assert 3 < len(stopped) < 20
    order = [candidate.number or 0 for candidate in ranked(source, BOARD, (), 3)]
    assert sorted([*order, *stopped]) == list(range(24))
    assert macs[order[0]] > macs[order[-1]] > max(macs[number] for number in stopped)


def test_one_trial_is_enough_and_none_is_no_error(feasibility: Feasibility) -> None:
    source = source_of(feasibility, 2)
    assert ranked(source, BOARD, (), 3) == []
    request = source.next()
    assert request is not None
    complete(source, request.number, 0.7)
    assert [candidate.number for candidate in ranked(source, BOARD, (), 3)] == [0]
