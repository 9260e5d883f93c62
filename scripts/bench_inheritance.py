"""What a mutant gains where it begins with its parent's weights, and whether that ranks mutants better.

    python scripts/bench_inheritance.py --data ../shared/data [--only NAMES] [--examples N] [--parents N] [--mutants N] [--seeds N]
        [--results FILE]

Parents are random networks that fit, of small ones the upper half by multiply-accumulates, and are trained as trials are. Each
mutant is trained as a trial in every way, from fresh weights and from its parent's, and then, with another seed, from fresh weights
as a finalist is; what it reaches by that on the test part is what a search wants to know early. Of each data set at most
``--examples`` training and as many validation examples are taken, and all for the test. The table has differences in points of
validation accuracy, with their standard error over mutants, and Spearman's rank correlations with what mutants reach, with the
jackknife's. With ``--results`` what is done is kept there and not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from bench_finishing import BOARD, LIMITS, few, of_the_upper_half
from inherited_weights import inherit
from numpy.typing import NDArray
from real_data import REAL_DATA
from scipy.stats import rankdata
from torch import Tensor

from codegen.boards import load_board
from cost_models import load_cost_model
from nas.datasets import VALIDATION_FRACTION, load_test, load_train, split_validation
from nas.inputs.spectrograms import NetworkData, network_data, network_form
from nas.learning.rungs import rungs_of
from nas.learning.training import Recipe, build_module, evaluate, train
from nas.study.compute import lengthened, shortened
from nas.study.feasibility import Feasibility
from nas.study.preparation import front_ends_for, space_for
from nas.study.recipes import FINISHING, SCREENING
from nas.study.tasks import training_seed
from search_spaces import Architecture

NAMES = ("activities", "clothes", "digits spoken")
MOST_MACS = 400_000
"""Of a network here, so that there is time for many."""
LOWER_PEAK = 0.3
"""Of the learning rate, relative to the ordinary one."""
LEAST_FOR_ERROR = 6
"""Mutants that a correlation's standard error is told of: by fewer the jackknife cannot tell it."""
FRESH, INHERITED, GENTLE = "from fresh weights", "inherited", "inherited, lower peak"
SHORT = ", short"
"""Trained in a cycle of half the epochs."""
GENTLY = replace(SCREENING, learning_rate=LOWER_PEAK * SCREENING.learning_rate)
WAYS: Mapping[str, Recipe] = {FRESH: SCREENING, INHERITED: SCREENING, GENTLE: GENTLY}
TRAININGS: Mapping[str, tuple[str, Recipe]] = {
    name + short: (name, shortened(recipe, effort)) for name, recipe in WAYS.items() for short, effort in (("", 1.0), (SHORT, 0.5))
}
"""Of a mutant: the way and the recipe."""


@dataclass(frozen=True, slots=True)
class Result:
    """One mutant with one seed.

    ``inherited`` is the part of its weights that come from the parent, ``parent_accuracy`` the parent's on the validation data,
    ``reached`` its own on the test part after a full training; by training validation accuracies after each epoch and CPU seconds.
    Accuracies are 0..1.
    """

    data: str
    parent: int
    mutant: int
    seed: int
    inherited: float
    parent_accuracy: float
    reached: float
    curves: dict[str, list[float]]
    seconds: dict[str, float]


Early = Callable[[Result], float]
"""What is known of a mutant early."""
Cell = Callable[[Sequence[Sequence[Result]]], str]
"""Of the table: of the results by data set and seed."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A trained one: its weights and its accuracy on the validation data."""

    weights: Mapping[str, Tensor]
    accuracy: float


