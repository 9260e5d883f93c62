"""Whether varied series help: the same small network trained on windows as they are and as augmentation varies them.

    python scripts/bench_augmentation.py --data DIR_OR_FILE [--most N] [--only ROWS] [--folds N] [--seeds N] [--epochs N]

One convolutional network is trained for each row, fold and seed on the data's train part, its groups (people, recordings) kept
apart where it has any, and asked about the fold that was held out; the test part stays untouched. Prints means of the metric that
suits the data and each fold's. Where that metric weighs classes equally, they are drawn equally often in all rows but the first
three, and each class's recall stands beside. ``--most`` takes so many examples of a class at most.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, StratifiedKFold
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, grid_sample

from nas.datasets import Dataset, load_train
from nas.evenly_spaced import evenly_spaced
from nas.learning.augmentation import MotionAugmentation, axis_triples
from nas.learning.group_effects import GroupAugmentation
from nas.learning.training import Augmentation, Loss, Recipe, evaluate, train
from nas.metrics import describe, weighs_classes_equally
from nas.metrics.confusion import suitable_metric

STILL = MotionAugmentation(jitter=0.0, scaling=0.0, rotation=0.0, shift=0.0)


@dataclass(frozen=True)
class Row:
    """A way to train: how a training set's batches are varied, what takes the place of drawing classes equally often, and
    whether examples are mixed."""

    varied: Callable[[Dataset], Augmentation | None] = lambda data: None
    loss: Callable[[Dataset], Loss | None] = lambda data: None
    drawn: bool = True
    mixed: bool = False


@dataclass(frozen=True)
class Stretched:
    """Windows played faster or slower about their middle, by a logarithm of at most ``most``; the ends last where they are over."""

    most: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` float32 ``(N, C, 1, W)`` → the same shape."""
        speed = torch.exp((torch.rand(len(x), 1, 1, generator=generator) * 2 - 1) * self.most)
        along = torch.linspace(-1, 1, x.shape[3]) * speed
        grid = torch.stack([along, torch.zeros_like(along)], dim=3).to(x.device)
        return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


