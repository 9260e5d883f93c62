"""How far proposals run ahead of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import Limits, load_cost_model
from nas.files import read_toml
from nas.pruners import RungPruner
from nas.study.feasibility import Feasibility
from nas.study.options import DEFAULTS, settings_from_options
from nas.study.settings import OPTIONS, SearchSettings, read_settings
from nas.study.strategy import SAMPLERS, lag_for, make_pruner, make_sampler
from search_spaces import DenseSpace


def settings(workers: int, trials: int = 150) -> SearchSettings:
    given = {"workers": workers, "trials": trials}
    return settings_from_options(dict.fromkeys(OPTIONS) | dict(DEFAULTS) | given, {}, "test")


def test_it_is_the_number_of_workers_where_these_are_few_or_trials_are() -> None:
    assert [lag_for(workers, 10**6) for workers in (1, 2, 3, 4, 16, 64)] == [1, 2, 5, 8, 44, 188]
    for trials in (1, 16, 75, 1000):
        lags = [lag_for(workers, trials) for workers in range(1, 300)]
        assert lags == sorted(lags)
        assert all(workers <= lag <= max(workers, trials / 3) for workers, lag in enumerate(lags, start=1))


def test_samplers_and_pruner_of_a_search_have_it() -> None:
    board = load_board("nucleo-l4r5zi")
    fits = Feasibility(DenseSpace((8,), 2), load_cost_model(board.core), board, Limits(), 0.95)
    made = settings(16)
    assert made.lag == 44
    assert {make_sampler(name, made, [fits] * boards).lag for name in SAMPLERS for boards in (1, 2)} == {44}
    pruner = make_pruner(made, [fits])
    assert isinstance(pruner, RungPruner)
    assert pruner.lag == 44


def test_a_run_keeps_it(tmp_path: Path) -> None:
    """Runs of versions that did not write it go on as they began: with the number of workers."""
    path = tmp_path / "search.toml"
    path.write_text(settings(16).to_toml())
    document = read_toml(path)
    assert read_settings(document, "here", tmp_path).lag == document["lag"] == 44
    assert read_settings(document | {"lag": 20}, "here", tmp_path).lag == 20
    for bad in (0, "many", 2.5):
        with pytest.raises(UserError, match=r"^here: .*lag cannot be"):
            read_settings(document | {"lag": bad}, "here", tmp_path)
    del document["lag"]
    assert read_settings(document, "here", tmp_path).lag == 16
