"""The studies of a run: Optuna's storage of them, and their trials for those who only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.errors import UserError
from nas.run_directory import RunDirectory
from nas.study.board_report import report_on
from nas.study.several_boards import figures_on

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from nas.study.journal import Journal

SEARCH, RANDOM = "search", "random"
"""Names of the studies: the search's own, and that of the baseline."""


def open_storage(run: RunDirectory) -> Journal:
    """Optuna's storage of the run; the driver alone writes to it.

    :raises UserError: if it is damaged.
    """
    from nas.study.journal import Journal

    try:
        return Journal(run.journal)
    except (KeyError, ValueError, AssertionError, TypeError, AttributeError, IndexError):
        raise UserError(f"{run.journal}: damaged, Optuna cannot read it; search anew") from None


def read_study(run: RunDirectory) -> Study:
    """The study of the run's search; only read it.

    :raises UserError: if no trial was made yet.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.load_study(study_name=SEARCH, storage=open_storage(run))
    except KeyError:
        raise UserError(f"{run.path}: no trial was made yet; 'nas resume {run.path}' goes on with the search") from None


def read_trial(run: RunDirectory, number: int) -> FrozenTrial:
    """A finished trial of the run's search.

    :raises UserError: if there is none of that number, or it has no result.
    """
    from optuna.trial import TrialState

    trials = read_study(run).trials
    if number >= len(trials):
        raise UserError(f"{run.path}:{number}: no such trial; the search made {len(trials)}, numbered from 0")
    trial = trials[number]
    if trial.state == TrialState.PRUNED:
        raise UserError(f"{run.path}:{number}: this trial was stopped after {trial.last_step} epochs; choose another one")
    if trial.state != TrialState.COMPLETE:
        raise UserError(f"{run.path}:{number}: this trial has no result ({trial.state.name.lower()}); choose another one")
    return trial


def best_trial(run: RunDirectory, board: str) -> FrozenTrial:
    """The trial that became the winner for a board; where there is none, the best that fits there so far, or if none does, the best
    of all.

    :raises UserError: if no such trial has ended yet.
    """
    from optuna.trial import TrialState

    if run.report.is_file() and (report := report_on(run.read_report(), board)):
        return read_trial(run, report["winner"]["trial"]["number"])
    trials = read_study(run).get_trials(states=(TrialState.COMPLETE,))
    ended = [trial for trial in trials if trial.value is not None]
    fitting = [trial for trial in ended if figures_on(trial, board) is not None] or ended
    if not fitting:
        raise UserError(f"{run.path}: no trial has ended yet; 'nas resume {run.path}' goes on with the search")
    return max(fitting, key=lambda trial: trial.value or 0.0)
