"""What came of a search, read from its run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from codegen.measurement import Verification
from nas.api._arguments import AnyPath, BoardLike, board_name, naming_arguments
from nas.api._prediction import Prediction, prediction_from_json
from nas.run_directory import RunDirectory

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class Trial:
    """A trained candidate: its ``accuracy`` (0..1, by the run's metric) on the validation data after a short training, or after the
    epochs in ``stopped`` where that was stopped early, None where it failed with ``error``; what was predicted of it: ``ram`` and
    ``flash`` in bytes, ``latency_ms`` in milliseconds, ``macs``.

    ``source`` names it for :func:`nas.export` and :func:`nas.predict`, which also take the trial itself. ``network`` is the
    architecture on one line, ``params`` are its choices.
    """

    number: int
    accuracy: float | None
    ram: int
    flash: int
    latency_ms: float
    macs: int
    network: str
    source: str
    error: str | None = None
    stopped: int | None = None
    params: Mapping[str, int | str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A network that was trained fully, quantised, built and tested: the winner, or a baseline's best.

    ``accuracy`` (0..1) is what ``metric`` says of the int8 network on the test part, ``float_accuracy`` of the float one; other
    examples would give a value of the 95 % ``interval``; ``examples`` were tested. ``trial`` is the number of its trial, None for a
    baseline without one. ``predicted`` before it was trained and ``built`` stand side by side. ``project`` is the directory of its
    C project, None for baselines. ``design`` is the name of the published network that a hand-designed one was drawn after, and
    its width, 1 as published.
    """

    strategy: str
    trial: int | None
    metric: str
    accuracy: float
    float_accuracy: float
    interval: tuple[float, float]
    examples: int
    network: str
    project: Path | None
    predicted: Prediction
    built: Verification
    params: Mapping[str, int | str] = field(repr=False)
    design: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The run at ``path``, as its directory is now; every property reads it anew.

    Of a search for several boards, winner, baselines, trials and front are those of ``board``, which :meth:`on` chooses.
    """

    path: Path
    board: str | None = field(default=None, repr=False)

    @property
    def boards(self) -> tuple[str, ...]:
        """Names of the boards that the search is for."""
        from nas.study.board_report import board_names
        from nas.study.settings import read_run_settings

        return board_names(read_run_settings(self._directory))

    @naming_arguments()
    def on(self, board: BoardLike) -> Run:
        """The run as it is on one of its boards.

        :raises UserError: if it has no such board.
        """
        from codegen.boards import load_board

        wanted, known = board_name(board), self.boards
        name = wanted if wanted in known else load_board(wanted).name
        if name not in known:
            raise UserError(f"board {name}: {self.path} is a search for {', '.join(known)}")
        return replace(self, board=name)

    @property
    def source(self) -> str:
        """Names the winner for :func:`nas.export`, which also takes the run itself."""
        return str(self.path)

    @property
    def finished(self) -> bool:
        """Whether the search has ended; :func:`nas.resume` goes on with one that has not."""
        return self._directory.report.is_file()

    @property
    def winner(self) -> Result:
        """The most accurate network whose built program keeps every limit.

        :raises UserError: if the search has not ended, it has no winner for the board, or of several boards none is chosen.
        """
        from nas.study.settings import read_run_settings

        directory, report = self._directory, self._report
        return _result("search", report, read_run_settings(directory).directory(directory, report["board"]).winner)

    @property
    def baselines(self) -> dict[str, Result]:
        """What a random search (``random``) and the largest network that fits (``largest``) came to at the same cost, and what a
        published network did that was made narrower until it fits (``hand_designed``); those that came to something.

        :raises UserError: as :attr:`winner`.
        """
        report = self._report
        return {name: _result(name, report, None) for name in report["baselines"]}

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of the search that have ended and fit on the board, by number; also of a search that has not ended.

        :raises UserError: if no trial was made yet, or of several boards none is chosen.
        """
        return tuple(self._trial(trial, figures) for trial, figures in self._on_board() if trial.state.is_finished())

    @property
    def front(self) -> tuple[Trial, ...]:
        """The trials that no other beats: none is as accurate and in nothing cheaper that is an objective, or without objectives
        beside the metric, in nothing at all.

        :raises UserError: as :attr:`trials`.
        """
        from optuna.trial import TrialState

        from nas.study.front import pareto_front
        from nas.study.objectives import COSTS
        from nas.study.settings import read_run_settings

        costs = read_run_settings(self._directory).costs or COSTS
        completed = [(trial, figures) for trial, figures in self._on_board() if trial.state == TrialState.COMPLETE]
        return tuple(self._trial(trial, figures) for trial, figures in pareto_front(completed, costs))

    @property
    def figures(self) -> dict[str, Any]:
        """All that was found out, as plain data: the content of ``report.json``.

        :raises UserError: if the search has not ended.
        """
        return self._directory.read_report()

    @naming_arguments()
    def write_report(self, out: AnyPath | None = None) -> Path:
        """Write the run as one HTML page, by default ``report.html`` in its directory; returns the file.

        :raises UserError: if there is no such folder, or the run is damaged.
        """
        from nas.report import write_report

        return write_report(self._directory, None if out is None else Path(out), self.board)

    def __str__(self) -> str:
        from nas.summary import summary

        return summary(self._directory, self.figures) if self.finished else f"{self.path}: the search has not ended"

    @property
    def _directory(self) -> RunDirectory:
        return RunDirectory.open(self.path)

    @property
    def _chosen(self) -> str:
        """The board that is meant."""
        boards = self.boards
        if self.board is None and len(boards) > 1:
            raise UserError(f"{self.path}: this search is for {', '.join(boards)}; run.on({boards[0]!r}) is the run on one of them")
        return self.board or boards[0]

    @property
    def _report(self) -> Mapping[str, Any]:
        """What the report says of the board."""
        from nas.study.board_report import read_report_on

        return read_report_on(self._directory, self._chosen)

    def _on_board(self) -> list[tuple[FrozenTrial, Mapping[str, Any]]]:
        """The trials that fit on the board, with what was predicted of them there."""
        from nas.study.several_boards import figures_on
        from nas.study.trials import read_study

        board, trials = self._chosen, read_study(self._directory).trials
        found = ((trial, figures_on(trial, board)) for trial in trials)
        return [(trial, figures) for trial, figures in found if figures is not None and "latency_ms" in figures]

    def _trial(self, trial: FrozenTrial, figures: Mapping[str, Any]) -> Trial:
        from optuna.trial import TrialState

        from nas.report.evidence import network_text

        about = trial.user_attrs
        costs = {key: figures[key] for key in ("ram", "flash", "latency_ms", "macs")}
        network, source = network_text(about["network"]), f"{self.path}:{trial.number}"
        return Trial(
            trial.number,
            trial.value,
            **costs,
            network=network,
            source=source,
            error=about.get("error"),
            stopped=trial.last_step if trial.state == TrialState.PRUNED else None,
            params=trial.params,
        )


@naming_arguments()
def load_run(path: AnyPath) -> Run:
    """The run that a search, of Python or of the command line, made at ``path``.

    :raises UserError: if there is none.
    """
    return Run(RunDirectory.open(Path(path)).path)


def _result(strategy: str, report: Mapping[str, Any], project: Path | None) -> Result:
    from cost_models.limits import Limits
    from nas.report.evidence import network_text

    figures = report["winner"] if strategy == "search" else report["baselines"][strategy]
    trial, test = figures["trial"], figures["test"]
    low, high = test["interval"]
    design = figures.get("design")
    return Result(
        strategy=strategy,
        trial=trial["number"],
        metric=test["metric"],
        accuracy=test["int8"],
        float_accuracy=test["float"],
        interval=(low, high),
        examples=test["n"],
        network=network_text(trial["network"]),
        project=project,
        predicted=prediction_from_json(figures["predicted"], Limits(**report["limits"])),
        built=Verification.from_json(figures["built"]),
        params=trial["params"],
        design=None if design is None else (design["name"], design["width"]),
    )
