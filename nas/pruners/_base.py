"""What all our pruners share: thresholds that are known before a trial begins.

Trial *k* is compared with trials up to ``k - lag``, as samplers see them (:mod:`nas.samplers`). So what it must reach at each rung
is known when it begins, whatever the others under way come to, and a worker can stop its training without asking anybody.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Contest = Callable[["FrozenTrial"], "tuple[float, ...] | None"]
"""A trial's costs where it takes part, beside its value; None where it does not."""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
STARTUP = 5
"""Trials that a trial is compared with at least; with fewer it goes on. Optuna's median pruner takes as many."""


def everybody(trial: FrozenTrial) -> tuple[float, ...]:
    """The contest where nothing but the value counts."""
    return ()


class RungPruner(BasePruner):
    """Base of pruners that stop a trial which is worse at a rung than the trials before it.

    A trial is compared with those that are no more costly in anything: only they say that it cannot be on the front. It is stopped
    where it is among the hopeless of every contest that it takes part in.

    :param rungs: steps, from 1, after which trials are compared.
    :param lag: as the sampler's.
    :param contests: one for each thing that a trial may be good for, such as a board.
    :param startup: trials that a trial is compared with at least; with fewer it goes on.
    """

    def __init__(
        self, rungs: Sequence[int], *, lag: int = 1, contests: Sequence[Contest] = (everybody,), startup: int = STARTUP
    ) -> None:
        if not all(a < b for a, b in pairwise([0, *rungs])):
            raise ValueError("rungs must be rising numbers from 1")
        if lag < 1 or startup < 1 or not contests:
            raise ValueError("lag and startup must be at least 1, and there must be a contest")
        self.rungs = tuple(rungs)
        self.lag = lag
        self.startup = startup
        self._contests = tuple(contests)

    @abstractmethod
    def place(self, begun: int, reached: int) -> int:
        """How good a trial must be at a rung that ``reached`` of the ``begun`` earlier trials have reached: as good as the one in
        this place from 1, the best, of the latter; below 1 or above ``reached`` every trial goes on."""

    def thresholds(self, study: Study, trial: FrozenTrial) -> dict[int, float]:
        """The values that ``trial`` must reach at the rungs; it goes on at rungs that are not there."""
        earlier = [
            other
            for other in study.get_trials(deepcopy=False)[: trial.number]
            if other.number <= trial.number - self.lag and other.state in ENDED
        ]
        better = max if study.direction == StudyDirection.MAXIMIZE else min
        found: dict[int, list[float | None]] = {rung: [] for rung in self.rungs}
        for contest in self._contests:
            costs = contest(trial)
            if costs is None:
                continue
            rivals = [other for other in earlier if _costs_no_more(contest(other), costs)]
            for rung, bounds in found.items():
                values = [value for other in rivals if not math.isnan(value := other.intermediate_values.get(rung, math.nan))]
                place = self.place(len(rivals), len(values)) if len(rivals) >= self.startup else 0
                bounds.append(sorted(values, reverse=better is max)[place - 1] if 1 <= place <= len(values) else None)
        least = min if better is max else max
        return {rung: least(b for b in bounds if b is not None) for rung, bounds in found.items() if bounds and None not in bounds}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether ``trial`` is to be stopped after the last step that it reported."""
        step = trial.last_step
        threshold = None if step is None else self.thresholds(study, trial).get(step)
        if step is None or threshold is None:
            return False
        value = trial.intermediate_values[step]
        return not (value >= threshold if study.direction == StudyDirection.MAXIMIZE else value <= threshold)


def _costs_no_more(costs: tuple[float, ...] | None, bounds: tuple[float, ...]) -> bool:
    return costs is not None and all(cost <= bound for cost, bound in zip(costs, bounds, strict=True))
