"""What stopping trials early has come to: how many, the epochs that it saved, and how far rungs can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from nas.learning.rungs import rungs_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST_TRIALS = 5
"""Whole trainings from which on a rank correlation is stated."""


@dataclass(frozen=True, slots=True)
class EarlyStops:
    """``trials`` that ended, of which ``stopped`` were stopped early; the ``epochs`` that they would have been trained for, of
    which stopping ``saved`` some. ``rank_correlation``: Spearman's, of the completed trials' validation at each rung with that at
    the end.
    """

    trials: int
    stopped: int
    epochs: int
    saved: int
    rank_correlation: Mapping[int, float]

    def to_json(self) -> dict[str, Any]:
        """For ``report.json``."""
        correlation = {str(rung): round(value, 3) for rung, value in self.rank_correlation.items()}
        return {
            "trials": self.trials,
            "stopped": self.stopped,
            "epochs": self.epochs,
            "saved": self.saved,
            "rank_correlation": correlation,
        }


def early_stops(trials: Sequence[FrozenTrial], epochs: int) -> EarlyStops:
    """Of a study's trials, of which a whole training has so many epochs."""
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
    ended = len(completed) + len(stopped)
    saved = sum(epochs - (trial.last_step or 0) for trial in stopped)
    return EarlyStops(ended, len(stopped), ended * epochs, saved, _rank_correlation(completed, rungs_of(epochs)))


def _rank_correlation(completed: Sequence[FrozenTrial], rungs: Sequence[int]) -> dict[int, float]:
    from scipy.stats import spearmanr

    found = {}
    for rung in rungs:
        pairs = [(t.intermediate_values[rung], t.value) for t in completed if rung in t.intermediate_values and t.value is not None]
        early, late = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        if len(pairs) >= LEAST_TRIALS and np.ptp(early) and np.ptp(late):  # where all are alike there is no order
            found[rung] = float(spearmanr(early, late)[0])
    return found
