"""The search from end to end: trials, finalists, the one look at the test part, the winner's project, the report.

Every stage keeps what it made in the run directory and begins with what it finds there, so going on after a kill is running the
same function again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from codegen.errors import UserError
from nas.executor import Executor
from nas.files import write_atomically, write_json
from nas.progress import Progress, TrialLine
from nas.run_directory import RunDirectory
from nas.study.board_search import BoardOutcome, BoardSearch
from nas.study.finalists import FinalistStage
from nas.study.front import front_json
from nas.study.loop import run_sources
from nas.study.options import UNLIMITED
from nas.study.outcome import Outcome, conclude
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.several_boards import SeveralBoards
from nas.study.strategy import make_pruner, make_sampler
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened, screen, training_seed
from nas.study.teacher import find_lesson
from nas.study.trials import RANDOM, SEARCH, open_storage
from search_spaces import Architecture


class NothingFitsError(Exception):
    """No finalist's built program keeps the limits, on any board; the message says by what."""


def run_search(
    run: RunDirectory, settings: SearchSettings, preparation: Preparation, executor: Executor, progress: Progress
) -> dict[str, Any]:
    """Run, or go on with, the search in ``run``, which must be locked and repaired; returns the content of ``report.json``.

    :raises NothingFitsError: if there is no winner.
    :raises UserError: if the journal is damaged.
    """
    began = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(run)
    search = _source(SEARCH, storage, settings, preparation, lambda: _wanted(search, settings, began))
    sources = [search]
    if settings.baselines:
        sources.append(_source(RANDOM, storage, settings, preparation, lambda: search.issued))
    splits = executor.share(preparation.splits)

    def start(request: Request) -> int:
        seed = training_seed(settings.seed, request.architecture.id)
        params = preparation.space.params(request.architecture)
        return executor.submit(screen, preparation.space, params, splits, settings.screening, seed, request.thresholds)

    finished = sum(len(source.completed()) + len(source.stopped()) for source in sources)
    total = None if settings.trials == UNLIMITED else settings.trials * len(sources)
    progress.phase("trials", total, finished, settings.time)
    run_sources(executor, sources, start, _Trials(run, progress, len(sources), search), _known(run, search))
    if search.exhausted is not None:
        progress.message(f"stopped at {search.issued} trials: {search.exhausted}")
    if not search.completed():
        raise UserError(f"every trial failed; the first one: {search.study.trials[0].user_attrs.get('error', 'unknown reason')}")
    searches = [BoardSearch(run, settings, preparation, fits, sources, progress) for fits in preparation.boards]
    for board in searches:
        write_json(board.place.front, front_json(search.completed(), board.name, settings.costs))
    promising = [board.promising.architecture for board in searches if board.promising is not None]
    lesson = find_lesson(run, settings, preparation, promising, executor, splits, progress)
    stage = FinalistStage(run, settings, preparation, executor, splits, progress, executor.share(lesson))
    stage.finish({board.name: board.considered for board in searches})  # all at once, to keep the workers busy
    chosen = {board.name: board.choose(stage) for board in searches}
    boards = [found for found in chosen.values() if isinstance(found, BoardOutcome)]
    without = {name: found for name, found in chosen.items() if isinstance(found, str)}
    if not boards:
        reasons = [reason if len(searches) == 1 else f"{name}: {reason}" for name, reason in without.items()]
        raise NothingFitsError("; ".join(reasons))
    return conclude(Outcome(run, settings, preparation, sources, boards, without), executor, progress, began)


def _source(
    label: str,
    storage: optuna.storages.BaseStorage,
    settings: SearchSettings,
    preparation: Preparation,
    wanted: Callable[[], int],
) -> StudySource:
    boards = preparation.boards
    study = optuna.create_study(
        storage=storage,
        sampler=make_sampler(settings.sampler if label == SEARCH else RANDOM, settings, boards),
        pruner=make_pruner(settings, boards),
        study_name=label,
        direction="maximize",
        load_if_exists=True,
    )
    return StudySource(label, study, boards[0] if len(boards) == 1 else SeveralBoards(boards), wanted)


def _wanted(search: StudySource, settings: SearchSettings, began: float) -> int:
    """All the trials asked for, or no more than there are once the time is up."""
    if settings.time is not None and time.monotonic() - began > settings.time and search.issued:
        return search.issued
    return settings.trials


def _known(run: RunDirectory, search: StudySource) -> dict[str, Screened]:
    """Results of an earlier run of the driver. A baseline's are found out anew where the search wants the same network."""
    known = {}
    for trial in search.completed():
        path = run.trial_file(trial.number)
        if path.is_file() and trial.value is not None:
            known[trial.user_attrs["architecture"]] = _screened(trial, trial.value, path.read_bytes())
    for trial in search.stopped():
        known[trial.user_attrs["architecture"]] = _screened(trial, trial.intermediate_values[trial.last_step or 0], b"")
    return known


def _screened(trial: FrozenTrial, accuracy: float, checkpoint: bytes) -> Screened:
    curve = tuple(trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values))
    return Screened(accuracy, curve, trial.user_attrs["seconds"], checkpoint, stopped=trial.state == TrialState.PRUNED)


class _Trials:
    """Keeps checkpoints of the search's trials and shows every trial."""

    def __init__(self, run: RunDirectory, progress: Progress, studies: int, search: StudySource) -> None:
        self._run = run
        self._progress = progress
        self._studies = studies
        self._search = search

    def asked(self, source: StudySource, request: Request) -> None:
        self._progress.detail(f"{source.label} {request.number} begins: {network_text(request.architecture)}")

    def completed(self, source: StudySource, request: Request, result: Screened) -> None:
        if source is self._search and not result.stopped:
            write_atomically(self._run.trial_file(request.number), result.checkpoint)
        self._progress.trial(self._line(source, request, result.accuracy, stopped=len(result.curve) if result.stopped else None))

    def failed(self, source: StudySource, request: Request, reason: str) -> None:
        self._progress.trial(self._line(source, request, None, reason))

    @staticmethod
    def _line(
        source: StudySource, request: Request, accuracy: float | None, error: str = "", stopped: int | None = None
    ) -> TrialLine:
        prediction = source.predict(request.architecture)
        return TrialLine(
            study=source.label,
            number=request.number,
            accuracy=accuracy,
            ram=prediction.ram.total,
            flash=round(prediction.flash.value),
            latency_ms=prediction.latency_ms.value,
            network=network_text(request.architecture),
            error=error,
            stopped=stopped,
            boards=source.boards(request.architecture),
        )


def network_text(architecture: Architecture) -> str:
    """The network on one line: ``conv-16-3-1 inverted_residual-64-5-2-4 flatten``."""
    return " ".join("-".join(map(str, block)) for block in architecture.network[1:])
