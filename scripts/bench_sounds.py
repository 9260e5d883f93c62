"""What a network hears best: kinds of features and augmentation, compared on people who were not there in training.

    python scripts/bench_sounds.py --data DIR

DIR is a folder of WAV whose files say who speaks ('nas data DIR' names the groups). One small network in the manner of DS-CNN is
trained for each row and fold, and tested on the fold's groups; the folder's own test part stays untouched. Prints accuracies.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from torch import nn

from codegen.features import FrontEnd, SpectrogramSettings, log_mel, mfcc, normalized
from nas.datasets import Dataset, load_train
from nas.inputs.spectrograms import VARIANTS, clips, network_form
from nas.learning.augmentation import SoundAugmentation
from nas.learning.training import Recipe, train

ROWS: dict[str, tuple[str, SoundAugmentation | None]] = {
    "MFCC 10 of 40": ("mfcc 10", None),
    "MFCC 20 of 40": ("mfcc 20", None),
    "log-mel 10": ("log-mel 10", None),
    "log-mel 20": ("log-mel 20", None),
    "log-mel 40": ("log-mel 40", None),
    "log-mel 20, shift, gain and noise": ("log-mel 20", SoundAugmentation(speed=0.0)),
    "log-mel 20, shift, gain, noise and speed": ("log-mel 20", SoundAugmentation()),
}


def settings_of(features: str, rate: int) -> SpectrogramSettings:
    """``log-mel 20`` or ``mfcc 10``."""
    kind, count = features.split()
    return log_mel(rate, bands=int(count)) if kind == "log-mel" else mfcc(rate, int(count))


def network(classes: int, seed: int) -> nn.Module:
    """A stem and three separable convolutions, for maps of any size."""

    def separable(inputs: int, outputs: int, stride: tuple[int, int]) -> list[nn.Module]:
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        return [depthwise, nn.BatchNorm2d(inputs), nn.ReLU(), pointwise, nn.BatchNorm2d(outputs), nn.ReLU()]

    torch.manual_seed(seed)
    stem = [nn.Conv2d(1, 16, (5, 3), (2, 2), (2, 1), bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    stages = [*separable(16, 32, (1, 1)), *separable(32, 32, (2, 1)), *separable(32, 48, (1, 1))]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, classes))


def folds(data: Dataset, count: int) -> Iterator[tuple[Dataset, Dataset]]:
    """Train and test part of each fold; no group is in both."""
    if data.groups is None:
        raise SystemExit(f"{data.name}: its files do not say who speaks")
    for rest, held in GroupKFold(count).split(data.y, data.y, data.groups.of):
        yield data.subset(rest), data.subset(held)


def accuracy(row: str, train_set: Dataset, test_set: Dataset, epochs: int, seed: int) -> float:
    """Of a network trained as ``row`` says."""
    features, augmentation = ROWS[row]
    assert train_set.rate is not None
    settings = normalized(settings_of(features, round(train_set.rate)), clips(train_set))
    front_end = FrontEnd(settings, settings.frames(clips(train_set).shape[1]))
    seen = network_form(train_set, front_end)
    if augmentation is not None:
        rngs = np.random.default_rng(seed).spawn(VARIANTS)
        varied: list[NDArray[np.int8]] = [front_end(augmentation(clips(train_set), settings.rate, rng)) for rng in rngs]
        seen = dataclasses.replace(seen, variants=np.stack(varied))
    recipe = Recipe(epochs=epochs, augment=augmentation is not None)
    result = train(network(len(train_set.classes), seed), seen, network_form(test_set, front_end), recipe, seed)
    assert result.accuracy is not None
    return result.accuracy


def main() -> None:
    """Print a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = list(folds(load_train(options.data), options.folds))
    for row in ROWS:
        found = [accuracy(row, *part, options.epochs, options.seed) for part in parts]
        each = ", ".join(f"{value:.1%}" for value in found)
        print(f"{row:<42} {np.mean(found):6.1%}   ({each})", flush=True)


if __name__ == "__main__":
    main()
