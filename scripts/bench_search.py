"""Compare search strategies on the table of a closed space (``make_search_table.py``), where every search is a look-up.

Run it as ``python scripts/bench_search.py``. All strategies get the same feasibility check under limits on RAM, flash and latency
for nothing, and see the validation accuracy of one training seed, as a search does. After n evaluations a strategy stands for the
network of the best validation accuracy so far; its *simple regret* is how much better, on the test part and in the mean over
training seeds, the best feasible network is. Printed are means over searches with 95 % confidence bands, in points of accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from search_table import DEFAULT, SearchTable, architectures, closed_space
from svg_curves import Curve, curves_svg

from codegen.errors import UserError
from nas.files import write_atomically
from nas.samplers import (
    EvolutionSampler,
    FeasibleSampler,
    Features,
    GPFeasibleSampler,
    NoFeasibleArchitectureError,
    NSGAIIFeasibleSampler,
    Predictor,
    PredictorSampler,
    RandomFeasibleSampler,
    Result,
    TPEFeasibleSampler,
    suggest_architecture,
)
from search_spaces import Architecture, SearchSpace

MARKS = (10, 30, 75, 150)
LIMITS = {"ram": 1700.0, "flash_high": 9300.0, "latency_ms_high": 1.2}
"""Bytes, bytes and milliseconds; of the last two it is the upper end of the prediction that has to keep them."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What is searched: rows of ``table`` that are ``feasible`` ``(N,)``, with the ``validation`` ``(N,)`` of one training seed and
    the mean ``test`` ``(N,)`` over all."""

    space: SearchSpace
    members: Sequence[Architecture]
    table: SearchTable
    feasible: NDArray[np.bool_]
    broken: Sequence[tuple[str, ...]]
    validation: Floats
    test: Floats

    def fits(self, architecture: Architecture) -> tuple[str, ...]:
        """The limits that ``architecture`` breaks; networks that were not trained yet are as good as infeasible."""
        return self.broken[self.table.row[architecture.id]]

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Predicted multiply-accumulates, RAM, flash and latency."""
        row = self.table.row[architecture.id]
        return tuple(float(self.table.costs[name][row]) for name in ("macs", "ram", "flash", "latency_ms"))

    def regret(self, order: Sequence[int], length: int) -> Floats:
        """Simple regret ``(length,)`` after each of the evaluations of these rows, of which validation selects the best; the last
        one holds on."""
        best = np.maximum.accumulate(self.validation[list(order)])
        chosen, curve = -1, []
        for at, row in enumerate(order):
            if chosen < 0 or self.validation[row] == best[at] > self.validation[chosen]:
                chosen = row
            curve.append(self.test[chosen])
        curve += curve[-1:] * (length - len(curve))
        return np.asarray(self.test[self.feasible].max() - np.array(curve[:length]))

    def predicted_regret(self, order: Sequence[int], marks: Sequence[int]) -> Floats:
        """The same at ``marks``, where a predictor fitted to the validation results selects among the networks evaluated."""
        features = Features(self.space, self.costs)
        regrets = []
        for mark in marks:
            rows = order[:mark]
            tried = [self.members[row] for row in rows]
            results = [Result(at, a, float(self.validation[row])) for at, (a, row) in enumerate(zip(tried, rows, strict=True))]
            mean, _ = Predictor(features, results).predict(tried)
            regrets.append(self.test[self.feasible].max() - self.test[rows[int(np.argmax(mean))]])
        return np.array(regrets)


Search = Callable[[Problem, int, int], list[int]]
"""Rows evaluated, in order, given the seed and how many."""


def by_sampler(make: Callable[[Problem, int], FeasibleSampler]) -> Search:
    """The search that an Optuna sampler makes."""

    def search(problem: Problem, seed: int, evaluations: int) -> list[int]:
        sampler = make(problem, seed)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        rows = []
        for number in range(evaluations):
            try:
                sampler.propose(study, number)
            except NoFeasibleArchitectureError:
                break
            trial = study.ask()
            row = problem.table.row[suggest_architecture(trial, problem.space).id]
            rows.append(row)
            study.tell(trial, float(problem.validation[row]))
        return rows

    return search


def largest(problem: Problem, seed: int, evaluations: int) -> list[int]:
    """The feasible networks in order of their multiply-accumulates, the largest first."""
    macs = np.where(problem.feasible, problem.table.costs["macs"], -1)
    return np.argsort(-macs, kind="stable")[: min(evaluations, int(problem.feasible.sum()))].tolist()


