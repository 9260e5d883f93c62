"""One Optuna study as a source of trainings: asks when it may, waits when a proposal must see an older result first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from cost_models.prediction import Prediction
from nas.learning.rungs import Thresholds
from nas.pruners import RungPruner
from nas.samplers import NoFeasibleArchitectureError, ProposingSampler, suggest_architecture
from nas.study.feasibility import Feasibility
from nas.study.journal import Journal
from nas.study.several_boards import SeveralBoards
from nas.study.tasks import Screened
from search_spaces import Architecture, SearchSpace


@dataclass(frozen=True, slots=True)
class Request:
    """A trial that wants its architecture trained."""

    number: int
    architecture: Architecture
    thresholds: Thresholds
    """What the training must have reached after some epochs to go on."""


class StudySource:
    """Trials of ``study``, proposed by its sampler in number order.

    Trial *k* is asked for once every trial up to ``k - lag`` has ended, so that proposals depend on nothing but the seed. Trials
    that a killed driver left running are taken up again under their own number.

    :param wanted: how many trials there should be; asked before each new one, so it may change.
    """

    def __init__(
        self, label: str, study: optuna.Study, feasibility: Feasibility | SeveralBoards, wanted: Callable[[], int]
    ) -> None:
        sampler = study.sampler
        assert isinstance(sampler, ProposingSampler)
        self.label = label
        self.study = study
        self.exhausted: str | None = None
        """Why there are no more trials although more were wanted."""
        self._sampler = sampler
        self._feasibility = feasibility
        self._wanted = wanted
        storage = study._storage
        self._at_once = storage.at_once if isinstance(storage, Journal) else nullcontext
        trials = study.get_trials(deepcopy=False)
        self.issued = len(trials)
        self._abandoned = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self._under_way: dict[int, Trial] = {}

    @property
    def sampler(self) -> str:
        """What reports call the sampler."""
        return self._sampler.title

    @property
    def space(self) -> SearchSpace:
        """What the trials are chosen from."""
        return self._feasibility.space

    def predict(self, architecture: Architecture) -> Prediction:
        """What the cost model says of ``architecture``."""
        return self._feasibility.predict(architecture)

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """What a predictor of accuracy is told of ``architecture``, see :meth:`Feasibility.costs`."""
        return self._feasibility.costs(architecture)

    def boards(self, architecture: Architecture) -> tuple[str, ...]:
        """Names of the boards on which ``architecture`` fits, where there are several to choose from."""
        several = self._feasibility
        return tuple(fits.board.name for fits in several.fitting(architecture)) if isinstance(several, SeveralBoards) else ()

    @property
    def ended(self) -> bool:
        """Whether every trial has ended and no other is wanted."""
        return not self._under_way and not self._abandoned and (self.exhausted is not None or self.issued >= self._wanted())

    def next(self) -> Request | None:
        """The next training, or None where there is none now."""
        if self._abandoned:
            with self._at_once():
                return self._request(Trial(self.study, self._abandoned.pop(0)._trial_id))  # as Study.ask does it
        if self.exhausted is not None or self.issued >= self._wanted():
            return None
        number = self.issued
        if self._under_way and min(self._under_way) <= number - self._sampler.lag:
            return None
        try:
            self._sampler.propose(self.study, number)
        except NoFeasibleArchitectureError as error:
            if number == 0:
                raise
            self.exhausted = str(error)
            return None
        with self._at_once():
            trial = self.study.ask()
            assert trial.number == number
            self.issued += 1
            return self._request(trial)

    def _request(self, trial: Trial) -> Request:
        """Write down what ``trial`` is about; what a killed driver had already written is left as it is."""
        self._under_way[trial.number] = trial
        architecture = suggest_architecture(trial, self._feasibility.space)
        proposal = self._sampler.propose(self.study, trial.number)
        written = self._trial(trial.number).constraints
        for limit, margin in self._feasibility.margins(architecture).items():
            if limit not in written:
                trial.set_constraint(limit, margin)
        attributes = {
            "architecture": architecture.id,
            "network": architecture.network,
            "rejected": {"candidates": proposal.candidates_rejected, **proposal.rejected_by},
            **self._feasibility.figures(architecture),
        }
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        return Request(trial.number, architecture, self._thresholds(trial.number))

    def _thresholds(self, number: int) -> Thresholds:
        pruner = self.study.pruner
        return pruner.thresholds(self.study, self._trial(number)) if isinstance(pruner, RungPruner) else {}

    def _trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def complete(self, number: int, result: Screened) -> None:
        """What the training of trial ``number`` came to; one that was stopped is pruned."""
        reported = self._trial(number).intermediate_values  # by a driver that was killed here
        with self._at_once():
            for epoch, accuracy in enumerate(result.curve, start=1):
                if epoch not in reported:
                    self._under_way[number].report(accuracy, epoch)
            study = self._end(number, "seconds", round(result.seconds, 3))
            if result.stopped:
                study.tell(number, state=TrialState.PRUNED)
            else:
                study.tell(number, result.accuracy)

    def fail(self, number: int, reason: str) -> None:
        """Trial ``number`` came to nothing."""
        with self._at_once():
            self._end(number, "error", reason).tell(number, state=TrialState.FAIL)

    def _end(self, number: int, key: str, value: object) -> optuna.Study:
        self._under_way.pop(number).set_user_attr(key, value)
        return self.study

    def completed(self) -> list[FrozenTrial]:
        """The trials that were trained to the end, by number."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def stopped(self) -> list[FrozenTrial]:
        """The trials whose training was stopped early, by number."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))

    def rejections(self) -> Counter[str]:
        """Candidates rejected before training, in all (``candidates``) and by limit."""
        return rejections(self.study)


def rejections(study: optuna.Study) -> Counter[str]:
    """What :meth:`StudySource.rejections` says, of a study that nobody works on."""
    total: Counter[str] = Counter()
    for trial in study.get_trials(deepcopy=False):
        total.update(trial.user_attrs.get("rejected", {}))
    return total
