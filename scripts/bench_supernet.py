"""Whether a supernet ranks networks better than trainings of their own do, on the table of ``search_table.py``.

    python scripts/bench_supernet.py [--evaluations N,N] [--seeds N] [--paths N]

All networks within the limits of ``bench_search.py`` share their weights: a layer takes the first channels, and of a kernel the
centre, of the widest one at its place in blocks of its kind (J. Yu et al., "Slimmable Neural Networks", ICLR 2019; Z. Guo et al.,
"Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020). Every step trains ``--paths`` networks drawn at
random, on a batch each, until the batches are as many as those of ``--evaluations`` whole trainings of the table. Then each
network's normalisation is fitted to training windows, and its validation accuracy, as ``--seeds`` supernets have it, stands for it.
The table has the rank correlation of that with mean test accuracies of whole trainings, from seed to seed, and the mean regret, in
points by the mean test and by the smoothed one, of the network of the best validation and of the one that the predictor of ``nas
search`` selects by the validation of all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from make_search_table import RECIPE, Part, correct, read_parts
from numpy.typing import NDArray
from real_data import ALL_DATA, REAL_DATA
from scipy.stats import spearmanr
from search_problem import LIMITS, Problem, problem_of
from search_table import DEFAULT, SearchTable
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from codegen.errors import UserError
from nas.learning.training import build_module
from nas.samplers import Features, Predictor, Result
from search_spaces import Architecture, SearchSpace

CALIBRATION = 4
"""Batches of a quarter of the training windows that normalisation is fitted to."""


class Supernet(nn.Module):
    """The weights that ``members`` share."""

    def __init__(self, space: SearchSpace, members: Sequence[Architecture], seed: int) -> None:
        super().__init__()
        self._modules_of = {a.id: build_module(space, a, seed).to(memory_format=torch.channels_last) for a in members}  # type: ignore[call-overload]
        self._blocks = {a.id: _blocks(a) for a in members}
        whole: dict[str, tuple[int, ...]] = {}
        for a in members:
            for name, parameter in self._modules_of[a.id].named_parameters():
                key = self._key(a, name)
                whole[key] = tuple(map(max, whole.get(key, parameter.shape), parameter.shape))
        generator = torch.Generator().manual_seed(seed)
        self.shared = nn.ParameterDict({key: nn.Parameter(_fresh(key, shape, generator)) for key, shape in sorted(whole.items())})

    def module_of(self, a: Architecture) -> nn.Module:
        """The network, which keeps its statistics of normalisation."""
        return self._modules_of[a.id]

    def weights(self, a: Architecture) -> dict[str, Tensor]:
        """Its parameters, views of the shared ones."""
        return {name: _part(self.shared[self._key(a, name)], p.shape) for name, p in self.module_of(a).named_parameters()}

    def _key(self, a: Architecture, name: str) -> str:
        """Networks share what has one name in blocks of one kind."""
        block = name.partition("_")[0].partition(".")[0]
        return f"{self._blocks[a.id].get(block, '')}/{name}".replace(".", "/")


def _blocks(a: Architecture) -> Mapping[str, str]:
    """The kind of each block by its name."""
    return {f"block{number}": str(a.parameters[f"stage{number}_block"]) for number in (1, 2)}


def _fresh(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Initial values as torch's layers have them: uniform by the number of inputs; of normalisation 1 and 0."""
    if key.endswith("_norm/weight"):
        return torch.ones(shape)
    if len(shape) == 1:
        return torch.zeros(shape)
    reach = 1 / int(np.prod(shape[1:])) ** 0.5
    return (torch.rand(shape, generator=generator) * 2 - 1) * reach


def _part(whole: Tensor, shape: Sequence[int]) -> Tensor:
    """The first channels, and the centre of kernels."""
    for axis, size in enumerate(shape):
        begin = 0 if axis < 2 else (whole.shape[axis] - size) // 2
        whole = whole.narrow(axis, begin, size)
    return whole


