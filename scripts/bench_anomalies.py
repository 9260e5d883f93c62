"""Whether anomalies made of normal examples rank autoencoders as real ones do (see ``nas/anomaly.py``).

Run it as ``python scripts/bench_anomalies.py [--data ../shared/data/skab_valve]``: random autoencoders are trained on the normal
examples; each is judged by its AUROC on made anomalies, by its error on normal validation examples, and by its AUROC on the test
part, which searches do not see.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn.functional import mse_loss

from codegen.errors import UserError
from nas.anomaly import with_anomalies
from nas.datasets import VALIDATION_FRACTION, Dataset, load_test, load_train, split_validation
from nas.study.tasks import training_seed
from nas.training import Inputs, Recipe, build_module, evaluate, train
from search_spaces import AutoencoderSpace

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "skab_valve"


def reconstruction_error(module: torch.nn.Module, dataset: Dataset) -> float:
    """Mean squared error over all examples, of inputs with deviation 1."""
    x = Inputs(dataset)
    with torch.no_grad():
        return float(np.mean([mse_loss(module(batch), batch).item() for batch in x.batches(512)]))


def main() -> int:
    """Parse arguments, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA), help="data with one class to train on")
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        data, test_set = load_train(options.data), load_test(options.data)
        if data.normal is None:
            raise UserError(f"--data {options.data}: has more than one class to train on")
        train_set, normal = split_validation(dataclasses.replace(data, metric="auroc"), VALIDATION_FRACTION, options.seed)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    validation, test_set = with_anomalies(normal, options.seed), dataclasses.replace(test_set, metric="auroc")
    space, rng = AutoencoderSpace(data.input_shape), np.random.default_rng(options.seed)
    rows = []
    print("AUROC made  AUROC test  error on normal  network")
    for _ in range(options.networks):
        architecture = space.sample(rng)
        number = training_seed(options.seed, architecture.id)
        module = build_module(space, architecture, number)
        train(module, train_set, None, Recipe(epochs=options.epochs), number)
        row = evaluate(module, validation), evaluate(module, test_set), reconstruction_error(module, normal)
        rows.append(row)
        print(f"{row[0]:10.3f}  {row[1]:10.3f}  {row[2]:15.3f}  {architecture.network[1:]}", flush=True)
    made, test, error = np.array(rows).T
    print(
        f"Spearman with the test part: made anomalies {spearmanr(made, test)[0]:.2f}, small error {spearmanr(-error, test)[0]:.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
