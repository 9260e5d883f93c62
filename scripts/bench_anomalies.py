"""Whether anomalies made of normal examples rank autoencoders as real ones do (see ``nas/learning/made_anomalies.py``).

Run it as ``python scripts/bench_anomalies.py [--data ../shared/data/skab_valve] [--seeds 3]``: random autoencoders are trained on
the normal examples; each is judged by its AUROC on made anomalies, on those of each way to make them, by its error on normal
validation examples, and by its AUROC on the test part, which searches do not see. Any data with classes is data of anomalies with
``--normal``: that class is normal, and the others, of which nothing is trained on, are the anomalies of the test part.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from real_data import ALL_DATA, REAL_DATA
from scipy.stats import spearmanr
from torch.nn.functional import mse_loss

from codegen.errors import UserError
from nas.datasets import VALIDATION_FRACTION, Dataset, load_test, load_train, split_validation
from nas.learning.made_anomalies import box, makers_for, mixture, shifted_level, with_anomalies
from nas.learning.training import Inputs, Recipe, build_module, evaluate, train
from nas.study.tasks import training_seed
from search_spaces import AutoencoderSpace

VALVE = ALL_DATA / REAL_DATA["valve, anomalies"].file
WAYS = {"level": (shifted_level,), "mixture": (mixture,), "box": (box,)}
MOST_EXAMPLES = 3000
"""Of the train part and of the test part, drawn by seed 0."""


def reconstruction_error(module: torch.nn.Module, dataset: Dataset) -> float:
    """Mean squared error over all examples, of inputs with deviation 1."""
    x = Inputs(dataset)
    with torch.no_grad():
        return float(np.mean([mse_loss(module(batch), batch).item() for batch in x.batches(512)]))


def load(path: str, normal: str | None) -> tuple[Dataset, Dataset]:
    """The train part, of normal examples alone, and the test part.

    :raises UserError: if there is no class of that name, or none to train on.
    """
    data, test_set = load_train(path), load_test(path)
    if normal is None and data.normal is None:
        raise UserError(f"--data {path}: has more than one class to train on; say which is --normal")
    if normal is not None and normal not in data.classes:
        raise UserError(f"--normal {normal}: is no class of {path}; choose one of {', '.join(data.classes)}")
    label = data.normal if normal is None else data.classes.index(normal)
    data = _some(data, np.flatnonzero(data.y == label))
    test_set = _some(test_set, np.arange(len(test_set)))
    return dataclasses.replace(data, normal=label, metric="auroc"), dataclasses.replace(test_set, normal=label, metric="auroc")


def _some(dataset: Dataset, indices: NDArray[np.intp]) -> Dataset:
    if len(indices) > MOST_EXAMPLES:
        indices = np.sort(np.random.default_rng(0).choice(indices, MOST_EXAMPLES, replace=False))
    return dataset.subset(indices)


def judge(data: Dataset, test_set: Dataset, networks: int, epochs: int, seed: int) -> list[dict[str, float]]:
    """Of each random network what ranks it, and its AUROC on the test part, ``test``; printed as they come."""
    train_set, normal = split_validation(data, VALIDATION_FRACTION, seed)
    made = {"made": makers_for(data.kind), **WAYS}
    parts = {name: with_anomalies(normal, seed, makers) for name, makers in made.items()}
    space, rng, rows = AutoencoderSpace(data.input_shape), np.random.default_rng(seed), []
    for _ in range(networks):
        architecture = space.sample(rng)
        number = training_seed(seed, architecture.id)
        module = build_module(space, architecture, number)
        train(module, train_set, None, Recipe(epochs=epochs), number)
        row = {name: evaluate(module, part) for name, part in parts.items()}
        row |= {"error": -reconstruction_error(module, normal), "test": evaluate(module, test_set, normal=normal)}
        if not rows:
            print("".join(f"{name:>9}" for name in row), " network", flush=True)
        rows.append(row)
        print("".join(f"{value:9.3f}" for value in row.values()), "", architecture.network[1:], flush=True)
    return rows


def summary(rows: Sequence[dict[str, float]]) -> str:
    """For each way to rank, its rank correlation with the test part and what the network is worth there that it finds best."""
    test = np.array([row["test"] for row in rows])
    lines = [f"test AUROC: mean {test.mean():.3f}, best {test.max():.3f}"]
    for name in rows[0]:
        if name != "test":
            ranks = np.array([row[name] for row in rows])
            lines.append(
                f"by {name:8} Spearman {spearmanr(ranks, test)[0]:5.2f}, test AUROC of its best {test[ranks.argmax()]:.3f}"
            )
    return "\n".join(lines)


def main() -> int:
    """Parse arguments, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(VALVE), help="data with one class to train on, or any with --normal")
    parser.add_argument("--normal", help="the class that is normal")
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on; each has its own validation part")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        data, test_set = load(options.data, options.normal)
        for seed in range(options.seed, options.seed + options.seeds):
            print(f"seed {seed}")
            print(summary(judge(data, test_set, options.networks, options.epochs, seed)), flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