def train_supernet(supernet: Supernet, members: Sequence[Architecture], train: Part, passes: int, paths: int, seed: int) -> None:
    """So many batches in all, ``paths`` a step, each through another network; learning rates follow the table's recipe."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    parameters = list(supernet.shared.values())
    groups = [[p for p in parameters if (p.ndim > 1) == decayed] for decayed in (True, False)]
    optimizer = torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": RECIPE.weight_decay}, {"params": groups[1], "weight_decay": 0.0}],
        lr=RECIPE.learning_rate,
    )
    steps = passes // paths
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RECIPE.learning_rate, steps, pct_start=RECIPE.warm_up, cycle_momentum=False
    )
    for _ in range(steps):
        optimizer.zero_grad()
        for number in rng.choice(len(members), paths, replace=False):
            member = members[number]
            indices = torch.randint(len(train.x), (RECIPE.batch_size,), generator=generator)
            module = supernet.module_of(member).train()
            logits = functional_call(module, supernet.weights(member), (train.x[indices],))
            loss = cross_entropy(logits, train.y[indices], label_smoothing=RECIPE.label_smoothing) / paths
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def validated(supernet: Supernet, member: Architecture, parts: Mapping[str, Part]) -> float:
    """Validation accuracy of a network with the shared weights, its normalisation fitted to training windows."""
    module = supernet.module_of(member)
    with torch.no_grad():
        for name, weight in supernet.weights(member).items():
            module.get_parameter(name).copy_(weight)
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a mean over all batches
        module.train()
        for x in parts["train"].x.chunk(CALIBRATION):
            module(x)
        for norm in norms:
            norm.momentum = 0.1
    return correct(module, parts["validation"]) / len(parts["validation"].x)


def predicted_best(problem: Problem, rows: Sequence[int], values: Sequence[float]) -> int:
    """The row among these that a predictor fitted to their ``values`` holds for the best."""
    results = [Result(at, problem.members[row], value) for at, (row, value) in enumerate(zip(rows, values, strict=True))]
    mean, _ = Predictor(Features(problem.space, problem.costs), results).predict([problem.members[row] for row in rows])
    return rows[int(np.argmax(mean))]


def correlations(problem: Problem, rows: NDArray[np.intp]) -> list[str]:
    """What one training says of mean tests of the other ones."""
    table = problem.table
    lines = []
    test = np.where(table.trained[rows, 1:], table.accuracy("test")[rows, 1:, -1], np.nan)
    for at, epochs in enumerate(table.rungs):
        own = spearmanr(table.accuracy("validation")[rows, 0, at], np.nanmean(test, axis=1))[0]
        lines.append(f"one training of {epochs} epochs: rank correlation with other trainings' tests {own:.2f}")
    return lines


def main() -> int:
    """Print a line for each seed, then the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DEFAULT)
    parser.add_argument("--data", type=Path, default=ALL_DATA / REAL_DATA["activities"].file)
    parser.add_argument(
        "--evaluations",
        type=lambda text: [int(number) for number in text.split(",")],
        default=[30, 75, 150],
        help="whole trainings that a supernet's may take",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--paths", type=int, default=1, help="networks that a step trains")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        parts = read_parts(options.data)
        problem = problem_of(SearchTable.load(options.table), options.table, LIMITS, 0, (0, 1))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    rows = np.flatnonzero(problem.feasible)
    members = [problem.members[row] for row in rows]
    print("\n".join(correlations(problem, rows)))
    print(f"supernets of {len(members)} networks; regret by the mean test | by the smoothed test")
    print("evaluations  rank correlations     best validation     predictor selects  seconds to train, to validate all", flush=True)
    for evaluations in options.evaluations:
        passes = evaluations * problem.epochs * (len(parts["train"].x) // RECIPE.batch_size)
        correlated, regrets, seconds = [], [], []
        for seed in range(options.seeds):
            began = time.process_time()
            supernet = Supernet(problem.space, members, seed)
            train_supernet(supernet, members, parts["train"], passes, options.paths, seed)
            trained = time.process_time()
            values = [validated(supernet, member, parts) for member in members]
            seconds.append((trained - began, time.process_time() - trained))
            chosen = [int(rows[int(np.argmax(values))]), predicted_best(problem, rows.tolist(), values)]
            correlated.append(float(spearmanr(values, problem.test[rows])[0]))
            regrets.append((problem.regret(chosen), problem.smoothed_regret(chosen)))
        by_mean, by_smooth = 100 * np.mean(regrets, axis=0)
        cells = "  ".join(f"{a:10.2f} | {b:5.2f}" for a, b in zip(by_mean, by_smooth, strict=True))
        correlation = " ".join(f"{value:5.2f}" for value in correlated)
        train_seconds, validate_seconds = np.mean(seconds, axis=0)
        print(f"{evaluations:11d}  {correlation:>17s}  {cells}  {train_seconds:.0f}, {validate_seconds:.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
