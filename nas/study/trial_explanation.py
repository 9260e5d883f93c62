"""Why a trial of a run fits or does not."""

from __future__ import annotations

import dataclasses

from cost_models.limits import Limits
from nas.datasets import load_train
from nas.run_directory import RunDirectory
from nas.study.explanation import Explanation, explain
from nas.study.finalists import read_finalist
from nas.study.preparation import feasibilities
from nas.study.settings import read_run_settings
from nas.study.trials import best_trial, read_trial


def explain_trial(
    run: RunDirectory, number: int | None, given: Limits | None = None, board: str | None = None
) -> list[tuple[str, Explanation]]:
    """What there is to say of a trial of ``run`` (None: the winner, or the best trial so far) on each board, or on the ``board`` of
    that name alone, and what it is called.

    Limits that are ``given`` go before the run's. Where the trial was built, its built figures count.

    :raises UserError: if there is no such trial, or the run or its data cannot be read.
    """
    settings = read_run_settings(run)
    if given is not None:
        pairs = zip(dataclasses.astuple(given), dataclasses.astuple(settings.limits), strict=True)
        settings = dataclasses.replace(settings, limits=Limits(*(own if new is None else new for new, own in pairs)))
    found = []
    for fits in feasibilities(settings, load_train(settings.data, settings.reading)):
        name = fits.board.name
        if board not in (None, name):
            continue
        trial = best_trial(run, name) if number is None else read_trial(run, number)
        architecture = fits.space.from_params(trial.params)
        finalist = read_finalist(settings.directory(run, name), architecture.id)
        found.append((f"trial {trial.number}", explain(fits, architecture, None if finalist is None else finalist.built)))
    return found
