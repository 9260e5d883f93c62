"""What a run says of trials that were stopped early."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner
from optuna.trial import FrozenTrial, TrialState

import nas
from nas.cli import cli
from nas.learning.rungs import rungs_of
from nas.learning.training import Recipe
from nas.report import report_page
from nas.report.history import _study
from nas.run_directory import RunDirectory
from nas.study.options import DEFAULTS
from nas.study.settings import read_run_settings
from nas.study.stopping import early_stops
from nas.study.strategy import make_pruner
from nas.study.trials import SEARCH, open_storage
from nas.summary import stopped_text

EPOCHS = 12
"""Of the run's trials."""


@pytest.fixture
def run(unfinished: RunDirectory) -> RunDirectory:
    """Twelve trials that were trained to the end, and one that would be the best of them but was stopped after two epochs."""
    study = optuna.load_study(study_name=SEARCH, storage=open_storage(unfinished))
    first = study.trials[0]
    study.enqueue_trial(first.params)
    trial = study.ask(first.distributions)
    for key, value in first.user_attrs.items():
        trial.set_user_attr(key, value)
    for epoch, accuracy in ((1, 0.9), (2, 0.99)):
        trial.report(accuracy, epoch)
    study.tell(trial, state=TrialState.PRUNED)
    return unfinished


def test_explanations_say_how_many_and_what_that_saved(run: RunDirectory) -> None:
    told = CliRunner().invoke(cli, ["explain", str(run.path)])
    assert "it stopped 1 of 13 trials early, which saved 10 of 156 epochs (6%)" in told.stdout
    found = json.loads(CliRunner().invoke(cli, ["explain", str(run.path), "--json"]).stdout)["early_stops"]
    assert found == {"trials": 13, "stopped": 1, "epochs": 13 * EPOCHS, "saved": 10, "rank_correlation": {}}
    one = CliRunner().invoke(cli, ["explain", f"{run.path}:12"])
    assert (one.exit_code, one.stderr) == (2, f"nas: {run.path}:12: this trial was stopped after 2 epochs; choose another one\n")


def test_a_stopped_trial_is_shown_and_is_on_no_front(run: RunDirectory) -> None:
    found = nas.load_run(run.path)
    assert [trial.stopped for trial in found.trials] == [None] * 12 + [2]
    assert found.trials[-1].accuracy == 0.99
    assert all(trial.stopped is None for trial in found.front)
    assert "99.00%" not in report_page(run)


def test_rungs_are_correlated_with_the_end() -> None:
    def trial(values: dict[int, float], value: float | None) -> FrozenTrial:
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        return optuna.create_trial(state=state, value=value, intermediate_values=values)

    assert [rungs_of(epochs) for epochs in (1, 2, 3, 4, 8, 30)] == [(), (1,), (1,), (1, 2), (2, 4), (7, 15)]
    completed = [trial({2: -0.1 * n, 4: 0.1 * n, 8: 0.1 * n}, 0.1 * n) for n in range(6)]
    stopped = [trial({2: 0.3}, None), trial({2: 0.3, 4: 0.3}, None)]
    stops = early_stops([*completed, *stopped], 8)
    assert (stops.trials, stops.stopped, stops.epochs, stops.saved) == (8, 2, 64, 10)
    assert stops.rank_correlation == pytest.approx({2: -1.0, 4: 1.0})
    assert early_stops([*completed[:4], *stopped], 8).rank_correlation == {}
    at_chance = [trial({2: 0.1, 4: 0.1 * n, 8: 0.1 * n}, 0.1 * n) for n in range(6)]
    assert early_stops(at_chance, 8).rank_correlation == pytest.approx({4: 1.0})
    study = {
        "sampler": "EvolutionSampler",
        "completed": 6,
        "failed": 0,
        "training_seconds": 1.0,
        "rejected": {"candidates": 0, "by_limit": {}},
        "early_stops": stops.to_json(),
    }
    assert stopped_text(study) == ", 2 more stopped early, which saved 10 of 64 epochs (16%)"
    assert "6 trials, 2 more stopped early" in _study("search", study)
    assert _study("search", study).endswith("by epochs: -1.00 after 2, 1.00 after 4.")
    del study["early_stops"]  # as earlier versions wrote it
    assert stopped_text(study) == ""


def test_the_pruner_is_an_option(tmp_path: Path, run: RunDirectory) -> None:
    """``search.toml`` keeps it; runs of versions that had none have none, and epochs of one pass over small data."""
    settings = read_run_settings(run)
    assert settings.pruner == "none"
    assert {settings.screening.least_steps, settings.finishing.least_steps, settings.quantization.least_steps} == {1}
    assert "least_steps = 7" in replace(settings, screening=Recipe(least_steps=7)).to_toml()
    assert type(make_pruner(settings, ())) is optuna.pruners.NopPruner
    assert f"[default: {DEFAULTS['pruner']}]" in " ".join(CliRunner().invoke(cli, ["search", "--help"]).stdout.split())
    bad = CliRunner().invoke(cli, ["search", "--pruner", "magic"])
    assert bad.exit_code == 2
    assert "--pruner" in bad.stderr