class Bench:
    """Parents and mutants of one data set."""

    def __init__(self, name: str, path: Path, examples: int, parents: int) -> None:
        self.name = name
        parts = split_validation(load_train(str(path)), VALIDATION_FRACTION, 0)
        self.train_set, self.validation = (few(part, examples) for part in parts)
        self.test_set = load_test(str(path))
        self.space, board = space_for(self.train_set), load_board(BOARD)
        limits = replace(LIMITS[name], macs=MOST_MACS)
        self.fits = Feasibility(self.space, load_cost_model(board.core), board, limits, 0.95, front_ends_for(self.train_set))
        self.parents = of_the_upper_half(self.fits, parents)
        self._trained: dict[tuple[int, int], Parent] = {}

    def mutants(self, parent: int) -> Iterator[Architecture]:
        """Those of a parent that fit, each once, always the same."""
        rng, met = np.random.default_rng(parent), {architecture.id for architecture in self.parents}
        while True:
            found = self.space.mutate(self.parents[parent], rng)
            if found.id not in met and not self.fits(found):
                met.add(found.id)
                yield found

    def trained(self, number: int, seed: int) -> Parent:
        """A parent after its trial; remembered."""
        if (number, seed) not in self._trained:
            architecture = self.parents[number]
            data, trial_seed = self._data(architecture), training_seed(seed, architecture.id)
            module = build_module(self.space, architecture, trial_seed)
            curve = train(module, data.train_set, data.validation, SCREENING, trial_seed).curve
            self._trained[number, seed] = Parent(module.state_dict(), curve[-1])
        return self._trained[number, seed]

    def result(self, parent: int, mutant: int, seed: int) -> Result:
        """Everything of one mutant."""
        architecture = next(found for at, found in enumerate(self.mutants(parent)) if at == mutant)
        trained, data = self.trained(parent, seed), self._data(architecture)
        curves, seconds, inherited = {}, {}, 0.0
        for name, (way, recipe) in TRAININGS.items():
            began, trial_seed = time.process_time(), training_seed(seed, architecture.id)
            module = build_module(self.space, architecture, trial_seed)
            if way != FRESH:
                inherited = inherit(self.space, architecture, module, self.parents[parent], trained.weights)
            curves[name] = list(train(module, data.train_set, data.validation, recipe, trial_seed).curve)
            seconds[name] = time.process_time() - began
        reached = self._reached(architecture, data, seed)
        return Result(self.name, parent, mutant, seed, inherited, trained.accuracy, reached, curves, seconds)

    def _reached(self, architecture: Architecture, data: NetworkData, seed: int) -> float:
        """By a full training whose seed is none of a trial's: what is to be known is the network's worth, not that of its draws."""
        other = training_seed(-1 - seed, architecture.id)
        module = build_module(self.space, architecture, other)
        train(module, data.train_set, None, lengthened(FINISHING, self.fits.predict(architecture).macs), other)
        return evaluate(module, network_form(self.test_set, data.front_end))

    def _data(self, architecture: Architecture) -> NetworkData:
        return network_data(self.space, architecture, self.train_set, self.validation, varied=FINISHING.augment)


def after(training: str, epoch: int = 0) -> Early:
    """The validation accuracy after so many epochs of a training, or after the last."""
    return lambda result: result.curves[training][epoch - 1]


def table(results: Sequence[Result]) -> list[str]:
    """The rows, by data set and over all."""
    names = list(dict.fromkeys(result.data for result in results))
    runs: dict[tuple[str, int], list[Result]] = defaultdict(list)
    for result in results:
        runs[result.data, result.seed].append(result)
    columns = [[run for (data, _), run in runs.items() if data == name] for name in names] + [list(runs.values())]
    lines = [f"| | {' | '.join(names)} | all |", "|---" * (len(names) + 2) + "|"]
    for heading, rows in _rows().items():
        lines.append(f"| **{heading}** |{' |' * len(columns)}")
        lines += [f"| {row} | {' | '.join(map(cell, columns))} |" for row, cell in rows.items()]
    return lines


def _rows() -> dict[str, dict[str, Cell]]:
    """By heading."""
    whole, half = SCREENING.epochs, shortened(SCREENING, 0.5).epochs
    epochs = (*rungs_of(whole), whole)
    gains: dict[str, Cell] = {}
    ranks: dict[str, Cell] = {}
    ahead: dict[str, Cell] = {}
    within: dict[str, Cell] = {}
    alike: dict[str, Cell] = {}
    for way in WAYS:
        short, all_epochs = f"{way}, cycle of {half} epochs", f"{way}, after {whole} epochs"
        ranks |= {f"{way}, after {epoch} epochs": _correlation(after(way, epoch)) for epoch in epochs}
        ranks[short] = _correlation(after(way + SHORT))
        within |= {short: _correlation(after(way + SHORT), within=True), all_epochs: _correlation(after(way), within=True)}
        alike[all_epochs] = _correlation(after(way), target=_parent_accuracy)
        if way == FRESH:
            continue
        gains |= {f"{way}, after {epoch} epochs": _gain(after(way, epoch), after(FRESH, epoch)) for epoch in epochs}
        gains[short] = _gain(after(way + SHORT), after(FRESH + SHORT))
        gains[f"{way}, cycle of {half}, over fresh, {whole} epochs"] = _gain(after(way + SHORT), after(FRESH))
        ahead[f"{way}, after {half} epochs"] = _correlation(after(way, half), after(FRESH, half))
        ahead[short] = _correlation(after(way + SHORT), after(FRESH + SHORT))
        ahead[f"{way}, cycle of {half}, over fresh, {whole} epochs"] = _correlation(after(way + SHORT), after(FRESH))
    ranks["the parent's accuracy alone"] = _correlation(_parent_accuracy)
    alike["what is reached"] = _correlation(_reached, target=_parent_accuracy)
    seconds = {f"seconds of {name}, over {FRESH}": _relative_seconds(name) for name in (INHERITED, GENTLE, INHERITED + SHORT)}
    return {
        f"points of validation accuracy over {FRESH}": gains,
        "rank correlation with what is reached": ranks,
        f"the same, over {FRESH}": ahead,
        "the same, among the mutants of a parent": within,
        "rank correlation with the parent's accuracy": alike,
        "the mutants": {
            "parents, mutants times seeds": _counts,
            "standard deviation of what they reach, points": _deviation,
            "weights that are the parent's": _inherited,
            **seconds,
        },
    }


