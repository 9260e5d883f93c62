"""What becomes of a search's trials on one board: finalists that fit there, and among them the winner and each baseline's best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nas.progress import Progress
from nas.run_directory import BoardDirectory, RunDirectory
from nas.study.compute import finishing_cost, training_cost
from nas.study.feasibility import Feasibility
from nas.study.feedback import Feedback
from nas.study.finalists import Candidate, Finalist, FinalistStage, best, front, ranked
from nas.study.hand_designed import hand_designed, too_wide
from nas.study.largest import largest_feasible
from nas.study.objectives import COSTS
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.study_source import StudySource
from nas.study.trials import SEARCH
from search_spaces import Architecture

LARGEST, HAND_DESIGNED = "largest", "hand_designed"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a strategy came to: ``strategy`` is ``search`` (the winner) or the name of a baseline."""

    strategy: str
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class BoardOutcome:
    """Everything that is decided of a board when the test part is looked at; ``chosen`` begins with the winner, ``front`` has the
    search's finalists that none of the others beats, ``without`` why a baseline came to nothing, ``cost_model`` says how good the
    promises were."""

    place: BoardDirectory
    fits: Feasibility
    chosen: Sequence[Chosen]
    front: Sequence[Candidate]
    without: Mapping[str, str]
    finalists: Mapping[str, Finalist]
    cost_model: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The board's name."""
        return self.fits.board.name


@dataclass
class _Pool:
    """A strategy's candidates in order, and how many at a time may become finalists; the ``considered`` ones wait no more."""

    label: str
    waiting: list[Candidate]
    portion: int
    considered: list[Candidate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.take()

    def drop(self, fits: Feasibility) -> None:
        """Forget those that do not fit."""
        self.waiting = [candidate for candidate in self.waiting if not fits(candidate.architecture)]

    def take(self) -> None:
        """Consider the next portion."""
        self.considered += self.waiting[: self.portion]
        del self.waiting[: self.portion]


class BoardSearch:
    """Finishes as many candidates of each strategy as there should be finalists.

    Where none of a strategy's finalists keeps the limits as built, its next candidates follow that the cost model still lets pass
    with what has been built so far.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        preparation: Preparation,
        fits: Feasibility,
        sources: Sequence[StudySource],
        progress: Progress,
    ) -> None:
        self.fits = fits
        self.name = fits.board.name
        self.place = settings.directory(run, self.name)
        self._where = f"{self.name}: " if len(preparation.boards) > 1 else ""
        self._costs = settings.costs
        self._examples = preparation.validated
        self._progress = progress
        self._feedback = Feedback(run, self.place, fits, progress)
        most = settings.finalists
        self._pools = [_Pool(source.label, ranked(source, self.name, settings.costs, most), most) for source in sources]
        if settings.baselines:
            self._pools.append(_Pool(LARGEST, _largest(settings, preparation, fits, sources[0], self._pools[0].considered), 1))
            drawn = [Candidate(HAND_DESIGNED, None, architecture, None) for architecture in hand_designed(fits)]
            self._pools.append(_Pool(HAND_DESIGNED, drawn, 1))

    @property
    def considered(self) -> list[Candidate]:
        """The candidates that are to be finalists so far."""
        return [candidate for pool in self._pools for candidate in pool.considered]

    @property
    def promising(self) -> Candidate | None:
        """The search's first candidate, if there is any."""
        return next(iter(self._pools[0].considered), None)

    def choose(self, stage: FinalistStage) -> BoardOutcome | str:
        """What every strategy came to, once :attr:`considered` are finished, or why there is no winner."""
        done = stage.done[self.name]
        self._feedback.learn(done)
        chosen, without = [], {}
        for pool in self._pools:
            while (candidate := best(pool.considered, done, self.fits.limits, self._costs, self._examples)) is None and self._more(
                pool, stage
            ):
                stage.finish({self.name: pool.considered})
                self._feedback.learn(done)
            if candidate is not None:
                chosen.append(Chosen(pool.label, candidate))
            elif pool.label == SEARCH:
                return self._why_none(pool, stage)
            else:
                none_fits = pool.label == HAND_DESIGNED and not pool.considered
                without[pool.label] = too_wide(self.fits) if none_fits else self._failing(pool, stage)
                self._progress.message(f"{self._where}{pool.label}: {without[pool.label]}")
        return BoardOutcome(self.place, self.fits, chosen, self._front(done), without, done, self._feedback.to_json())

    def _front(self, done: Mapping[str, Finalist]) -> list[Candidate]:
        candidates = {c.architecture.id: c for c in self._pools[0].considered if c.architecture.id in done}
        found = front([done[key] for key in candidates], self.fits.limits, self._costs or COSTS)
        return [candidates[finalist.architecture] for finalist in found]

    def _more(self, pool: _Pool, stage: FinalistStage) -> bool:
        """Take the next portion of those that fit, if there is one and it is limits that the others failed by, not errors."""
        pool.drop(self._feedback.feasibility)
        if not stage.built(self.name, pool.considered) or not pool.waiting:
            return False
        pool.take()
        return True

    def _why_none(self, pool: _Pool, stage: FinalistStage) -> str:
        if not pool.considered:
            return "no winner: no trial fits; raise --trials"
        reason = self._failing(pool, stage)
        if self._broken(pool, stage):
            feedback = self._feedback
            reason += f"; search anew with --model {feedback.model_file}" if feedback.refitted else "; loosen it or raise --trials"
        return f"no winner: {reason}"

    def _failing(self, pool: _Pool, stage: FinalistStage) -> str:
        """What all finalists of a strategy failed by."""
        if not pool.considered:
            return "no network that fits"
        if broken := self._broken(pool, stage):
            return f"every finalist's built program breaks a limit ({', '.join(broken)})"
        failed = stage.failed[self.name]
        first = next((failed[c.architecture.id] for c in pool.considered if c.architecture.id in failed), "unknown reason")
        return f"every finalist failed; the first one: {first}"

    def _broken(self, pool: _Pool, stage: FinalistStage) -> list[str]:
        done, limits = stage.done[self.name], self.fits.limits
        return sorted({name for c in pool.considered if (f := done.get(c.architecture.id)) for name in f.broken(limits)})


def _largest(
    settings: SearchSettings, preparation: Preparation, fits: Feasibility, search: StudySource, finalists: Sequence[Candidate]
) -> list[Candidate]:
    """The largest networks that fit, each to be trained for no more than all of the search and its ``finalists`` are."""

    folds = len(preparation.splits)

    def finished(architecture: Architecture) -> int:
        recipes = settings.finishing, settings.quantization
        return finishing_cost(preparation.macs(architecture), *recipes, trainings=folds + settings.refits)

    spent = 0
    for trial in [*search.completed(), *search.stopped()]:
        trained = replace(settings.screening, epochs=trial.last_step or settings.screening.epochs)
        spent += folds * training_cost(trial.user_attrs["macs"], trained)
    for candidate in finalists:
        spent += finished(candidate.architecture)
    candidates = []
    for architecture in largest_feasible(fits, settings.seed):
        effort = min(1.0, spent / finished(architecture))
        candidates.append(Candidate(LARGEST, None, architecture, None, effort))
    return candidates
