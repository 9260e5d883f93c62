"""How finalists are best fine-tuned in int8: accuracy on examples of a fold that was held out, less that of the float network.

    python scripts/bench_fine_tuning.py --data ../shared/data [--only NAMES] [--examples N] [--folds N] [--networks N] [--seeds N]

Of each data set's train part at most ``--examples`` are taken; folds keep its groups (people, recordings) apart where it has any.
Networks fit the data's limits: of 40 random ones the one with the most multiply-accumulates, and others of the upper half. Each is
trained as a finalist is, for each fold and seed, and then fine-tuned in every way from the same weights. The table has differences
in points of the data's metric, with their standard error over folds, networks and seeds. The test part stays untouched.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bench_augmentation import folds
from bench_finishing import BOARD, few, of_the_upper_half
from real_data import REAL_DATA, RealData

from codegen.boards import load_board
from codegen.passes import run_passes
from cost_models import load_cost_model
from nas.datasets import Dataset, load_train
from nas.inputs.program_inputs import program_form, raw_input_of
from nas.inputs.spectrograms import network_data
from nas.learning.quantization import SATURATED, int8_accuracy, quantize_network
from nas.learning.training import Recipe, build_module, evaluate, train
from nas.metrics.confusion import suitable_metric
from nas.study.compute import lengthened
from nas.study.feasibility import Feasibility
from nas.study.preparation import front_ends_for, space_for
from nas.study.recipes import FINISHING, QUANTIZATION
from nas.study.tasks import training_seed

FAST = replace(QUANTIZATION, learning_rate=1e-3)
SLOW = replace(QUANTIZATION, learning_rate=3e-4)
WAYS: Mapping[str, tuple[Recipe, float]] = {
    "rounded only, the input's whole range": (replace(FAST, epochs=0), 0.0),
    "1e-3, the whole range": (FAST, 0.0),
    "3e-4, the whole range": (SLOW, 0.0),
    "rounded only, extremes left out": (replace(FAST, epochs=0), SATURATED),
    "1e-3, extremes left out": (FAST, SATURATED),
    "3e-4, extremes left out": (SLOW, SATURATED),
    "1e-3, extremes left out, varied": (replace(FAST, augment=True), SATURATED),
    "3e-4, extremes left out, varied": (replace(SLOW, augment=True), SATURATED),
}
"""A recipe (``1e-3``: its learning rate) and the fraction of a channel's values beyond either end of the int8 input; of sounds and
images there are none. ``varied``: on examples varied as in the float training."""


def differences(data: Dataset, about: RealData, options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Of each network, fold and seed, by way: points that int8 is above float; and float's accuracy as ``float``."""
    space, board = space_for(data), load_board(BOARD)
    fits = Feasibility(space, load_cost_model(board.core), board, about.limits, 0.95, front_ends_for(data))
    for seed in range(options.seeds):
        for architecture in of_the_upper_half(fits, options.networks):
            recipe = lengthened(FINISHING, fits.predict(architecture).macs)
            begin = training_seed(seed, architecture.id)
            for train_set, held in folds(data, options.folds):
                seen = network_data(space, architecture, train_set, held, varied=recipe.augment)
                module = build_module(space, architecture, begin)
                train(module, seen.train_set, None, recipe, begin)
                found = {"float": evaluate(module, seen.validation)}
                for way, (fine_tuning, saturated) in ways_of(data).items():
                    graph = run_passes(quantize_network(module, seen.train_set, fine_tuning, begin, "network", saturated=saturated))
                    form = program_form(held, seen.front_end or raw_input_of(train_set, graph))
                    found[way] = 100 * (int8_accuracy(graph, form) - found["float"])
                yield found


def ways_of(data: Dataset) -> dict[str, tuple[Recipe, float]]:
    """Those that make a difference for the data."""
    recorded = data.kind in ("series", "vector")
    return {way: setting for way, setting in WAYS.items() if recorded or setting[1] == 0 or setting[0].augment}


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """A row for each way, a column for each data set."""
    lines = [f"| points above float | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    lines += [f"| {way} | {' | '.join(_cell(rows, way) for rows in found.values())} |" for way in WAYS]
    accuracies = [f"{np.mean([row['float'] for row in rows]):.2%}" for rows in found.values()]
    return [
        *lines,
        f"| float | {' | '.join(accuracies)} |",
        f"| trainings | {' | '.join(str(len(rows)) for rows in found.values())} |",
    ]


def _cell(rows: Sequence[Mapping[str, float]], way: str) -> str:
    values = np.array([row[way] for row in rows if way in row])
    if not len(values):
        return ""
    return f"{values.mean():+.2f}" + (f" ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else "")


def main() -> None:
    """Print each training, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--only", default="activities;clothes;digits spoken", help="names, with semicolons between")
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (name.strip() for name in options.only.split(";")):
            data = few(load_train(str(REAL_DATA[name].path(options.data, Path(folder)))), options.examples)
            found[name] = []
            for row in differences(replace(data, metric=suitable_metric(data.y)), REAL_DATA[name], options):
                found[name].append(row)
                print(name, {way: round(value, 4) for way, value in row.items()}, flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
