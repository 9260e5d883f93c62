"""Compare search strategies on the table of a closed space (``make_search_table.py``), where every search is a look-up.

Run it as ``python scripts/bench_search.py``. All strategies get the same feasibility check under limits on RAM, flash and latency
for nothing, and see the validation accuracy of one training seed, as a search does. An evaluation is the compute of one whole
training; strategies that stop trials early get more of them. After n evaluations a strategy stands for one of the networks that
were trained to the end: the one of the best validation accuracy or, in a second table, the one that a predictor of all its results
holds for the best, as ``nas search`` does. The *simple regret* is how much better, on the test part and in the mean over
training seeds, the best feasible network is; a second regret is of the same after smoothing (``search_problem.py``), since the best
of many means of a few tests is mostly luck. Printed are means over searches with 95 % confidence bands, in points of accuracy.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import TrialState
from search_problem import LIMITS, Problem, Training, problem_of, repeated, rung_correlations
from search_table import DEFAULT, SearchTable
from svg_curves import Curve, curves_svg

from codegen.errors import UserError
from nas.files import write_atomically
from nas.pruners import HalvingPruner, MedianPruner
from nas.samplers import (
    EvolutionSampler,
    FeasibleSampler,
    GPFeasibleSampler,
    NoFeasibleArchitectureError,
    NSGAIIFeasibleSampler,
    PredictorSampler,
    RandomFeasibleSampler,
    TPEFeasibleSampler,
    suggest_architecture,
)
from search_spaces import shape_by_budget

MARKS = (10, 30, 75, 150)
HALVED = 8
"""Networks that begin a bracket of successive halving."""
CURVE_STEP = 5
"""Evaluations from one point of a curve to the next."""
WIDTH = 25
"""Of the column with the strategies' names."""
OURS = "predictor"
"""The strategy whose curve shows what its predictor selects."""
Floats = NDArray[np.float64]


Search = Callable[[Problem, int, int], list[Training]]
"""What is trained, in order, given the seed and the compute in whole trainings."""


def by_sampler(make: Callable[[Problem, int], FeasibleSampler], prune: Callable[[Problem], BasePruner] | None = None) -> Search:
    """The search that an Optuna sampler makes, with a pruner where there is one to stop trials."""

    def search(problem: Problem, seed: int, evaluations: int) -> list[Training]:
        sampler, pruner = make(problem, seed), NopPruner() if prune is None else prune(problem)
        study = optuna.create_study(sampler=sampler, pruner=pruner, direction="maximize")
        trainings: list[Training] = []
        spent = 0
        while spent < evaluations * problem.epochs:
            try:
                sampler.propose(study, len(trainings))
            except NoFeasibleArchitectureError:
                break
            trial = study.ask()
            row = problem.table.row[suggest_architecture(trial, problem.space).id]
            for epochs, value in zip(problem.rungs, problem.curves[row].tolist(), strict=True):
                trial.report(value, epochs)
                if epochs == problem.epochs:
                    study.tell(trial, value)
                elif trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                    break
            trainings.append(Training(row, epochs))
            spent += epochs
        return trainings

    return search


def largest(problem: Problem, seed: int, evaluations: int) -> list[Training]:
    """The feasible networks in order of their multiply-accumulates, the largest first."""
    macs = np.where(problem.feasible, problem.table.costs["macs"], -1)
    rows = np.argsort(-macs, kind="stable")[: min(evaluations, int(problem.feasible.sum()))].tolist()
    return [Training(row, problem.epochs) for row in rows]


