"""What trials that were stopped early say of their networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def values_of(trials: Sequence[FrozenTrial]) -> list[float | None]:
    """For each trial the value where it was completed, an estimate where it was pruned, else None.

    A pruned trial counts as its last value and what the completed ones gained from that step on, by the median. These were the
    better ones there and so gained less than it would have: the estimate is a low one, and keeps the order of those that were
    stopped at one rung. Without a completed trial that reported that step nothing is known of it.
    """
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    gains: dict[int, float | None] = {}

    def gain_from(step: int) -> float | None:
        if step not in gains:
            known = [(t.value or 0.0) - t.intermediate_values[step] for t in completed if step in t.intermediate_values]
            gains[step] = median(known) if known else None
        return gains[step]

    def value_of(trial: FrozenTrial) -> float | None:
        step = trial.last_step
        if trial.state == TrialState.COMPLETE:
            return trial.value
        if trial.state != TrialState.PRUNED or step is None or (gain := gain_from(step)) is None:
            return None
        value = trial.intermediate_values[step] + gain
        return None if math.isnan(value) else value

    return [value_of(trial) for trial in trials]
