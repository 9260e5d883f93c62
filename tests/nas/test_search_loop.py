"""The loop over studies: what a kill at any moment leaves behind is taken up again, and the result is that of an undisturbed run.

Training is replaced by a score that takes no time; everything else is the real thing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.executor import Outcome, SerialExecutor
from nas.run_directory import RunDirectory
from nas.samplers import PredictorSampler, RandomFeasibleSampler
from nas.study.feasibility import Feasibility
from nas.study.loop import run_sources
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened
from nas.study.trials import open_storage
from search_spaces import Architecture, ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)
TRIALS = 10
WORKERS = 3


def score(macs: int) -> Screened:
    if macs % 7 == 0:
        raise ValueError("this one does not train")
    return Screened(1 / (1 + math.exp(-macs / 50_000)), (), 1.0, b"")


class StoppedError(Exception):
    pass


class ThreeAtOnce(SerialExecutor):
    """Several under way, the newest ends first; can be stopped after some results as by a kill."""

    def __init__(self, stop_after: int = 10**9) -> None:
        super().__init__()
        self.submitted = 0
        self._left = stop_after

    @property
    def workers(self) -> int:
        return WORKERS

    def submit(self, function: Any, *arguments: Any) -> int:
        self.submitted += 1
        return super().submit(function, *arguments)

    def wait(self) -> Outcome:
        if self._left == 0:
            raise StoppedError
        self._left -= 1
        self._queue.rotate(1)
        return super().wait()


class Silent:
    def asked(self, source: StudySource, request: Request) -> None: ...

    def completed(self, source: StudySource, request: Request, result: Screened) -> None: ...

    def failed(self, source: StudySource, request: Request, reason: str) -> None: ...


@pytest.fixture(scope="module")
def feasibility() -> Feasibility:
    board = load_board("nucleo-l4r5zi")
    return Feasibility(SPACE, load_cost_model(board.core), board, Limits(ram=3 * 1024, flash=24 * 1024), 0.95)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def go_on(run: RunDirectory, feasibility: Feasibility, executor: ThreeAtOnce) -> list[StudySource]:
    storage = open_storage(run)
    sources: list[StudySource] = []
    for label, sampler in (
        ("search", PredictorSampler(SPACE, feasibility, costs=feasibility.costs, seed=4, lag=WORKERS, startup=3, candidates=20)),
        ("random", RandomFeasibleSampler(SPACE, feasibility, seed=4, lag=WORKERS)),
    ):
        study = optuna.create_study(storage=storage, sampler=sampler, study_name=label, direction="maximize", load_if_exists=True)
        sources.append(StudySource(label, study, feasibility, lambda: TRIALS))

    def start(architecture: Architecture) -> int:
        return executor.submit(score, feasibility.predict(architecture).macs)

    run_sources(executor, sources, start, Silent(), {})
    return sources


def content(sources: list[StudySource]) -> list[Any]:
    """All that matters of the trials: everything but the times of day."""
    return [
        (source.label, trial.number, trial.state, trial.params, trial.value, trial.user_attrs, trial.constraints)
        for source in sources
        for trial in source.study.trials
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, feasibility: Feasibility) -> tuple[list[Any], bytes, int]:
    run = RunDirectory.create(tmp_path_factory.mktemp("undisturbed") / "run", "")
    executor = ThreeAtOnce()
    return content(go_on(run, feasibility, executor)), run.journal.read_bytes(), executor.submitted


def test_both_studies_are_complete_and_feasible(undisturbed: tuple[list[Any], bytes, int]) -> None:
    trials, _, submitted = undisturbed
    assert [(label, number) for label, number, *_ in trials] == [
        (label, n) for label in ("search", "random") for n in range(TRIALS)
    ]
    assert all(bound <= 0 for trial in trials for bound in trial[6].values())
    assert all(set(trial[6]) == {"ram", "flash"} for trial in trials)
    assert sum(trial[5]["rejected"]["candidates"] for trial in trials) > 0
    networks = {trial[5]["architecture"] for trial in trials}
    failed = {trial[5]["architecture"] for trial in trials if "error" in trial[5]}
    assert len(networks) <= submitted <= len(networks) + len(failed)  # what both ask for is trained once
    assert len(networks) < 2 * TRIALS


@pytest.mark.parametrize("results", [0, 1, 5, 11])
def test_stopped_and_resumed(tmp_path: Path, feasibility: Feasibility, undisturbed: Any, results: int) -> None:
    run = RunDirectory.create(tmp_path / "run", "")
    with pytest.raises(StoppedError):
        go_on(run, feasibility, ThreeAtOnce(stop_after=results))
    run.repair()
    assert content(go_on(run, feasibility, ThreeAtOnce())) == undisturbed[0]


@pytest.mark.parametrize("part", range(12))
def test_the_journal_cut_anywhere_resumes_to_the_same_end(
    tmp_path: Path, feasibility: Feasibility, undisturbed: Any, part: int
) -> None:
    trials, journal, _ = undisturbed
    run = RunDirectory.create(tmp_path / "run", "")
    cut = len(journal) * part // 12 + 11 * part
    run.journal.write_bytes(journal[:cut])
    run.repair()
    assert content(go_on(run, feasibility, ThreeAtOnce())) == trials


def test_an_exhausted_space_ends_the_study(tmp_path: Path, feasibility: Feasibility) -> None:
    smallest = SPACE.smallest()

    class OnlySmallest(Feasibility):
        def __call__(self, architecture: Architecture) -> tuple[str, ...]:
            return () if architecture == smallest else ("macs",)

    only = OnlySmallest(SPACE, feasibility.cost_model, feasibility.board, feasibility.limits, 0.95)
    study = optuna.create_study(sampler=RandomFeasibleSampler(SPACE, only, most_draws=2500), direction="maximize")
    source = StudySource("search", study, only, lambda: 5)
    executor = SerialExecutor()
    run_sources(executor, [source], lambda architecture: executor.submit(score, 1), Silent(), {})
    assert [trial.value is not None for trial in study.trials] == [True]
    assert source.exhausted is not None
    assert "macs" in source.exhausted
