"""How much of a front the samplers find: accuracy, latency and RAM on the table of really trained networks.

Run it as ``python scripts/bench_objectives.py [--searches N] [--samplers NAMES] [--json]``. Searches see validation accuracies of
one training; what they found is scored by test accuracies without the luck of trainings (as ``scripts/bench_search.py`` smooths
them). Printed is the hypervolume of all networks tried over that of the whole table, mean and standard deviation over searches.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import optuna
from search_problem import Floats, Problem, problem_of
from search_table import DEFAULT, SearchTable

from nas.samplers import (
    EvolutionSampler,
    FeasibleSampler,
    GPFeasibleSampler,
    NSGAIIFeasibleSampler,
    PredictorSampler,
    RandomFeasibleSampler,
    TPEFeasibleSampler,
    suggest_architecture,
)
from nas.study.objectives import hypervolume
from search_spaces import Architecture

MARKS = (30, 75, 150)
POPULATION = 50
COSTS = ("latency_ms", "ram")
WORST = 20
"""Percentile of the accuracies below which a network adds nothing."""


def samplers(problem: Problem, seed: int) -> Mapping[str, Callable[[], FeasibleSampler]]:
    """Every sampler by the name that ``--sampler`` takes, with the settings of a search of as many trials."""
    table = problem.table

    def minimize(architecture: Architecture) -> tuple[float, ...]:
        row = table.row[architecture.id]
        return tuple(float(table.costs[name][row]) for name in COSTS)

    space, fits = problem.space, problem.fits
    return {
        "evolution": lambda: EvolutionSampler(
            space, fits, seed=seed, minimize=minimize, population=POPULATION, tournament=POPULATION // 2
        ),
        "predictor": lambda: PredictorSampler(space, fits, seed=seed, minimize=minimize, costs=problem.costs),
        "random": lambda: RandomFeasibleSampler(space, fits, seed=seed, minimize=minimize),
        "tpe": lambda: TPEFeasibleSampler(space, fits, seed=seed, minimize=minimize),
        "nsgaii": lambda: NSGAIIFeasibleSampler(space, fits, seed=seed, minimize=minimize, population=POPULATION),
        "gp": lambda: GPFeasibleSampler(space, fits, seed=seed, minimize=minimize),
    }


def found(sampler: FeasibleSampler, problem: Problem, trials: int) -> list[int]:
    """The rows of the table that a search tries, in order."""
    study = optuna.create_study(sampler=sampler, direction="maximize")
    rows = []
    for _ in range(trials):
        trial = study.ask()
        rows.append(problem.table.row[suggest_architecture(trial, problem.space).id])
        study.tell(trial, float(problem.validation[rows[-1]]))
    return rows


def scaled_merits(problem: Problem) -> Floats:
    """``(N, 3)``: accuracy and costs of every network from 0, the worst that counts, to 1, the best."""
    points = np.column_stack([problem.smoothed, *(-np.log(problem.table.costs[name]) for name in COSTS)])
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    low[0] = np.nanpercentile(points[:, 0], WORST)
    return np.asarray(np.clip((points - low) / (high - low), 0.0, 1.0))


def bench(problem_by_seed: Sequence[Problem], names: Sequence[str], searches: int) -> dict[str, list[list[float]]]:
    """For every sampler the shares after :data:`MARKS` trials, a list for each search; training seeds in turn."""
    merits = [scaled_merits(problem) for problem in problem_by_seed]
    whole = [hypervolume(points[problem.feasible]) for points, problem in zip(merits, problem_by_seed, strict=True)]
    shares: dict[str, list[list[float]]] = {name: [] for name in names}
    for name in names:
        for seed in range(searches):
            at = seed % len(problem_by_seed)
            rows = found(samplers(problem_by_seed[at], seed)[name](), problem_by_seed[at], MARKS[-1])
            shares[name].append([hypervolume(merits[at][rows[:mark]]) / whole[at] for mark in MARKS])
    return shares


def main() -> None:
    """Parse arguments, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10, help="with each sampler")
    parser.add_argument("--samplers", default="predictor,evolution,nsgaii,random", help="names, with commas between")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = SearchTable.load(DEFAULT)
    problems = [problem_of(table, DEFAULT, {}, seed, (0, 1)) for seed in (0, 1)]
    shares = bench(problems, options.samplers.split(","), options.searches)
    if options.json:
        print(json.dumps({"trials": MARKS, "shares": shares}, indent=1))
        return
    print(f"{'sampler':12}" + "".join(f"{f'after {mark}':>18}" for mark in MARKS))
    for name, rows in shares.items():
        mean, deviation = np.mean(rows, axis=0), np.std(rows, axis=0)
        print(f"{name:12}" + "".join(f"{f'{m:.1%} ± {d:.1%}':>18}" for m, d in zip(mean, deviation, strict=True)))


if __name__ == "__main__":
    main()
