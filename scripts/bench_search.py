"""Compare search strategies on the table of a closed space (``make_search_table.py``), where every search is a look-up.

Run it as ``python scripts/bench_search.py``. All strategies get the same feasibility check under limits on RAM, flash and latency
for nothing, and see the validation accuracy of one training seed, as a search does. After n evaluations a strategy stands for one
of the networks evaluated: the one of the best validation accuracy or, in a second table, the one that a predictor of all its
results holds for the best, as ``nas search`` does. The *simple regret* is how much better, on the test part and in the mean over
training seeds, the best feasible network is; a second regret is of the same after smoothing (``search_problem.py``), since the best
of many means of a few tests is mostly luck. Printed are means over searches with 95 % confidence bands, in points of accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from search_problem import LIMITS, Problem, problem_of, repeated, rung_correlations
from search_table import DEFAULT, SearchTable
from svg_curves import Curve, curves_svg

from codegen.errors import UserError
from nas.files import write_atomically
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

MARKS = (10, 30, 75, 150)
HALVED = 8
"""Networks that begin a bracket of successive halving."""
CURVE_STEP = 5
"""Evaluations from one point of a curve to the next."""
OURS = "predictor"
"""The strategy whose curve shows what its predictor selects."""
Floats = NDArray[np.float64]


Search = Callable[[Problem, int, int], list[int]]
"""Rows evaluated, in order, given the seed and how many; each stands for the compute of one whole training."""


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


def halving(problem: Problem, seed: int, evaluations: int) -> list[int]:
    """Random networks by successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943).

    Of so many networks that begin, the better half goes on at each rung until a few have the whole training; a bracket costs as
    many epochs as it keeps trainings going. Its results stand for the evaluations that it cost, the first of them more than once.
    """
    rng = np.random.default_rng([seed, HALVED])
    waiting = rng.permutation(np.flatnonzero(problem.feasible)).tolist()
    rungs = problem.table.rungs
    order: list[int] = []
    while waiting and len(order) < evaluations:
        alive, waiting = waiting[:HALVED], waiting[HALVED:]
        epochs, reached = 0, 0
        for at, rung in enumerate(rungs):
            epochs, reached = epochs + len(alive) * (rung - reached), rung
            if at < len(rungs) - 1:
                by_rung = problem.table.validation[alive, problem.training_seed, at]
                alive = [alive[i] for i in np.argsort(-by_rung, kind="stable")[: max(1, len(alive) // 2)].tolist()]
        cost = max(len(alive), round(epochs / rungs[-1]))
        order += [alive[0]] * (cost - len(alive)) + alive
    return order[:evaluations]


STRATEGIES: Mapping[str, Search] = {
    "predictor": by_sampler(lambda p, seed: PredictorSampler(p.space, p.fits, costs=p.costs, seed=seed)),
    "random": by_sampler(lambda p, seed: RandomFeasibleSampler(p.space, p.fits, seed=seed)),
    "largest": largest,
    "halving": halving,
    "tpe": by_sampler(lambda p, seed: TPEFeasibleSampler(p.space, p.fits, seed=seed)),
    "nsgaii": by_sampler(lambda p, seed: NSGAIIFeasibleSampler(p.space, p.fits, seed=seed)),
    "gp": by_sampler(lambda p, seed: GPFeasibleSampler(p.space, p.fits, seed=seed)),
    "evolution": by_sampler(lambda p, seed: EvolutionSampler(p.space, p.fits, seed=seed, population=50, tournament=25)),
}


def main() -> int:
    """Parse arguments, search, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DEFAULT)
    parser.add_argument("--seeds", type=int, default=30, help="searches of each strategy")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first search")
    parser.add_argument("--training-seeds", default="0,1", help="training seeds whose validation searches see, in turn")
    parser.add_argument("--epochs", type=int, help="epochs after which searches see the validation; all if not given")
    parser.add_argument("--evaluations", type=int, default=MARKS[-1])
    parser.add_argument("--only", help="strategies, separated by commas")
    parser.add_argument("--ram", type=float, default=LIMITS["ram"], help="limit in bytes")
    parser.add_argument("--flash", type=float, default=LIMITS["flash_high"], help="limit in bytes")
    parser.add_argument("--latency", type=float, default=LIMITS["latency_ms_high"], help="limit in milliseconds")
    parser.add_argument("--svg", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write the rows of the table that every search evaluated into this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = {"ram": options.ram, "flash_high": options.flash, "latency_ms_high": options.latency}
    training_seeds = [int(seed) for seed in options.training_seeds.split(",")]
    names = options.only.split(",") if options.only else list(STRATEGIES)
    try:
        table = SearchTable.load(options.table)
        problems = [problem_of(table, options.table, limits, seed, training_seeds, options.epochs) for seed in training_seeds]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    _describe(problems[0], training_seeds)
    marks = [n for n in MARKS if n <= options.evaluations]
    print(f"{'searches':14}{'CPU ms/proposal':>16}")
    made: dict[str, list[tuple[Problem, list[int]]]] = {}
    for name in names:
        made[name], start = [], time.process_time()
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            problem = problems[seed % len(problems)]
            made[name].append((problem, STRATEGIES[name](problem, seed, options.evaluations)))
        proposals = sum(len(order) for _, order in made[name])
        print(f"{name:14}{1e3 * (time.process_time() - start) / proposals:16.1f}", flush=True)
    for who, select in (("the best validation", Problem.selected), ("a predictor of validation", Problem.predicted)):
        print(f"regret in points where {who} selects, by the mean test | by the smoothed test")
        print(f"{'evaluations':14}" + " |".join("".join(f"{n:>12}" for n in marks) for _ in range(2)))
        for name, searches in made.items():
            rows = [(problem, select(problem, order, marks)) for problem, order in searches]
            print(f"{name:14}" + " |".join(_cells(100 * np.array(regrets)) for regrets in zip(*map(_regrets, rows), strict=True)))
    steps = range(CURVE_STEP, options.evaluations + 1, CURVE_STEP)
    curves = {}
    for name, searches in made.items():
        select = Problem.predicted if name == OURS else Problem.selected
        curves[name] = 100 * np.array([problem.smoothed_regret(select(problem, order, steps)) for problem, order in searches])
    if options.json is not None:
        kept = {name: [[int(row) for row in order] for _, order in searches] for name, searches in made.items()}
        write_atomically(options.json, json.dumps(kept) + "\n")
    if options.svg is not None:
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
