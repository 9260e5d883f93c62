"""What is settled of a search when its data is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.datasets import load_train
from nas.study.options import DEFAULTS, settings_from_options
from nas.study.settings import OPTIONS, SearchSettings


def settings(quantization: dict[str, Any]) -> SearchSettings:
    return settings_from_options(dict.fromkeys(OPTIONS) | dict(DEFAULTS), {"quantization": quantization}, "test")


def test_fine_tuning_varies_examples_where_that_suits_the_data(shared_dir: Path) -> None:
    motion = load_train(str(shared_dir / "data" / "har_smartphone_hapt" / "hapt_har6.npz"))
    assert settings({"epochs": 2}).of_data(motion, 1).quantization.augment
    assert not settings({"epochs": 2}).of_data(load_train("digits"), 1).quantization.augment


def test_with_folds_no_trial_is_stopped_and_the_winner_learns_all() -> None:
    alone, folded = (settings({}).of_data(load_train("digits"), folds) for folds in (1, 5))
    assert [(s.folds, s.pruner, s.refits) for s in (alone, folded)] == [(1, "median", False), (5, "none", True)]


def test_fine_tuning_does_what_its_recipe_says(shared_dir: Path) -> None:
    """As that of an earlier run's ``search.toml``, which says all."""
    motion = load_train(str(shared_dir / "data" / "har_smartphone_hapt" / "hapt_har6.npz"))
    assert not settings({"augment": False}).of_data(motion, 1).quantization.augment
    assert settings({"augment": True}).of_data(load_train("digits"), 1).quantization.augment