@dataclass(frozen=True)
class InTurn:
    """One after the other."""

    parts: tuple[Augmentation, ...]

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` float32 ``(N, C, 1, W)`` → the same shape."""
        for part in self.parts:
            x = part(x, generator)
        return x


def of_groups(data: Dataset, amplitude: float = 1.0, level: float = 1.0) -> Augmentation | None:
    """As groups differ, times so much; None where they do not."""
    found = GroupAugmentation.of(data)
    if found is None:
        return None
    strengths = np.repeat([amplitude, level], data.input_shape[2])
    return replace(found, factor=tuple(map(tuple, (np.array(found.factor) * strengths).tolist())))


def weighted_loss(data: Dataset) -> Loss:
    """Cross-entropy in which an example counts by the inverse of its class's size, smoothed as PyTorch does."""
    counts = torch.bincount(torch.from_numpy(data.y), minlength=len(data.classes))
    weights = len(data) / (len(data.classes) * counts.clamp(min=1)).to(torch.float32)
    return lambda outputs, _, y: cross_entropy(outputs, y, weights.to(outputs.device), label_smoothing=Recipe().label_smoothing)


def fitted(augmentation: MotionAugmentation) -> Row:
    """With the axes of the data's sensors."""

    def of(data: Dataset) -> Augmentation:
        norm = data.normalization
        assert norm is not None
        offset, scale = (tuple(values.tolist()) for values in (norm.offset, norm.scale))
        return replace(augmentation, triples=axis_triples(data.channels), offset=offset, scale=scale)

    return Row(of)


def stretched_too(data: Dataset) -> Augmentation:
    """As groups differ, and faster or slower."""
    return InTurn((*filter(None, [of_groups(data)]), Stretched(0.15)))


ROTATED = fitted(replace(STILL, rotation=0.26))
ROWS: dict[str, Row] = {
    "weights in the loss": Row(drawn=False, loss=weighted_loss),
    "each example once": Row(drawn=False),
    "once, groups' both": Row(of_groups, drawn=False),
    "as it is": Row(),
    "jitter": fitted(replace(STILL, jitter=0.05)),
    "scaling": fitted(replace(STILL, scaling=0.1)),
    "shift": fitted(replace(STILL, shift=0.1)),
    "rotation": ROTATED,
    "rotation and mixed": replace(ROTATED, mixed=True),
    "all of them": fitted(MotionAugmentation()),
    "stretch": Row(lambda data: Stretched(0.15)),
    "groups' amplitude": Row(lambda data: of_groups(data, level=0.0)),
    "groups' level": Row(lambda data: of_groups(data, amplitude=0.0)),
    "groups' both": Row(of_groups),
    "groups' and stretch": Row(stretched_too),
    "mixed": Row(mixed=True),
    "groups' and mixed": Row(of_groups, mixed=True),
}


def rows_for(data: Dataset) -> list[str]:
    """Those that suit the data unless it is said otherwise."""
    if axis_triples(data.channels):
        return ["as it is", "jitter", "scaling", "shift", "rotation", "all of them"]
    left_out = {"rotation", "rotation and mixed", "all of them"}
    if not weighs_classes_equally(data.metric):
        left_out |= {"weights in the loss", "each example once", "once, groups' both"}
    if data.groups is None:
        left_out |= {name for name in ROWS if "groups'" in name}
    return [name for name in ROWS if name not in left_out]


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


def at_most(data: Dataset, most: int | None) -> Dataset:
    """So many examples of each class at most, in their order."""
    if most is None:
        return data
    places = [np.flatnonzero(data.y == label) for label in np.unique(data.y)]
    return data.subset(np.sort(np.concatenate([own[evenly_spaced(len(own), most)] for own in places])))


def scores(row: Row, train_set: Dataset, held: Dataset, epochs: int, seed: int) -> list[float]:
    """The metric, and each class's recall (NaN where there are none), of a network trained as ``row`` says."""
    module = network(train_set.input_shape[2], len(train_set.classes), seed)
    drawn = train_set if row.drawn else replace(train_set, metric="accuracy")
    train(
        module,
        drawn,
        None,
        Recipe(epochs=epochs),
        seed,
        augmentation=row.varied(train_set),
        mixing=row.mixed,
        loss_of=row.loss(train_set),
    )
    classes = [np.flatnonzero(held.y == label) for label in range(len(held.classes))]
    recalls = [evaluate(module, replace(held.subset(own), metric="accuracy")) if len(own) else np.nan for own in classes]
    return [evaluate(module, held), *recalls]


def main() -> None:
    """Print a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--most", type=int, help="examples of a class at most; default all")
    parser.add_argument("--only", help="rows, with semicolons between; default all that suit the data")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = load_train(options.data)
    data = at_most(replace(whole, metric=suitable_metric(whole.y)), options.most)
    names = [name.strip() for name in options.only.split(";")] if options.only else rows_for(data)
    width = max(map(len, names)) + 1
    parts = list(folds(data, options.folds))
    turns = f"{len(axis_triples(data.channels))} axis triples"
    shape = f"{data.input_shape[1]}x{data.input_shape[2]}"
    print(f"{data.name}: {len(data)} windows {shape}, {turns}, {options.epochs} epochs, {describe(data.metric)}", flush=True)
    for name in names:
        found = np.array([[scores(ROWS[name], *part, options.epochs, seed) for part in parts] for seed in range(options.seeds)])
        values = found[..., 0]
        each = ", ".join(f"{value:.1%}" for value in values.mean(0))
        spread = values.mean(1).std(ddof=1) if options.seeds > 1 else 0.0
        recalls = zip(data.classes, np.nanmean(found[..., 1:], axis=(0, 1)), strict=True)
        of_classes = ", recall " + " ".join(f"{label} {value:.0%}" for label, value in recalls)
        beside = of_classes if weighs_classes_equally(data.metric) else ""
        print(f"{name:<{width}} {values.mean():6.2%}   folds ({each}), deviation over seeds {spread:.2%}{beside}", flush=True)


if __name__ == "__main__":
    main()
