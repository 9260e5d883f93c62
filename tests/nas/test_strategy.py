"""What the first trial of a search is."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.files import read_toml
from nas.samplers import suggest_architecture
from nas.study.feasibility import Feasibility
from nas.study.hand_designed import hand_designed
from nas.study.options import DEFAULTS, settings_from_options
from nas.study.settings import OPTIONS, SearchSettings, read_settings
from nas.study.strategy import SAMPLERS, make_sampler
from search_spaces import ImageSpace


def settings(**given: str) -> SearchSettings:
    return settings_from_options(dict.fromkeys(OPTIONS) | dict(DEFAULTS) | given, {}, "test")


def feasibility(flash: int) -> Feasibility:
    board = load_board("nucleo-l4r5zi")
    return Feasibility(ImageSpace((8, 8, 1), 10), load_cost_model(board.core), board, Limits(flash=flash), 0.95)


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_is_hand_designed_unless_the_sampler_is_random(name: str) -> None:
    fits = feasibility(16_000)
    widest = hand_designed(fits)[0]
    study = optuna.create_study(direction="maximize")
    first = make_sampler(name, settings(), [fits]).propose(study, 0).architecture
    assert (first == widest) == (name != "random")
    assert make_sampler(name, settings(start="random"), [fits]).propose(study, 0).architecture != widest


def test_every_board_has_one_of_its_own() -> None:
    boards = [feasibility(32_000), feasibility(16_000)]
    sampler = make_sampler("evolution", settings(), boards)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    begun = [suggest_architecture(study.ask(), boards[0].space) for _ in boards]
    assert begun == [hand_designed(fits)[0] for fits in boards]


def test_where_none_fits_the_search_begins_as_its_sampler_does() -> None:
    fits = feasibility(6_000)
    assert hand_designed(fits) == []
    study = optuna.create_study(direction="maximize")
    begun, random = (make_sampler("evolution", made, [fits]).propose(study, 0) for made in (settings(), settings(start="random")))
    assert begun == random


def test_runs_of_versions_that_did_not_write_it_began_at_random(tmp_path: Path) -> None:
    path = tmp_path / "search.toml"
    path.write_text(settings().to_toml())
    document = read_toml(path)
    assert read_settings(document, "here", tmp_path).start == document["search"]["start"] == "hand-designed"
    del document["search"]["start"]
    assert read_settings(document, "here", tmp_path).start == "random"
