"""What each step of finishing a network is worth: int8 accuracy on the test part with and without it.

    python scripts/bench_finishing.py --data ../shared/data [--only NAMES] [--examples N] [--networks N] [--seeds N]
        [--results FILE]

Of each data set at most ``--examples`` training and as many test examples are taken, and networks that fit its limits: of 40 random
ones the one with the most multiply-accumulates, and others of the upper half. Each is trained as a finalist is, in every way, once
for each seed. The table has mean differences between two ways of finishing the same network with the same seed, in points, with
their standard error over networks and seeds, and what a step costs. The pruned network is compared with the same one unpruned, and
with one whose layers are as narrow by design. With ``--results`` what is done is kept there and not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from channel_pruning import ChannelPruning
from paired_results import comparison, data_names
from real_data import REAL_DATA

from codegen.boards import load_board
from codegen.ir import total_macs
from codegen.passes import run_passes
from cost_models import Limits, load_cost_model
from nas.datasets import Dataset, Split, load_test, load_train
from nas.evenly_spaced import evenly_spaced
from nas.inputs.program_inputs import program_form, raw_input_of
from nas.inputs.spectrograms import NetworkData, network_data
from nas.learning.distillation import Teacher
from nas.learning.quantization import fine_tunes_varied, int8_accuracy, quantize_network
from nas.learning.training import Recipe, build_module, evaluate, train
from nas.study.compute import lengthened
from nas.study.feasibility import Feasibility
from nas.study.preparation import front_ends_for, space_for
from nas.study.recipes import DISTILLATION, FINISHING, QUANTIZATION
from nas.study.tasks import Lesson, screen, training_seed
from nas.study.teacher import WIDER, teaching
from search_spaces import Architecture

BOARD = "nucleo-l4r5zi"
SAMPLES = 40
PLAIN, TAUGHT, PRUNED, NARROW = "plain", "distilled", "pruned", "narrow"


LIMITS: Mapping[str, Limits] = {
    "activities": REAL_DATA["activities"].limits,
    "clothes": replace(REAL_DATA["clothes"].limits, macs=1_000_000),
    "digits spoken": REAL_DATA["digits spoken"].limits,
    "ItalyPowerDemand": REAL_DATA["ItalyPowerDemand"].limits,
}
"""Data by its name in :data:`real_data.REAL_DATA`, and what its networks must keep."""
ROWS: Mapping[str, tuple[str, str]] = {
    "fine-tuned in int8, not rounded only": (f"{PLAIN}, fine-tuned", f"{PLAIN}, rounded"),
    "distilled, float": (f"{TAUGHT}, float", f"{PLAIN}, float"),
    "distilled, then fine-tuned by labels": (f"{TAUGHT}, fine-tuned", f"{PLAIN}, fine-tuned"),
    "distilled, fine-tuned by the teacher too": (f"{TAUGHT} twice", f"{PLAIN}, fine-tuned"),
    "half of the channels pruned": (f"{PRUNED}, fine-tuned", f"{PLAIN}, fine-tuned"),
    "pruned, not as narrow by design": (f"{PRUNED}, fine-tuned", f"{NARROW}, fine-tuned"),
}
"""What is compared: the ways with and without it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One network with one seed: accuracies (0..1) on the test part and seconds by way of finishing, MACs of the int8 graphs."""

    data: str
    network: int
    seed: int
    accuracy: dict[str, float]
    seconds: dict[str, float]
    macs: dict[str, int]


class Bench:
    """Finishes networks of one data set in every way."""

    def __init__(self, name: str, path: Path, examples: int, networks: int) -> None:
        self.name, self.networks = name, networks
        self.train_set, self.test_set = few(load_train(str(path)), examples), few(load_test(str(path)), examples)
        self.space, board = space_for(self.train_set), load_board(BOARD)
        cost_model, front_ends = load_cost_model(board.core), front_ends_for(self.train_set)
        self.fits = Feasibility(self.space, cost_model, board, LIMITS[name], 0.95, front_ends)

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Networks that fit, spread over the upper half of multiply-accumulates, the one with most of them first."""
        return of_the_upper_half(self.fits, self.networks)

    def macs(self, architecture: Architecture) -> int:
        """Of an inference."""
        return self.fits.predict(architecture).macs

    def data(self, architecture: Architecture) -> NetworkData:
        """The train and the test part as the network sees them."""
        return network_data(self.space, architecture, self.train_set, self.test_set, varied=FINISHING.augment)

    def recipe(self, architecture: Architecture) -> Recipe:
        """How it is trained as a finalist."""
        return lengthened(FINISHING, self.macs(architecture))

    def lesson(self, seed: int) -> Lesson:
        """What a run's finalists learn from, made of the first network."""
        wide = self.space.resized(self.architectures[0], WIDER)
        params, macs = self.space.params(wide), self.macs(wide)
        split = Split(self.train_set, self.test_set)
        taught = screen(self.space, params, [split], teaching(FINISHING, macs), training_seed(seed, wide.id), {})
        print(f"{self.name}: teacher of seed {seed}: {taught.accuracy:.2%}, {macs:,} MACs, {taught.seconds:.0f} s", flush=True)
        return Lesson(params, taught.checkpoint, DISTILLATION)

    def finish(self, number: int, seed: int, lesson: Lesson) -> Result:
        """Everything of one network."""
        architecture = self.architectures[number]
        result = Result(self.name, number, seed, {}, {}, {})
        teacher = lesson.teacher(self.space, self.train_set, self.test_set, varied=FINISHING.augment)
        self._way(result, PLAIN, architecture)
        self._way(result, TAUGHT, architecture, teacher)
        self._way(result, PRUNED, architecture, pruned=0.5)
        self._way(result, NARROW, self.space.resized(architecture, 0.5))
        return result

    def _way(
        self, result: Result, way: str, architecture: Architecture, teacher: Teacher | None = None, *, pruned: float = 0.0
    ) -> None:
        """Train a network in float, then make it int8."""
        seed, data = training_seed(result.seed, architecture.id), self.data(architecture)
        module = build_module(self.space, architecture, seed)
        began = time.monotonic()
        pruning = ChannelPruning(module, self.space.layers(architecture), pruned) if pruned else None
        train(module, data.train_set, None, self.recipe(architecture), seed, teacher=teacher, after_step=pruning)
        result.seconds[f"{way}, float"] = time.monotonic() - began
        result.accuracy[f"{way}, float"] = evaluate(module, data.validation)
        fine_tuning = replace(QUANTIZATION, augment=fine_tunes_varied(self.train_set))
        ways: dict[str, tuple[Recipe, Teacher | None]] = {f"{way}, fine-tuned": (fine_tuning, None)}
        if way == PLAIN:
            ways[f"{way}, rounded"] = replace(fine_tuning, epochs=0), None
        if teacher is not None:
            ways[f"{way} twice"] = fine_tuning, teacher
        for name, (recipe, tutor) in ways.items():
            began = time.monotonic()
            graph = run_passes(quantize_network(module, data.train_set, recipe, seed, "network", tutor))
            result.seconds[name] = time.monotonic() - began
            seen = program_form(self.test_set, data.front_end or raw_input_of(self.train_set, graph))
            result.accuracy[name], result.macs[name] = int8_accuracy(graph, seen), total_macs(graph)


