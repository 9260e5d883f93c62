"""The search from end to end: trials, finalists, the one look at the test part, the winner's project, the report.

Every stage keeps what it made in the run directory and begins with what it finds there, so going on after a kill is running the
same function again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import optuna

from codegen.errors import UserError
from nas.executor import Executor
from nas.files import write_atomically, write_json
from nas.progress import Progress, TrialLine
from nas.run_directory import RunDirectory
from nas.samplers import EvolutionSampler, FeasibleSampler, RandomFeasibleSampler
from nas.search.finalists import Candidate, FinalistStage, best, ranked
from nas.search.front import front_json
from nas.search.largest import largest_feasible
from nas.search.loop import run_sources
from nas.search.outcome import Chosen, Outcome, conclude
from nas.search.preparation import Preparation
from nas.search.settings import SearchSettings
from nas.search.study_source import Request, StudySource
from nas.search.tasks import Screened, screen, training_seed
from search_spaces import Architecture

SEARCH, RANDOM, LARGEST = "search", "random", "largest"


class NothingFitsError(Exception):
    """No finalist's built program keeps the limits; the message says by what."""


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
    data = (executor.share(preparation.train_set), executor.share(preparation.validation))

    def start(architecture: Architecture) -> int:
        seed = training_seed(settings.seed, architecture.id)
        params = preparation.space.params(architecture)
        return executor.submit(screen, preparation.space, params, *data, settings.screening, seed)

    finished = sum(len(source.completed()) for source in sources)
    progress.phase("trials", settings.trials * len(sources), finished)
    run_sources(executor, sources, start, _Trials(run, progress, len(sources), search), _known(run, search))
    if search.exhausted is not None:
        progress.message(f"stopped at {search.issued} trials: {search.exhausted}")
    if not search.completed():
        raise UserError(f"every trial failed; the first one: {search.study.trials[0].user_attrs.get('error', 'unknown reason')}")
    write_json(run.path / "front.json", front_json(search.completed()))
    chosen, stage = _choose(run, settings, preparation, executor, data, progress, sources)
    outcome = Outcome(run, settings, preparation, sources, chosen, stage.done)
    return conclude(outcome, executor, progress, began)


def open_storage(run: RunDirectory) -> optuna.storages.JournalStorage:
    """Optuna's storage of the run; the driver alone writes to it.

    :raises UserError: if it is damaged.
    """
    from optuna.storages.journal import JournalFileBackend

    try:
        return optuna.storages.JournalStorage(JournalFileBackend(str(run.journal)))
    except (KeyError, ValueError, AssertionError, TypeError, AttributeError, IndexError):
        raise UserError(f"{run.journal}: damaged, Optuna cannot read it; search anew") from None


def _source(
    label: str,
    storage: optuna.storages.BaseStorage,
    settings: SearchSettings,
    preparation: Preparation,
    wanted: Callable[[], int],
) -> StudySource:
    space, fits = preparation.space, preparation.feasibility
    sampler: FeasibleSampler
    if label == SEARCH and settings.sampler == "evolution":
        population = settings.population
        sampler = EvolutionSampler(
            space, fits, seed=settings.seed, lag=settings.workers, population=population, tournament=max(2, population // 2)
        )
    else:
        sampler = RandomFeasibleSampler(space, fits, seed=settings.seed, lag=settings.workers)
    study = optuna.create_study(storage=storage, sampler=sampler, study_name=label, direction="maximize", load_if_exists=True)
    return StudySource(label, study, preparation.feasibility, wanted)


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
            seconds = trial.user_attrs["seconds"]
            known[trial.user_attrs["architecture"]] = Screened(trial.value, (), seconds, path.read_bytes())
    return known


class _Trials:
    """Keeps checkpoints of the search's trials and shows every trial."""

    def __init__(self, run: RunDirectory, progress: Progress, studies: int, search: StudySource) -> None:
        self._run = run
        self._progress = progress
        self._studies = studies
        self._search = search

    def asked(self, source: StudySource, request: Request) -> None:
        return

    def completed(self, source: StudySource, request: Request, result: Screened) -> None:
        if source is self._search:
            write_atomically(self._run.trial_file(request.number), result.checkpoint)
        self._progress.trial(self._line(source, request, result.accuracy))

    def failed(self, source: StudySource, request: Request, reason: str) -> None:
        self._progress.trial(self._line(source, request, None, reason))

    @staticmethod
    def _line(source: StudySource, request: Request, accuracy: float | None, error: str = "") -> TrialLine:
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
        )


def network_text(architecture: Architecture) -> str:
    """The network on one line: ``conv-16-3-1 inverted_residual-64-5-2-4 flatten``."""
    return " ".join("-".join(map(str, block)) for block in architecture.network[1:])


def _choose(
    run: RunDirectory,
    settings: SearchSettings,
    preparation: Preparation,
    executor: Executor,
    data: tuple[Any, Any],
    progress: Progress,
    sources: list[StudySource],
) -> tuple[list[Chosen], FinalistStage]:
    """Finish as many candidates of each strategy as there should be finalists; the winner and, beside it, each baseline's best.

    Where none of the search's finalists keeps the limits as built, its next candidates follow.
    """
    stage = FinalistStage(run, settings, preparation, executor, data, progress)
    limits, count = settings.limits, settings.finalists
    pools = [(source.label, ranked(source)) for source in sources]
    if settings.baselines:
        largest = largest_feasible(preparation.feasibility, settings.seed)
        pools.append((LARGEST, [Candidate(LARGEST, None, largest, None)]))
    stage.finish([candidate for _, pool in pools for candidate in pool[:count]])
    ours = pools[0][1]
    taken = count
    while best(ours[:taken], stage.done, limits) is None and stage.built(ours[:taken]) and taken < len(ours):
        stage.finish(ours[taken : taken + count])
        taken += count
    chosen = []
    for label, pool in pools:
        considered = pool[:taken] if label == SEARCH else pool[:count]
        candidate = best(considered, stage.done, limits)
        if candidate is not None:
            chosen.append(Chosen(label, candidate))
        elif label == SEARCH:
            raise NothingFitsError(_why_none(considered, stage, settings))
        else:
            progress.message(f"{label}: no network that keeps the limits as built")
    return chosen, stage


def _why_none(considered: list[Candidate], stage: FinalistStage, settings: SearchSettings) -> str:
    broken = sorted({name for c in considered if (f := stage.done.get(c.architecture.id)) for name in f.broken(settings.limits)})
    if broken:
        return f"no winner: every finalist's built program breaks a limit ({', '.join(broken)}); loosen it or raise --trials"
    return f"no winner: every finalist failed; the first one: {next(iter(stage.failed.values()), 'unknown reason')}"
