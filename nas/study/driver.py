"""The search from end to end: trials, finalists, the one look at the test part, the winner's project, the report.

Every stage keeps what it made in the run directory and begins with what it finds there, so going on after a kill is running the
same function again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna

from codegen.errors import UserError
from nas.executor import Executor
from nas.files import write_atomically, write_json
from nas.progress import Progress, TrialLine
from nas.run_directory import RunDirectory
from nas.study.compute import finishing_cost, training_cost
from nas.study.feasibility import Feasibility
from nas.study.feedback import Feedback
from nas.study.finalists import Candidate, FinalistStage, best, ranked
from nas.study.front import front_json
from nas.study.largest import largest_feasible
from nas.study.loop import run_sources
from nas.study.outcome import Chosen, Outcome, conclude
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.strategy import make_sampler
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened, screen, training_seed
from nas.study.trials import RANDOM, SEARCH, open_storage
from search_spaces import Architecture

LARGEST = "largest"


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
    stage = FinalistStage(run, settings, preparation, executor, data, progress)
    feedback = Feedback(run, preparation, progress)
    chosen = _choose(settings, preparation, progress, sources, stage, feedback)
    outcome = Outcome(run, settings, preparation, sources, chosen, stage.done, feedback.to_json())
    return conclude(outcome, executor, progress, began)


def _source(
    label: str,
    storage: optuna.storages.BaseStorage,
    settings: SearchSettings,
    preparation: Preparation,
    wanted: Callable[[], int],
) -> StudySource:
    sampler = make_sampler(settings.sampler if label == SEARCH else RANDOM, settings, preparation.feasibility)
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
    settings: SearchSettings,
    preparation: Preparation,
    progress: Progress,
    sources: list[StudySource],
    stage: FinalistStage,
    feedback: Feedback,
) -> list[Chosen]:
    """Finish as many candidates of each strategy as there should be finalists; the winner and, beside it, each baseline's best.

    Where none of a strategy's finalists keeps the limits as built, its next candidates follow that the cost model still lets pass
    with what has been built so far.
    """
    pools = [_Pool(source.label, ranked(source), settings.finalists) for source in sources]
    if settings.baselines:
        pools.append(_Pool(LARGEST, _largest(settings, preparation, sources[0]), 1))
    stage.finish([candidate for pool in pools for candidate in pool.considered])  # all at once, to keep the workers busy
    feedback.learn(stage.done)
    chosen = []
    for pool in pools:
        while (candidate := best(pool.considered, stage.done, settings.limits)) is None and pool.more(stage, feedback.feasibility):
            stage.finish(pool.considered)
            feedback.learn(stage.done)
        if candidate is not None:
            chosen.append(Chosen(pool.label, candidate))
        elif pool.label == SEARCH:
            raise NothingFitsError(_why_none(pool.considered, stage, settings, feedback))
        else:
            progress.message(f"{pool.label}: no network that keeps the limits as built")
    return chosen


def _largest(settings: SearchSettings, preparation: Preparation, search: StudySource) -> list[Candidate]:
    """The largest networks that fit, each to be trained for no more than all of the search was trained for."""
    spent = sum(training_cost(trial.user_attrs["macs"], settings.screening) for trial in search.completed())
    for candidate in ranked(search)[: settings.finalists]:
        macs = preparation.feasibility.predict(candidate.architecture).macs
        spent += finishing_cost(macs, settings.finishing, settings.quantization)
    candidates = []
    for architecture in largest_feasible(preparation.feasibility, settings.seed):
        macs = preparation.feasibility.predict(architecture).macs
        effort = min(1.0, spent / finishing_cost(macs, settings.finishing, settings.quantization))
        candidates.append(Candidate(LARGEST, None, architecture, None, effort))
    return candidates


@dataclass
class _Pool:
    """A strategy's candidates in order, and how many at a time may become finalists; the ``considered`` ones wait no more."""

    label: str
    waiting: list[Candidate]
    portion: int
    considered: list[Candidate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._take()

    def more(self, stage: FinalistStage, fits: Feasibility) -> bool:
        """Take the next portion of those that fit, if there is one and it is limits that the others failed by, not errors."""
        self.waiting = [candidate for candidate in self.waiting if not fits(candidate.architecture)]
        if not stage.built(self.considered) or not self.waiting:
            return False
        self._take()
        return True

    def _take(self) -> None:
        self.considered += self.waiting[: self.portion]
        del self.waiting[: self.portion]


def _why_none(considered: list[Candidate], stage: FinalistStage, settings: SearchSettings, feedback: Feedback) -> str:
    broken = sorted({name for c in considered if (f := stage.done.get(c.architecture.id)) for name in f.broken(settings.limits)})
    if broken:
        remedy = f"search anew with --model {feedback.model_file}" if feedback.refitted else "loosen it or raise --trials"
        return f"no winner: every finalist's built program breaks a limit ({', '.join(broken)}); {remedy}"
    return f"no winner: every finalist failed; the first one: {next(iter(stage.failed.values()), 'unknown reason')}"