def fitting_samples(fits: Feasibility) -> list[Architecture]:
    """:data:`SAMPLES` random networks that fit."""
    rng = np.random.default_rng(1)
    found: dict[str, Architecture] = {}
    while len(found) < SAMPLES:
        candidate = fits.space.sample(rng)
        if not fits(candidate):
            found[candidate.id] = candidate
    return list(found.values())


def of_the_upper_half(fits: Feasibility, count: int) -> list[Architecture]:
    """Of random networks that fit ``count``, spread over the upper half of multiply-accumulates, the one with most first."""
    order = sorted(fitting_samples(fits), key=lambda architecture: -fits.predict(architecture).macs)
    return [order[SAMPLES * at // (2 * count)] for at in range(count)]


def few(data: Dataset, most: int) -> Dataset:
    """At most so many of the examples."""
    return data.subset(evenly_spaced(len(data), most))


def table(results: Sequence[Result]) -> list[str]:
    """The rows, by data set and over all."""
    names, lines = data_names(results), comparison(results, ROWS)
    for way in (f"{PLAIN}, fine-tuned", f"{PRUNED}, fine-tuned", f"{NARROW}, fine-tuned"):
        macs = [np.mean([r.macs[way] for r in results if r.data == name]) for name in names]
        lines.append(f"| MACs, {way} | {' | '.join(f'{mean:,.0f}' for mean in macs)} | |")
    for way, base in ((f"{TAUGHT}, float", f"{PLAIN}, float"), (f"{PLAIN}, fine-tuned", f"{PLAIN}, float")):
        times = [np.mean([r.seconds[way] / r.seconds[base] for r in results if r.data == name]) for name in names]
        lines.append(f"| seconds, {way} over {base} | {' | '.join(f'{mean:.2f}' for mean in times)} | |")
    return lines


def main() -> None:
    """Print what is found, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--only", help="names, with semicolons between: " + "; ".join(LIMITS))
    parser.add_argument("--examples", type=int, default=1200)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, help="file of a JSON object a line")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = list(LIMITS) if options.only is None else [name.strip() for name in options.only.split(";")]
    kept = options.results is not None and options.results.is_file()
    results = [Result(**json.loads(line)) for line in options.results.read_text().splitlines()] if kept else []
    with tempfile.TemporaryDirectory() as folder:
        benches = {}
        for seed in range(options.seeds):
            for name in names:
                known = {(result.data, result.network, result.seed) for result in results}
                lacking = [number for number in range(options.networks) if (name, number, seed) not in known]
                if not lacking:
                    continue
                if name not in benches:
                    path = REAL_DATA[name].path(options.data, Path(folder))
                    benches[name] = Bench(name, path, options.examples, options.networks)
                bench = benches[name]
                lesson = bench.lesson(seed)
                for number in lacking:
                    results.append(bench.finish(number, seed, lesson))
                    print(f"{name}, network {number}, seed {seed}: {results[-1].accuracy}", flush=True)
                    if options.results is not None:
                        with options.results.open("a") as file:
                            file.write(json.dumps(dataclasses.asdict(results[-1])) + "\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
