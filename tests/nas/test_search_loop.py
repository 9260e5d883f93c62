"""The loop over studies: what a kill at any moment leaves behind is taken up again, and the result is that of an undisturbed run.

Training is replaced by a score that takes no time; everything else is the real thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.executor import Outcome, SerialExecutor
from nas.learning.rungs import Thresholds
from nas.pruners import MedianPruner
from nas.run_directory import RunDirectory
from nas.samplers import FeasibleSampler, PredictorSampler, ProposingSampler, RandomFeasibleSampler, TurnsSampler
from nas.study.feasibility import Feasibility
from nas.study.loop import run_sources
from nas.study.several_boards import SeveralBoards, figures_on
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened
from nas.study.trials import open_storage
from search_spaces import Architecture, ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)
TRIALS = 10
WORKERS = 3
LAG = 4


RUNGS = (1, 2)


def score(macs: int, thresholds: Thresholds) -> Screened:
    """Four epochs, of which the first is worth least."""
    if macs % 7 == 0:
        raise ValueError("this one does not train")
    end = 1 / (1 + math.exp(-macs / 50_000))
    curve = (*(end - 0.3 / epoch + 0.02 * (macs % 5) for epoch in (1, 2, 3)), end)
    result = Screened(end, curve, 1.0, b"weights").under(thresholds)
    assert result is not None
    return result


class StoppedError(Exception):
    pass


class ThreeAtOnce(SerialExecutor):
    """Several under way, the newest ends first, if ``in_order`` the oldest; can be stopped after some results as by a kill."""

    def __init__(self, stop_after: int = 10**9, *, in_order: bool = False) -> None:
        super().__init__()
        self.submitted = 0
        self._left = stop_after
        self._in_order = in_order

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
        self._queue.rotate(0 if self._in_order else 1)
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


@pytest.fixture(scope="module")
def boards(feasibility: Feasibility) -> SeveralBoards:
    """Two of different cores, the second with less room."""
    board = load_board("rpi-pico")
    tight = Limits(ram=1024, flash=8 * 1024)
    return SeveralBoards([feasibility, Feasibility(SPACE, load_cost_model(board.core), board, tight, 0.95)])


def on_board(board: str, trial: FrozenTrial) -> tuple[float, ...] | None:
    """A contest of all that fit on the board."""
    return None if figures_on(trial, board) is None else ()


def go_on(run: RunDirectory, feasibility: Feasibility | SeveralBoards, executor: ThreeAtOnce) -> list[StudySource]:
    storage = open_storage(run)
    sources: list[StudySource] = []

    def turns(make: Callable[[Feasibility], FeasibleSampler]) -> ProposingSampler:
        return TurnsSampler(list(map(make, feasibility.boards))) if isinstance(feasibility, SeveralBoards) else make(feasibility)

    def predictor(fits: Feasibility) -> FeasibleSampler:
        return PredictorSampler(SPACE, fits, costs=fits.costs, seed=4, lag=LAG, startup=3, candidates=20)

    def chance(fits: Feasibility) -> FeasibleSampler:
        return RandomFeasibleSampler(SPACE, fits, seed=4, lag=LAG)

    boards = feasibility.boards if isinstance(feasibility, SeveralBoards) else (feasibility,)
    contests = [partial(on_board, fits.board.name) for fits in boards]
    pruner = MedianPruner(RUNGS, lag=LAG, contests=contests, startup=2)
    for label, sampler in (("search", turns(predictor)), ("random", turns(chance))):
        study = optuna.create_study(
            storage=storage, sampler=sampler, pruner=pruner, study_name=label, direction="maximize", load_if_exists=True
        )
        sources.append(StudySource(label, study, feasibility, lambda: TRIALS))

    def start(request: Request) -> int:
        return executor.submit(score, feasibility.predict(request.architecture).macs, request.thresholds)

    run_sources(executor, sources, start, Silent(), {})
    return sources


def content(sources: list[StudySource]) -> list[Any]:
    """All that matters of the trials: everything but the times of day."""
    return [
        (
            *(source.label, trial.number, trial.state, trial.params, trial.value),
            *(trial.user_attrs, trial.constraints, trial.intermediate_values),
        )
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
    stopped = {trial[5]["architecture"] for trial in trials if trial[2] == TrialState.PRUNED}
    # What both ask for is trained once, but for what failed, or was stopped for one of them.
    assert len(networks) <= submitted <= len(networks) + len(failed | stopped)
    assert len(networks) < 2 * TRIALS


def test_hopeless_trials_are_stopped(undisturbed: tuple[list[Any], bytes, int]) -> None:
    """Both studies stop some; these say how far they came, and that is no higher than what the better ones had by then."""
    trials, _, _ = undisturbed
    for label in ("search", "random"):
        of_study = [trial for trial in trials if trial[0] == label]
        stopped = [trial for trial in of_study if trial[2] == TrialState.PRUNED]
        completed = [trial for trial in of_study if trial[2] == TrialState.COMPLETE]
        assert stopped
        assert all(trial[1] >= 2 for trial in stopped)
        for trial in stopped:
            last = max(trial[7])
            assert last in RUNGS
            assert trial[4] == trial[7][last]  # what Optuna makes a pruned trial's value
            assert any(other[7][last] > trial[7][last] for other in completed)
        assert all(list(trial[7]) == [1, 2, 3, 4] and trial[7][4] == trial[4] for trial in completed)


def test_the_order_in_which_workers_finish_makes_no_difference(tmp_path: Path, feasibility: Feasibility, undisturbed: Any) -> None:
    run = RunDirectory.create(tmp_path / "run", "")
    assert content(go_on(run, feasibility, ThreeAtOnce(in_order=True))) == undisturbed[0]


@pytest.mark.parametrize("results", [0, 1, 5, 11])
def test_stopped_and_resumed(tmp_path: Path, feasibility: Feasibility, undisturbed: Any, results: int) -> None:
    run = RunDirectory.create(tmp_path / "run", "")
    with pytest.raises(StoppedError):
        go_on(run, feasibility, ThreeAtOnce(stop_after=results))
    run.repair()
    assert content(go_on(run, feasibility, ThreeAtOnce())) == undisturbed[0]


def test_several_boards(tmp_path: Path, boards: SeveralBoards) -> None:
    """Every trial fits on the board whose turn it was, and a stop or a cut journal changes nothing."""
    names = [fits.board.name for fits in boards.boards]
    run = RunDirectory.create(tmp_path / "run", "")
    undisturbed = content(go_on(run, boards, ThreeAtOnce()))
    assert len(undisturbed) == 2 * TRIALS
    assert any(trial[2] == TrialState.PRUNED for trial in undisturbed)
    for _, number, _, params, _, attributes, constraints, _ in undisturbed:
        architecture = SPACE.from_params(params)
        assert attributes[f"on {names[number % 2]}"]["fits"]
        assert list(constraints) == ["boards"]
        assert constraints["boards"] <= 0
        for fits in boards.boards:
            about = attributes[f"on {fits.board.name}"]
            assert about["fits"] is not fits(architecture)
            assert about["ram"] == fits.predict(architecture).ram.total
    assert 0 < sum(about[f"on {names[1]}"]["fits"] for *_, about, _, _ in undisturbed) < 2 * TRIALS
    journal = run.journal.read_bytes()
    for part in (1, 3):
        again = RunDirectory.create(tmp_path / f"cut {part}", "")
        again.journal.write_bytes(journal[: part * len(journal) // 4 + 7])
        again.repair()
        assert content(go_on(again, boards, ThreeAtOnce())) == undisturbed
    stopped = RunDirectory.create(tmp_path / "stopped", "")
    with pytest.raises(StoppedError):
        go_on(stopped, boards, ThreeAtOnce(stop_after=6))
    assert content(go_on(stopped, boards, ThreeAtOnce())) == undisturbed


def test_a_constraint_holds_where_some_board_does(boards: SeveralBoards) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        architecture = SPACE.sample(rng)
        fitting = boards.fitting(architecture)
        seen.add(len(fitting))
        assert (boards.margins(architecture)["boards"] <= 0) is bool(fitting)
        assert bool(boards(architecture)) is not bool(fitting)
        assert boards.predict(architecture) == (fitting or boards.boards)[0].predict(architecture)
    assert seen == {0, 1, 2}


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
    run_sources(executor, [source], lambda request: executor.submit(score, 1, request.thresholds), Silent(), {})
    assert [trial.value is not None for trial in study.trials] == [True]
    assert source.exhausted is not None
    assert "macs" in source.exhausted
