"""A search problem made of the table: which networks fit, what a search sees of them, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import spearmanr
from search_table import SearchTable, architectures, closed_space

from codegen.errors import UserError
from nas.samplers import Features, GaussianProcess, Predictor, Result, values_of
from search_spaces import Architecture, SearchSpace

Floats = NDArray[np.float64]
LIMITS = {"ram": 1700.0, "flash_high": 9300.0, "latency_ms_high": 1.2}
"""Bytes, bytes and milliseconds; of the last two it is the upper end of the prediction that has to keep them."""


@dataclass(frozen=True, slots=True)
class Training:
    """The network of a ``row`` of the table, trained for so many ``epochs``."""

    row: int
    epochs: int


@dataclass(frozen=True)
class Problem:
    """What is searched: rows of ``table`` that are ``feasible`` ``(N,)``, with the validation of one training seed after each of
    ``rungs``, ``curves`` ``(N, R)``, and the mean ``test`` ``(N,)`` over all; accuracies from 0 to 1. A search sees the
    results of trials that are ``lag`` numbers older at least."""

    space: SearchSpace
    members: Sequence[Architecture]
    table: SearchTable
    feasible: NDArray[np.bool_]
    broken: Sequence[tuple[str, ...]]
    training_seed: int
    rungs: Sequence[int]
    curves: Floats
    test: Floats
    lag: int

    @property
    def validation(self) -> Floats:
        """``(N,)``, after the whole training."""
        return np.asarray(self.curves[:, -1])

    @property
    def epochs(self) -> int:
        """Of a whole training."""
        return self.rungs[-1]

    def fits(self, architecture: Architecture) -> tuple[str, ...]:
        """The limits that ``architecture`` breaks; networks that were not trained yet are as good as infeasible."""
        return self.broken[self.table.row[architecture.id]]

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Predicted multiply-accumulates, RAM, flash and latency."""
        row = self.table.row[architecture.id]
        return tuple(float(self.table.costs[name][row]) for name in ("macs", "ram", "flash", "latency_ms"))

    @cached_property
    def smoothed(self) -> Floats:
        """``(N,)``: :attr:`test` as a smooth function of the network's features, NaN where infeasible.

        The mean of a few tests of the best of hundreds of networks is mostly the luck of its trainings, which a Gaussian process
        over all networks averages out. It is fitted to test accuracies, which no search sees.
        """
        return self.smooth(self.test)

    def smooth(self, values: Floats) -> Floats:
        """``values`` ``(N,)`` of the feasible networks as a smooth function of the networks' features."""
        rows = np.flatnonzero(self.feasible)
        groups = Features(self.space, self.costs)([self.members[row] for row in rows])
        smooth = np.full(len(values), np.nan)
        smooth[rows], _ = GaussianProcess(groups, values[rows]).predict(groups)
        return smooth

    def within(self, trainings: Sequence[Training], evaluations: int) -> list[Training]:
        """The trainings that end within the epochs of so many whole ones."""
        ends = np.cumsum([training.epochs for training in trainings])
        return list(trainings[: int(np.searchsorted(ends, evaluations * self.epochs, "right"))])

    def selected(self, trainings: Sequence[Training], marks: Sequence[int]) -> list[int]:
        """The row of the best validation accuracy among the whole trainings within the compute of so many, of equals the first."""
        rows = []
        for mark in marks:
            whole = self._whole(self.within(trainings, mark))
            rows.append(whole[int(np.argmax(self.validation[whole]))])
        return rows

    def predicted(self, trainings: Sequence[Training], marks: Sequence[int]) -> list[int]:
        """The row among the same that a predictor fitted to the validation results of all trainings holds for the best."""
        features = Features(self.space, self.costs)
        rows = []
        for mark in marks:
            known = list({training.row: training for training in self.within(trainings, mark)}.values())
            results = [
                Result(at, self.members[training.row], value)
                for at, (training, value) in enumerate(zip(known, values_of(list(map(self._trial, known))), strict=True))
                if value is not None
            ]
            whole = self._whole(known)
            mean, _ = Predictor(features, results).predict([self.members[row] for row in whole])
            rows.append(whole[int(np.argmax(mean))])
        return rows

    def _whole(self, trainings: Sequence[Training]) -> list[int]:
        return [training.row for training in trainings if training.epochs == self.epochs]

    def _trial(self, training: Training) -> FrozenTrial:
        """The training as a trial of Optuna."""
        curve = zip(self.rungs, self.curves[training.row].tolist(), strict=True)
        values = {rung: value for rung, value in curve if rung <= training.epochs}
        if training.epochs < self.epochs:
            return create_trial(state=TrialState.PRUNED, intermediate_values=values)
        return create_trial(value=values[training.epochs], intermediate_values=values)

    def regret(self, rows: Sequence[int]) -> Floats:
        """By how much the best feasible network tests better than each of these."""
        return np.asarray(self.test[self.feasible].max() - self.test[list(rows)])

    def smoothed_regret(self, rows: Sequence[int]) -> Floats:
        """The same without the luck of trainings, see :attr:`smoothed`."""
        return np.asarray(np.nanmax(self.smoothed) - self.smoothed[list(rows)])


