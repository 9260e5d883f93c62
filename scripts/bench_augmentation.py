"""Whether varied motion helps: the same small network trained on windows as they are and as augmentation varies them.

    python scripts/bench_augmentation.py --data DIR_OR_FILE

One convolutional network is trained for each row, fold and seed on the data's train part, its groups (people) kept apart where it
has any, and asked about the fold that was held out; the test part stays untouched. Prints means and each fold's accuracy.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, StratifiedKFold
from torch import nn

from nas.datasets import Dataset, load_train
from nas.learning.augmentation import MotionAugmentation, axis_triples
from nas.learning.training import Recipe, train

NONE = MotionAugmentation(jitter=0.0, scaling=0.0, rotation=0.0, shift=0.0)
ROWS: dict[str, MotionAugmentation] = {
    "as it is": NONE,
    "jitter": dataclasses.replace(NONE, jitter=0.05),
    "scaling": dataclasses.replace(NONE, scaling=0.1),
    "shift": dataclasses.replace(NONE, shift=0.1),
    "rotation": dataclasses.replace(NONE, rotation=0.26),
    "all of them": MotionAugmentation(),
}


def network(channels: int, classes: int, seed: int) -> nn.Module:
    """Three convolutions along time and the mean of what they find."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs, size in ((channels, 16, 7), (16, 32, 5), (32, 48, 5)):
        convolution = nn.Conv2d(inputs, outputs, (1, size), (1, 2), (0, size // 2), bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, classes))


def folds(data: Dataset, count: int) -> Iterator[tuple[Dataset, Dataset]]:
    """Train and held-out part of each fold; no group is in both."""
    if data.groups is not None:
        parts = GroupKFold(count).split(data.y, data.y, data.groups.of)
    else:
        parts = StratifiedKFold(count, shuffle=True, random_state=0).split(data.y, data.y)
    for rest, held in parts:
        yield data.subset(rest), data.subset(held)


def accuracy(augmentation: MotionAugmentation, train_set: Dataset, held: Dataset, epochs: int, seed: int) -> float:
    """Of a network trained on windows that ``augmentation`` varies."""
    module = network(train_set.input_shape[2], len(train_set.classes), seed)
    varied = None if augmentation == NONE else _fitted(augmentation, train_set)
    result = train(module, train_set, held, Recipe(epochs=epochs), seed, augmentation=varied)
    assert result.accuracy is not None
    return result.accuracy


def _fitted(augmentation: MotionAugmentation, data: Dataset) -> MotionAugmentation:
    norm = data.normalization
    assert norm is not None
    triples = axis_triples(data.channels)
    return dataclasses.replace(augmentation, triples=triples, offset=tuple(norm.offset.tolist()), scale=tuple(norm.scale.tolist()))


def main() -> None:
    """Print a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_train(options.data)
    parts = list(folds(data, options.folds))
    turns = f"{len(axis_triples(data.channels))} axis triples"
    print(
        f"{data.name}: {len(data)} windows {data.input_shape[1]}x{data.input_shape[2]}, {turns}, {options.epochs} epochs",
        flush=True,
    )
    for row, augmentation in ROWS.items():
        found = np.array([[accuracy(augmentation, *part, options.epochs, seed) for part in parts] for seed in range(options.seeds)])
        each = ", ".join(f"{value:.1%}" for value in found.mean(0))
        spread = found.mean(1).std(ddof=1) if options.seeds > 1 else 0.0
        print(f"{row:<12} {found.mean():6.2%}   folds ({each}), deviation over seeds {spread:.2%}", flush=True)


if __name__ == "__main__":
    main()