def halving(problem: Problem, seed: int, evaluations: int) -> list[Training]:
    """Random networks by successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943).

    Of so many networks that begin, the better half goes on at each rung until a few have the whole training.
    """
    rng = np.random.default_rng([seed, HALVED])
    waiting = rng.permutation(np.flatnonzero(problem.feasible)).tolist()
    trainings: list[Training] = []
    while waiting and sum(training.epochs for training in trainings) < evaluations * problem.epochs:
        alive, waiting = waiting[:HALVED], waiting[HALVED:]
        for at, rung in enumerate(problem.rungs[:-1]):
            order = np.argsort(-problem.curves[alive, at], kind="stable").tolist()
            kept = max(1, len(alive) // 2)
            trainings += [Training(alive[i], rung) for i in order[kept:]]
            alive = [alive[i] for i in order[:kept]]
        trainings += [Training(row, problem.epochs) for row in alive]
    return trainings


def predictor(problem: Problem, seed: int) -> FeasibleSampler:
    """The sampler of that name."""
    return PredictorSampler(problem.space, problem.fits, costs=problem.costs, seed=seed, lag=problem.lag)


def evolution(problem: Problem, seed: int) -> FeasibleSampler:
    """The sampler of that name."""
    return EvolutionSampler(problem.space, problem.fits, seed=seed, lag=problem.lag, population=50, tournament=25)


def random(problem: Problem, seed: int) -> FeasibleSampler:
    """The sampler of that name."""
    return RandomFeasibleSampler(problem.space, problem.fits, seed=seed, lag=problem.lag)


def shaped(search: Search) -> Search:
    """The same in the part of the space that the limits shape (:func:`search_spaces.shape_by_budget`), whose checks are free."""

    def within(problem: Problem, seed: int, evaluations: int) -> list[Training]:
        found = shape_by_budget(problem.space, problem.fits, seed=seed)
        return search(dataclasses.replace(problem, space=found.space), seed, evaluations)

    return within


def by_halving(problem: Problem) -> BasePruner:
    """The pruner of that name."""
    return HalvingPruner(problem.rungs[:-1], lag=problem.lag)


def by_median(problem: Problem) -> BasePruner:
    """The pruner of that name."""
    return MedianPruner(problem.rungs[:-1], lag=problem.lag)


STRATEGIES: Mapping[str, Search] = {
    "predictor": by_sampler(predictor),
    "predictor+halving": by_sampler(predictor, by_halving),
    "predictor+median": by_sampler(predictor, by_median),
    "predictor+median+shaped": shaped(by_sampler(predictor, by_median)),
    "evolution": by_sampler(evolution),
    "evolution+halving": by_sampler(evolution, by_halving),
    "evolution+median": by_sampler(evolution, by_median),
    "evolution+median+shaped": shaped(by_sampler(evolution, by_median)),
    "random": by_sampler(random),
    "random+halving": by_sampler(random, by_halving),
    "random+median": by_sampler(random, by_median),
    "random+median+shaped": shaped(by_sampler(random, by_median)),
    "largest": largest,
    "halving": halving,
    "tpe": by_sampler(lambda p, seed: TPEFeasibleSampler(p.space, p.fits, seed=seed, lag=p.lag)),
    "nsgaii": by_sampler(lambda p, seed: NSGAIIFeasibleSampler(p.space, p.fits, seed=seed, lag=p.lag)),
    "gp": by_sampler(lambda p, seed: GPFeasibleSampler(p.space, p.fits, seed=seed, lag=p.lag)),
}
"""With ``+`` those whose trials are stopped early."""


def main() -> int:
    """Parse arguments, search, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DEFAULT)
    parser.add_argument("--seeds", type=int, default=30, help="searches of each strategy")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first search")
    parser.add_argument("--training-seeds", default="0,1", help="training seeds whose validation searches see, in turn")
    parser.add_argument("--epochs", type=int, help="epochs after which searches see the validation; all if not given")
    parser.add_argument("--evaluations", type=int, default=MARKS[-1])
    parser.add_argument("--lag", type=int, default=1, help="trials that are under way at once, whose results are not known yet")
    parser.add_argument("--only", help="strategies, separated by commas")
    parser.add_argument("--ram", type=float, default=LIMITS["ram"], help="limit in bytes")
    parser.add_argument("--flash", type=float, default=LIMITS["flash_high"], help="limit in bytes")
    parser.add_argument("--latency", type=float, default=LIMITS["latency_ms_high"], help="limit in milliseconds")
    parser.add_argument("--svg", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write what every search trained, rows of the table and epochs, into this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = {"ram": options.ram, "flash_high": options.flash, "latency_ms_high": options.latency}
    training_seeds = [int(seed) for seed in options.training_seeds.split(",")]
    names = options.only.split(",") if options.only else list(STRATEGIES)
    try:
        table = SearchTable.load(options.table)
        problems = [
            problem_of(table, options.table, limits, seed, training_seeds, options.epochs, options.lag) for seed in training_seeds
        ]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    _describe(problems[0], training_seeds)
    marks = [n for n in MARKS if n <= options.evaluations]
    print(f"{'searches':{WIDTH}}{'CPU ms/proposal':>16}{'trials':>8}{'stopped':>9}")
    made: dict[str, list[tuple[Problem, list[Training]]]] = {}
    for name in names:
        made[name], start = [], time.process_time()
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            problem = problems[seed % len(problems)]
            made[name].append((problem, STRATEGIES[name](problem, seed, options.evaluations)))
        trials = [len(trainings) for _, trainings in made[name]]
        stopped = sum(training.epochs < problem.epochs for problem, trainings in made[name] for training in trainings)
        took = 1e3 * (time.process_time() - start) / sum(trials)
        print(f"{name:{WIDTH}}{took:16.1f}{np.mean(trials):8.0f}{stopped / sum(trials):9.0%}", flush=True)
    for who, select in (("the best validation", Problem.selected), ("a predictor of validation", Problem.predicted)):
        print(f"regret in points where {who} selects, by the mean test | by the smoothed test")
        print(f"{'evaluations':{WIDTH}}" + " |".join("".join(f"{n:>12}" for n in marks) for _ in range(2)))
        for name, searches in made.items():
            rows = [(problem, select(problem, trainings, marks)) for problem, trainings in searches]
            print(
                f"{name:{WIDTH}}" + " |".join(_cells(100 * np.array(regrets)) for regrets in zip(*map(_regrets, rows), strict=True))
            )
    if options.json is not None:
        kept = {name: [[dataclasses.astuple(one) for one in trainings] for _, trainings in runs] for name, runs in made.items()}
        write_atomically(options.json, json.dumps(kept) + "\n")
    if options.svg is not None:
        steps = range(CURVE_STEP, options.evaluations + 1, CURVE_STEP)
        curves = {}
        for name, searches in made.items():
            select = Problem.predicted if name == OURS else Problem.selected
            regrets = [problem.smoothed_regret(select(problem, trainings, steps)) for problem, trainings in searches]
            curves[name] = 100 * np.array(regrets)
        drawn = [Curve(name, *_band(runs)) for name, runs in curves.items()]
        write_atomically(
            options.svg, curves_svg(drawn, steps, "evaluations", "mean simple regret, points of smoothed test accuracy")
        )
    return 0


def _describe(problem: Problem, training_seeds: Sequence[int]) -> None:
    """Print what is searched, and how much of a training is luck."""
    table = problem.table
    within = np.mean([not set(names) - {"not trained"} for names in problem.broken])
    test = problem.test[problem.feasible]
    print(f"{len(table.ids)} networks, {within:.0%} within the limits, {len(test)} of these trained with seeds {training_seeds}")
    print(
        f"mean test: best {test.max():.2%}, median {np.median(test):.2%}, standard deviation {100 * test.std():.2f} points; "
        f"smoothed: best {np.nanmax(problem.smoothed):.2%}"
    )
    if table.trained[:, :2].all(axis=1).any():
        rungs = ", ".join(f"{correlation:.2f} {what}" for what, correlation in rung_correlations(table).items())
        print(f"rank correlation of validation with that after {table.rungs[-1]} epochs: {rungs}")
        print(f"correlation between two trainings' tests of what is not smooth: {repeated(problem):.2f}")


def _regrets(selection: tuple[Problem, Sequence[int]]) -> tuple[Floats, Floats]:
    problem, rows = selection
    return problem.regret(rows), problem.smoothed_regret(rows)


def _cells(runs: Floats) -> str:
    """Mean and band of each column."""
    return "".join(f"{mean:7.2f}±{band:4.2f}" for mean, band in zip(*_band(runs), strict=True))


def _band(runs: Floats) -> tuple[Floats, Floats]:
    """Mean and half the width of its 95 % confidence band, by column."""
    return runs.mean(axis=0), 1.96 * runs.std(axis=0, ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else np.zeros(runs.shape[1])


if __name__ == "__main__":
    sys.exit(main())
