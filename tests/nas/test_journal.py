"""Several operations of a trial are one write, and the file is what Optuna's own storage writes and reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nas.study.journal import Journal


def trials(storage: JournalStorage) -> list[Any]:
    study = optuna.load_study(study_name="one", storage=storage)
    return [(t.state, t.value, t.params, t.user_attrs, t.intermediate_values, t.constraints) for t in study.trials]


def one_trial(study: optuna.Study, value: float) -> None:
    trial = study.ask()
    trial.suggest_categorical("kernel", (3, 5, "none"))
    trial.set_constraint("ram", -0.5)
    trial.set_user_attr("rejected", {"candidates": 2, "ram": 1})
    assert study.trials[trial.number].user_attrs["rejected"]["ram"] == 1  # read before it is written
    trial.report(value / 2, 1)
    study.tell(trial, value)


def test_what_is_done_at_once_is_one_write_that_optuna_reads(tmp_path: Path) -> None:
    """Before the context is left the file has nothing of it."""
    path = tmp_path / "journal"
    storage = Journal(path)
    study = optuna.create_study(storage=storage, study_name="one", sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(4):
        before = path.read_bytes()
        with storage.at_once():
            one_trial(study, number)
            assert path.read_bytes() == before
        assert path.read_bytes().startswith(before)
        if number % 2:
            one_trial(study, number)  # in as many writes as it has operations
    assert trials(storage) == trials(JournalStorage(JournalFileBackend(str(path)))) == trials(Journal(path))
    assert [values[1] for values in trials(storage)] == [0, 1, 1, 2, 3, 3]


def test_an_error_loses_nothing_that_was_done(tmp_path: Path) -> None:
    storage = Journal(tmp_path / "journal")
    study = optuna.create_study(storage=storage, study_name="one")

    def interrupted() -> None:
        with storage.at_once():
            one_trial(study, 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(trials(Journal(tmp_path / "journal"))) == 1
    one_trial(study, 2.0)
    assert trials(storage) == trials(Journal(tmp_path / "journal"))


def test_a_new_process_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Journal(path)
    one_trial(optuna.create_study(storage=first, study_name="one"), 1.0)
    again = Journal(path)
    study = optuna.load_study(study_name="one", storage=again)
    with again.at_once():
        one_trial(study, 2.0)
    assert [values[1] for values in trials(Journal(path))] == [1.0, 2.0]
