"""What a run directory holds, read once for all sections of the page. Nothing in it is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from codegen.boards import load_board
from codegen.errors import UserError
from nas.metrics import describe
from nas.run_directory import RunDirectory
from nas.study.board_report import pick_board, report_on
from nas.study.finalists import Curves, read_curves
from nas.study.outcome import FORMAT
from nas.study.settings import SearchSettings, read_run_settings
from nas.study.several_boards import figures_on
from nas.summary import STRATEGIES

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

SEARCH = "search"
"""The study of the search itself; others are baselines."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A completed trial: ``accuracy`` (0..1, by the run's metric) on the validation data as screened, ``costs`` as predicted
    (bytes, milliseconds, multiply-accumulates), ``network`` as text."""

    study: str
    number: int
    architecture: str
    accuracy: float
    costs: Mapping[str, float]
    network: str


@dataclass(frozen=True, slots=True)
class FinalistRecord:
    """A finalist: ``label`` tells where it comes from, ``strategies`` who chose it in the end; the rest is its entry in
    ``report.json``."""

    label: str
    architecture: str
    strategies: tuple[str, ...]
    network: str
    entry: Mapping[str, Any]

    @property
    def accuracy(self) -> float:
        """In int8 on the validation data, 0..1."""
        return float(self.entry["validation"]["int8"])

    @property
    def costs(self) -> dict[str, float]:
        """As built, by the names of :attr:`TrialRecord.costs`."""
        built = self.entry["built"]
        return {
            "ram": built["ram"]["total"],
            "flash": built["flash"]["total"],
            "latency_ms": built["latency_ms"],
            "macs": built["macs"],
        }


class Evidence:
    """A run as its directory tells of it, and one board of it: the one that there is, or where there are several, the one called
    ``board``.

    ``report`` is empty where the search has not ended or the board has no winner, which ``no_winner`` gives the reason of.
    ``metric`` is what networks were judged by, in words. ``prefix`` begins the names of places on the page that are this board's.

    :raises UserError: if a file of the run is damaged, or it has several boards and none is named.
    """

    def __init__(self, run: RunDirectory, board: str | None = None) -> None:
        self.run = run
        self.settings: SearchSettings = read_run_settings(run)
        boards = {found.name: found for found in map(load_board, self.settings.boards)}
        self.board = boards[pick_board(run, self.settings, board)]
        self.limits = self.settings.limits_on(self.board)
        self.place = self.settings.directory(run, self.board.name)
        self.prefix = f"{self.board.name}-" if len(boards) > 1 else ""
        self.metric = describe(self.settings.metric or "accuracy")
        self.report: Mapping[str, Any] = {}
        self.no_winner: str | None = None
        if run.report.is_file():
            whole = run.read_report()
            if whole.get("format") != FORMAT:
                raise UserError(f"{run.report}: not of format {FORMAT}, which this version reads; search anew")
            self.report = report_on(whole, self.board.name)
            self.no_winner = whole.get("without_winner", {}).get(self.board.name)

    @property
    def heading(self) -> str:
        """The metric at the beginning of a sentence."""
        return self.metric[0].upper() + self.metric[1:]

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        """Optuna's studies by name, the search's first."""
        import optuna

        from nas.study.trials import open_storage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self.run)
        names = optuna.get_all_study_names(storage)
        return {name: optuna.load_study(study_name=name, storage=storage) for name in sorted(names, key=SEARCH.__ne__)}

    @cached_property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Completed trials of all studies that fit on the board, by number."""
        return tuple(
            TrialRecord(
                study=name,
                number=trial.number,
                architecture=trial.user_attrs["architecture"],
                accuracy=trial.values[0],
                costs={key: figures[key] for key in ("ram", "flash", "latency_ms", "macs")},
                network=network_text(trial.user_attrs["network"]),
            )
            for name, study in self.studies.items()
            for trial in _completed(study)
            if (figures := figures_on(trial, self.board.name)) is not None
        )

    @cached_property
    def tried(self) -> int:
        """Completed trials of the search, whether they fit on the board or another."""
        return len(_completed(self.studies[SEARCH])) if SEARCH in self.studies else 0

    @cached_property
    def stopped(self) -> int:
        """Trials of the search that were stopped early."""
        from optuna.trial import TrialState

        return len(self.studies[SEARCH].get_trials(deepcopy=False, states=(TrialState.PRUNED,))) if SEARCH in self.studies else 0

    def of_study(self, name: str) -> tuple[TrialRecord, ...]:
        """The completed trials of one study."""
        return tuple(trial for trial in self.trials if trial.study == name)

    @cached_property
    def chosen(self) -> Mapping[str, Mapping[str, Any]]:
        """What each strategy came to, by its name, the winner first; empty where the search has not ended."""
        if not self.report:
            return {}
        return {SEARCH: self.report["winner"], **self.report["baselines"]}

    @cached_property
    def finalists(self) -> tuple[FinalistRecord, ...]:
        """The networks that were built, the winner first, then by accuracy."""
        trials: dict[str, TrialRecord] = {}
        for trial in self.trials:
            trials.setdefault(trial.architecture, trial)
        records = []
        for entry in self.report.get("finalists", ()):
            key = entry["architecture"]
            strategies = tuple(name for name, chosen in self.chosen.items() if chosen["trial"]["architecture"] == key)
            known = trials.get(key)
            if known is not None:
                label = f"{'trial' if known.study == SEARCH else known.study} {known.number}"
                network = known.network
            else:
                named = next((self.chosen[name]["trial"]["network"] for name in strategies), None)
                label = STRATEGIES.get(strategies[0], strategies[0]) if strategies else key
                network = "" if named is None else network_text(named)
            records.append(FinalistRecord(label, key, strategies, network, entry))
        return tuple(sorted(records, key=lambda record: (SEARCH not in record.strategies, -record.accuracy)))

    def curves(self, architecture: str) -> Curves | None:
        """Training curves of a finalist, if they were kept."""
        return read_curves(self.place, architecture)


def _completed(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def network_text(network: object) -> str:
    """A network's description on one line: ``conv-16-3-1 inverted_residual-64-5-2-4 flatten``."""
    assert isinstance(network, (list, tuple))
    return " ".join("-".join(map(str, block)) for block in network[1:])