STRATEGIES: Mapping[str, Search] = {
    "predictor": by_sampler(lambda p, seed: PredictorSampler(p.space, p.fits, costs=p.costs, seed=seed)),
    "random": by_sampler(lambda p, seed: RandomFeasibleSampler(p.space, p.fits, seed=seed)),
    "largest": largest,
    "tpe": by_sampler(lambda p, seed: TPEFeasibleSampler(p.space, p.fits, seed=seed)),
    "nsgaii": by_sampler(lambda p, seed: NSGAIIFeasibleSampler(p.space, p.fits, seed=seed)),
    "gp": by_sampler(lambda p, seed: GPFeasibleSampler(p.space, p.fits, seed=seed)),
    "evolution": by_sampler(lambda p, seed: EvolutionSampler(p.space, p.fits, seed=seed, population=50, tournament=25)),
}


def problem_of(table: SearchTable, path: Path, limits: Mapping[str, float], training_seed: int, seeds: Sequence[int]) -> Problem:
    """The problem of one training seed; only networks trained with all ``seeds`` take part.

    :raises UserError: if there are none that keep the limits.
    """
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
    validation = table.accuracy("validation")[:, training_seed, -1]
    with np.errstate(invalid="ignore"):
        counts = np.maximum(table.trained.sum(axis=1), 1)
        test = np.nansum(table.accuracy("test")[:, :, -1], axis=1) / counts
    return Problem(space, members, table, feasible, broken, validation, test)


def main() -> int:
    """Parse arguments, search, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DEFAULT)
    parser.add_argument("--seeds", type=int, default=30, help="searches of each strategy")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first search")
    parser.add_argument("--training-seeds", default="0,1", help="training seeds whose validation searches see, in turn")
    parser.add_argument("--evaluations", type=int, default=MARKS[-1])
    parser.add_argument("--only", help="strategies, separated by commas")
    parser.add_argument("--ram", type=float, default=LIMITS["ram"], help="limit in bytes")
    parser.add_argument("--flash", type=float, default=LIMITS["flash_high"], help="limit in bytes")
    parser.add_argument("--latency", type=float, default=LIMITS["latency_ms_high"], help="limit in milliseconds")
    parser.add_argument("--svg", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write every search's curve into this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = {"ram": options.ram, "flash_high": options.flash, "latency_ms_high": options.latency}
    training_seeds = [int(seed) for seed in options.training_seeds.split(",")]
    names = options.only.split(",") if options.only else list(STRATEGIES)
    try:
        table = SearchTable.load(options.table)
        problems = [problem_of(table, options.table, limits, seed, training_seeds) for seed in training_seeds]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    first = problems[0]
    within = np.mean([not set(names) - {"not trained"} for names in first.broken])
    test = first.test[first.feasible]
    print(f"{len(table.ids)} networks, {within:.0%} within the limits, {len(test)} of these trained with seeds {training_seeds}")
    print(
        f"mean test: best {test.max():.2%}, median {np.median(test):.2%}, spread (standard deviation) {100 * test.std():.2f} points"
    )
    marks = [n for n in MARKS if n <= options.evaluations]
    print(f"{'regret, points':14}" + "".join(f"{n:>15}" for n in marks) + "   CPU ms/proposal")
    curves: dict[str, Floats] = {}
    selected: dict[str, Floats] = {}
    for name in names:
        runs, predicted, proposals, seconds = [], [], 0, 0.0
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            problem = problems[seed % len(problems)]
            start = time.process_time()
            rows = STRATEGIES[name](problem, seed, options.evaluations)
            seconds += time.process_time() - start
            proposals += len(rows)
            runs.append(100 * problem.regret(rows, options.evaluations))
            predicted.append(100 * problem.predicted_regret(rows, marks))
        curves[name] = np.array(runs)
        each = 1e3 * seconds / proposals
        print(f"{name:14}" + _cells(curves[name][:, [n - 1 for n in marks]]) + f"{each:14.1f}", flush=True)
        selected[name] = np.array(predicted)
    print("the same, where a predictor of the validation results selects, not the best of them")
    for name, predictions in selected.items():
        print(f"{name:14}" + _cells(predictions))
    if options.json is not None:
        write_atomically(options.json, json.dumps({name: runs.round(4).tolist() for name, runs in curves.items()}) + "\n")
    if options.svg is not None:
        drawn = [Curve(name, *_band(runs)) for name, runs in curves.items()]
        write_atomically(options.svg, curves_svg(drawn, "evaluations", "mean simple regret, points of test accuracy"))
    return 0


def _cells(runs: Floats) -> str:
    """Mean and band of each column."""
    return "".join(f"{mean:8.2f} ± {band:4.2f}" for mean, band in zip(*_band(runs), strict=True))


def _band(runs: Floats) -> tuple[Floats, Floats]:
    """Mean and half the width of its 95 % confidence band, by column."""
    return runs.mean(axis=0), 1.96 * runs.std(axis=0, ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else np.zeros(runs.shape[1])


if __name__ == "__main__":
    sys.exit(main())