def problem_of(
    table: SearchTable,
    path: Path,
    limits: Mapping[str, float],
    training_seed: int,
    seeds: Sequence[int],
    epochs: int | None = None,
    lag: int = 1,
) -> Problem:
    """The problem of one training seed; only networks trained with all ``seeds`` take part.

    :param epochs: the rung whose validation searches see (None: the last one); tests are of whole trainings in any case.
    :param lag: as a sampler's.
    :raises UserError: if there are none that keep the limits, or no such rung.
    """
    if epochs is not None and epochs not in table.rungs:
        raise UserError(f"{path}: has no rung of {epochs} epochs; choose one of {', '.join(map(str, table.rungs))}")
    space = closed_space()
    members = architectures(space, table, path)
    known = table.trained[:, list(seeds)].all(axis=1)
    over = {name: table.costs[name] > bound for name, bound in limits.items()}
    broken = [
        tuple(name for name in limits if over[name][row]) or (() if known[row] else ("not trained",)) for row in range(len(known))
    ]
    feasible = np.array([not names for names in broken])
    if not feasible.any():
        raise UserError(f"{path}: no trained network keeps the limits")
    rungs = table.rungs if epochs is None else table.rungs[: table.rungs.index(epochs) + 1]
    curves = table.accuracy("validation")[:, training_seed, : len(rungs)]
    with np.errstate(invalid="ignore"):
        counts = np.maximum(table.trained.sum(axis=1), 1)
        test = np.nansum(table.accuracy("test")[:, :, -1], axis=1) / counts
    return Problem(space, members, table, feasible, broken, training_seed, rungs, curves, test, lag)


def rung_correlations(table: SearchTable) -> Mapping[str, float]:
    """Spearman's rank correlation of validation after each shorter rung with that of the whole training, and of whole trainings
    with the first two seeds; over all networks trained with both."""
    both = table.trained[:, :2].all(axis=1)
    accuracy = table.accuracy("validation")[both]
    last = accuracy[:, 0, -1]
    by_rung = {f"after {rung}": float(spearmanr(accuracy[:, 0, at], last)[0]) for at, rung in enumerate(table.rungs[:-1])}
    return {**by_rung, "with another seed": float(spearmanr(accuracy[:, 1, -1], last)[0])}


def repeated(problem: Problem) -> float:
    """Correlation between the first two training seeds of what a smooth function, fitted to the first one's test accuracies, does
    not explain: 0 where all of it is luck."""
    tests = problem.table.accuracy("test")[:, :2, -1]
    left = (tests - problem.smooth(tests[:, 0])[:, None])[problem.feasible]
    left = left[np.isfinite(left).all(axis=1)]
    return float(np.corrcoef(left.T)[0, 1])
