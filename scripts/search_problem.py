"""A search problem made of the table: which networks fit, what a search sees of them, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from search_table import SearchTable, architectures, closed_space

from codegen.errors import UserError
from nas.samplers import Features, GaussianProcess, Predictor, Result
from search_spaces import Architecture, SearchSpace

Floats = NDArray[np.float64]
LIMITS = {"ram": 1700.0, "flash_high": 9300.0, "latency_ms_high": 1.2}
"""Bytes, bytes and milliseconds; of the last two it is the upper end of the prediction that has to keep them."""


@dataclass(frozen=True)
class Problem:
    """What is searched: rows of ``table`` that are ``feasible`` ``(N,)``, with the ``validation`` ``(N,)`` of one training seed and
    the mean ``test`` ``(N,)`` over all; accuracies from 0 to 1."""

    space: SearchSpace
    members: Sequence[Architecture]
    table: SearchTable
    feasible: NDArray[np.bool_]
    broken: Sequence[tuple[str, ...]]
    training_seed: int
    validation: Floats
    test: Floats

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

    def selected(self, order: Sequence[int], marks: Sequence[int]) -> list[int]:
        """The row of the best validation accuracy among the first so many of ``order``, the earliest of equals."""
        rows = np.array(order)
        return [int(rows[np.argmax(self.validation[rows[:mark]])]) for mark in marks]

    def predicted(self, order: Sequence[int], marks: Sequence[int]) -> list[int]:
        """The row among the first so many of ``order`` that a predictor fitted to their validation results holds for the best."""
        features = Features(self.space, self.costs)
        rows = []
        for mark in marks:
            tried = list(dict.fromkeys(order[:mark]))
            networks = [self.members[row] for row in tried]
            results = [Result(at, networks[at], float(self.validation[row])) for at, row in enumerate(tried)]
            mean, _ = Predictor(features, results).predict(networks)
            rows.append(tried[int(np.argmax(mean))])
        return rows

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
) -> Problem:
    """The problem of one training seed; only networks trained with all ``seeds`` take part.

    :param epochs: the rung whose validation searches see (None: the last one); tests are of whole trainings in any case.
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
    rung = len(table.rungs) - 1 if epochs is None else table.rungs.index(epochs)
    validation = table.accuracy("validation")[:, training_seed, rung]
    with np.errstate(invalid="ignore"):
        counts = np.maximum(table.trained.sum(axis=1), 1)
        test = np.nansum(table.accuracy("test")[:, :, -1], axis=1) / counts
    return Problem(space, members, table, feasible, broken, training_seed, validation, test)


def rung_correlations(table: SearchTable) -> Mapping[str, float]:
    """Spearman's rank correlation of validation after each shorter rung with that of the whole training, and of whole trainings
    with the first two seeds; over all networks trained with both."""
    both = table.trained[:, :2].all(axis=1)
    accuracy = table.accuracy("validation")[both]
    last = accuracy[:, 0, -1]
    by_rung = {f"after {rung}": _spearman(accuracy[:, 0, at], last) for at, rung in enumerate(table.rungs[:-1])}
    return {**by_rung, "with another seed": _spearman(accuracy[:, 1, -1], last)}


def repeated(problem: Problem) -> float:
    """Correlation between the first two training seeds of what a smooth function, fitted to the first one's test accuracies, does
    not explain: 0 where all of it is luck."""
    tests = problem.table.accuracy("test")[:, :2, -1]
    left = (tests - problem.smooth(tests[:, 0])[:, None])[problem.feasible]
    left = left[np.isfinite(left).all(axis=1)]
    return float(np.corrcoef(left.T)[0, 1])


def _spearman(a: Floats, b: Floats) -> float:
    ranks = [np.searchsorted(np.sort(x), x, "left") + np.searchsorted(np.sort(x), x, "right") for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])