def _parent_accuracy(result: Result) -> float:
    return result.parent_accuracy


def _reached(result: Result) -> float:
    return result.reached


def _counts(runs: Sequence[Sequence[Result]]) -> str:
    families = {(result.data, result.parent) for run in runs for result in run}
    return f"{len(families)}, {sum(map(len, runs))}"


def _deviation(runs: Sequence[Sequence[Result]]) -> str:
    return f"{100 * np.mean([np.std([result.reached for result in run]) for run in runs]):.1f}"


def _inherited(runs: Sequence[Sequence[Result]]) -> str:
    return f"{np.mean([result.inherited for run in runs for result in run]):.0%}"


def _relative_seconds(training: str) -> Cell:
    """Over those of a whole trial from fresh weights."""

    def cell(runs: Sequence[Sequence[Result]]) -> str:
        taken, whole = (sum(result.seconds[name] for run in runs for result in run) for name in (training, FRESH))
        return f"{taken / whole:.2f}"

    return cell


def _gain(with_it: Early, without: Early) -> Cell:
    def cell(runs: Sequence[Sequence[Result]]) -> str:
        found = 100 * np.array([with_it(result) - without(result) for run in runs for result in run])
        error = f" ± {found.std(ddof=1) / np.sqrt(len(found)):.1f}" if len(found) > 1 else ""
        return f"{found.mean():+.1f}{error}"

    return cell


def _correlation(early: Early, than: Early | None = None, *, target: Early = _reached, within: bool = False) -> Cell:
    """Of ``early`` with ``target``, or by how much it is higher than that of ``than``, by ranks in each data set with each seed.
    ``within``: of what both are above their mean among the mutants of a parent, where it has several."""

    def measured(runs: Sequence[Sequence[Result]]) -> float:
        ranks = []
        for run in runs:
            values = np.array([[of(result) for of in (early, than or early, target)] for result in run])
            if within:
                parents = np.array([result.parent for result in run])
                for parent in np.unique(parents):
                    values[parents == parent] -= values[parents == parent].mean(0)
            ranks.append(rankdata(values, axis=0) - (len(run) + 1) / 2)
        first, second, goal = np.concatenate(ranks).T
        found = correlation(first, goal)
        return found if than is None else found - correlation(second, goal)

    def cell(runs: Sequence[Sequence[Result]]) -> str:
        if within:
            runs = [[r for r in run if sum(r.parent == other.parent for other in run) > 1] for run in runs]
        runs = [run for run in runs if len(run) > 2]
        if not runs:
            return "-"
        value = f"{measured(runs):{'.2f' if than is None else '+.2f'}}"
        if sum(map(len, runs)) < LEAST_FOR_ERROR:
            return value
        without = [[*runs[:i], [*run[:at], *run[at + 1 :]], *runs[i + 1 :]] for i, run in enumerate(runs) for at in range(len(run))]
        return f"{value} ± {jackknife_error([measured(some) for some in without]):.2f}"

    return cell


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Of numbers of mean 0; 0 where one of the two is constant."""
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm else 0.0


def jackknife_error(leaving_one_out: Sequence[float]) -> float:
    """The standard error of a statistic by its values without each of the observations (Efron and Stein 1981)."""
    values, count = np.array(leaving_one_out), len(leaving_one_out)
    return float(np.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what is found, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--only", default=";".join(NAMES), help="names, with semicolons between: " + "; ".join(LIMITS))
    parser.add_argument("--examples", type=int, default=960)
    parser.add_argument("--parents", type=int, default=4)
    parser.add_argument("--mutants", type=int, default=4, help="of each parent")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--results", type=Path, help="file of a JSON object a line")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = [name.strip() for name in options.only.split(";")]
    kept = options.results is not None and options.results.is_file()
    results = [Result(**json.loads(line)) for line in options.results.read_text().splitlines()] if kept else []
    known = {(result.data, result.parent, result.mutant, result.seed) for result in results}
    with tempfile.TemporaryDirectory() as folder:

        @cache
        def bench(name: str) -> Bench:
            path = REAL_DATA[name].path(options.data, Path(folder))
            return Bench(name, path, options.examples, options.parents)

        # One mutant of every parent after the other, so that a measurement that is stopped has as many of each.
        for seed, mutant, name, parent in np.ndindex(options.seeds, options.mutants, len(names), options.parents):
            if (names[name], parent, mutant, seed) in known:
                continue
            results.append(result := bench(names[name]).result(parent, mutant, seed))
            last = {training: f"{curve[-1]:.1%}" for training, curve in result.curves.items()}
            seconds = sum(result.seconds.values())
            print(
                f"{result.data}, parent {parent}, mutant {mutant}: {last}, reached {result.reached:.1%}, {seconds:.0f} s",
                flush=True,
            )
            if options.results is not None:
                with options.results.open("a") as file:
                    file.write(json.dumps(dataclasses.asdict(result)) + "\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
