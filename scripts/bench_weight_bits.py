"""What weights of four bits are worth where flash is short: int8 accuracy on the test part, and what the networks take.

    python scripts/bench_weight_bits.py --data ../shared/data [--only NAMES] [--examples N] [--networks N] [--seeds N]

Of each data set at most ``--examples`` training and as many test examples are taken, and limits of which that of flash binds: of 40
random networks that fit, those that take most flash. Each is trained as a finalist is and made int8 with weights of eight and of
four bits; so is its widest form that keeps the same limits with four. The table has mean differences between two ways of the same
network with the same seed, in points, with their standard error over networks and seeds, and predicted bytes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from bench_finishing import BOARD, few, fitting_samples
from paired_results import comparison, data_names
from real_data import REAL_DATA

from codegen.boards import load_board
from codegen.int4 import WeightBits
from cost_models import Limits, load_cost_model
from nas.datasets import load_test, load_train
from nas.inputs.program_inputs import program_form, raw_input_of
from nas.inputs.spectrograms import network_data
from nas.learning.quantization import fine_tunes_varied, int8_accuracy, quantize_network
from nas.learning.training import build_module, evaluate, train
from nas.study.compute import lengthened
from nas.study.feasibility import Feasibility
from nas.study.preparation import front_ends_for, space_for
from nas.study.recipes import FINISHING, QUANTIZATION
from nas.study.tasks import training_seed
from search_spaces import Architecture

LIMITS: Mapping[str, Limits] = {
    "activities": replace(REAL_DATA["activities"].limits, flash=16 * 1024),
    "clothes": replace(REAL_DATA["clothes"].limits, flash=24 * 1024, macs=2_000_000),
    "digits spoken": replace(REAL_DATA["digits spoken"].limits, flash=24 * 1024),
    "keywords": replace(REAL_DATA["keywords"].limits, flash=24 * 1024),
}
"""Data by its name in :data:`real_data.REAL_DATA`, and what its networks must keep."""
STEPS = np.arange(1.0, 3.0, 0.05)
"""Factors of width."""
EIGHT, FOUR, WIDER = "8 bits", "4 bits", "4 bits, wider"


@dataclass(frozen=True, slots=True)
class Result:
    """One network with one seed: accuracies (0..1) on the test part, and predicted bytes of RAM and flash and MACs, by way."""

    data: str
    accuracy: dict[str, float]
    costs: dict[str, tuple[int, int, int]]


class Bench:
    """Finishes networks of one data set in every way."""

    def __init__(self, name: str, path: Path, examples: int, networks: int) -> None:
        self.name = name
        self.train_set, self.test_set = few(load_train(str(path)), examples), few(load_test(str(path)), examples)
        self.fits = {bits: self._fits(bits) for bits in (4, 8)}
        self.architectures = most_flash(self.fits[8], networks)

    def _fits(self, bits: WeightBits) -> Feasibility:
        board = load_board(BOARD)
        space, front_ends = space_for(self.train_set, bits), front_ends_for(self.train_set)
        return Feasibility(space, load_cost_model(board.core), board, LIMITS[self.name], 0.95, front_ends)

    def wider(self, architecture: Architecture) -> Architecture:
        """Its widest form that fits with weights of four bits."""
        fits = self.fits[4]
        forms = (fits.space.resized(architecture, float(step)) for step in reversed(STEPS))
        return next((form for form in forms if not fits(form)), architecture)

    def finish(self, architecture: Architecture, seed: int) -> Result:
        """Everything of one network."""
        result = Result(self.name, {}, {})
        self._way(result, architecture, seed, {EIGHT: 8, FOUR: 4})
        self._way(result, self.wider(architecture), seed, {WIDER: 4})
        return result

    def _way(self, result: Result, architecture: Architecture, seed: int, ways: Mapping[str, WeightBits]) -> None:
        space, seed = self.fits[8].space, training_seed(seed, architecture.id)
        data = network_data(space, architecture, self.train_set, self.test_set, varied=FINISHING.augment)
        module = build_module(space, architecture, seed)
        train(module, data.train_set, None, lengthened(FINISHING, self.fits[8].predict(architecture).macs), seed)
        fine_tuning = replace(QUANTIZATION, augment=fine_tunes_varied(self.train_set))
        for way, bits in ways.items():
            result.accuracy[f"{way}, float"] = evaluate(module, data.validation)
            for name, recipe in ((way, fine_tuning), (f"{way}, rounded", replace(fine_tuning, epochs=0))):
                graph = quantize_network(module, data.train_set, recipe, seed, "network", weight_bits=bits)
                seen = program_form(self.test_set, data.front_end or raw_input_of(self.train_set, graph))
                result.accuracy[name] = int8_accuracy(graph, seen)
            cost = self.fits[bits].predict(architecture)
            result.costs[way] = cost.ram.total, round(cost.flash.value), cost.macs


def most_flash(fits: Feasibility, count: int) -> list[Architecture]:
    """Of random networks that fit those that take most flash."""
    return sorted(fitting_samples(fits), key=lambda architecture: -fits.predict(architecture).flash.value)[:count]


ROWS: Mapping[str, tuple[str, str]] = {
    "8 bits, fine-tuned, above float": (EIGHT, f"{EIGHT}, float"),
    "4 bits, rounded only, above float": (f"{FOUR}, rounded", f"{FOUR}, float"),
    "4 bits, fine-tuned, above float": (FOUR, f"{FOUR}, float"),
    "4 bits over 8": (FOUR, EIGHT),
    "4 bits, as wide as fits, over 8": (WIDER, EIGHT),
}
"""What is compared."""


def table(results: Sequence[Result]) -> list[str]:
    """The rows, by data set and over all."""
    names, lines = data_names(results), comparison(results, ROWS)
    for number, what in enumerate(("RAM, bytes", "flash, bytes", "MACs")):
        for way in (EIGHT, FOUR, WIDER):
            means = [np.mean([r.costs[way][number] for r in results if r.data == name]) for name in names]
            lines.append(f"| {what}, {way} | {' | '.join(f'{mean:,.0f}' for mean in means)} | |")
    return lines


def main() -> None:
    """Print what is found, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--only", help="names, with semicolons between: " + "; ".join(LIMITS))
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = list(LIMITS) if options.only is None else [name.strip() for name in options.only.split(";")]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            bench = Bench(name, REAL_DATA[name].path(options.data, Path(folder)), options.examples, options.networks)
            for seed in range(options.seeds):
                for architecture in bench.architectures:
                    results.append(bench.finish(architecture, seed))
                    print(f"{name}, {architecture.id}, seed {seed}: {results[-1].accuracy} {results[-1].costs}", flush=True)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
